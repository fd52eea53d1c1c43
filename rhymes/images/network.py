"""TCP connections to public addresses only, each with a limit on its whole duration.

A URL in an export comes from outside. It must not make this machine ask its own network, a cloud's
metadata service, say. So a name is looked up once, here, and the connection goes to the addresses
that were checked: a name server that answers differently the second time (DNS rebinding) gains
nothing. Nothing is read from the environment: a proxy would do the connecting itself, past all
checks.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx

from rhymes.common.errors import InputError

_GLOBAL_UNICAST = IPv6Network("2000::/3")  # RFC 4291, 2.4: all that is routed today
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052, 2.1: the last 32 bits are an IPv4 address
_RELAY_6TO4 = ip_address("192.88.99.0")  # RFC 7526: deprecated, /24


class AddressError(InputError):
    """A host whose address is not one of the public internet."""


class TooSlowError(InputError):
    """An exchange that did not end within its whole time."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Say whether an address belongs to the public internet.

    Private, loopback, link-local, shared (100.64.0.0/10), multicast, reserved, documentation and
    unspecified addresses do not (IANA's special-purpose registries). An IPv6 address that carries
    an IPv4 address (mapped, 6to4, Teredo, NAT64) leads there, so that one decides.
    """
    if isinstance(address, IPv4Address):
        relay = int(address) >> 8 == int(_RELAY_6TO4) >> 8
        return address.is_global and not (address.is_multicast or address.is_reserved or relay)
    if carried := _carried_ipv4(address):
        return all(is_public(each) for each in carried)
    return address in _GLOBAL_UNICAST and address.is_global


def _carried_ipv4(address: IPv6Address) -> list[IPv4Address]:
    if address in _NAT64:
        return [IPv4Address(int(address) & 0xFFFF_FFFF)]
    if address.teredo:
        return list(address.teredo)
    return [each for each in (address.ipv4_mapped, address.sixtofour) if each is not None]


class Deadline:
    """The moment at which an exchange must have ended, whatever trickles in until then."""

    def __init__(self) -> None:
        self._end = math.inf

    def start(self, seconds: float) -> None:
        """Allow `seconds` from now."""
        self._end = time.monotonic() + seconds

    @contextmanager
    def clip(self, timeout: float | None) -> Iterator[float]:
        """Give the time that one operation may take: `timeout`, or less where less is left.

        Raises:
            TooSlowError: the time was over before the operation, or during it.
        """
        left = self._left()
        try:
            yield left if timeout is None else min(timeout, left)
        except httpcore.TimeoutException:
            self._left()
            raise

    def _left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TooSlowError("took too long as a whole")
        return left


class GuardedBackend(httpcore.NetworkBackend):
    """httpcore's way to the network: connects to public addresses and to allowed hosts.

    Not for several threads at once, because of its `deadline`.

    Args:
        allowed_hosts: `host` or `host:port` (an IPv6 address in brackets), that may have an
            address of any kind.
    """

    def __init__(self, allowed_hosts: Iterable[str]) -> None:
        self.deadline = Deadline()
        self._allowed = {_entry_to_host(entry) for entry in allowed_hosts}
        self._tcp = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Look `host` up and connect to the first of its allowed addresses that answers.

        Raises:
            AddressError: it has no allowed address.
            httpcore.ConnectError, httpcore.ConnectTimeout: none of them answers.
        """
        failure: Exception | None = None
        for address in self._allowed_addresses(host, port):
            try:
                with self.deadline.clip(timeout) as seconds:
                    stream = self._tcp.connect_tcp(
                        address, port, seconds, local_address, socket_options
                    )
                return _TimedStream(stream, self.deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    def _allowed_addresses(self, host: str, port: int) -> list[str]:
        addresses = _resolve(host, port)
        if {(host.lower(), None), (host.lower(), port)} & self._allowed:
            return addresses
        public = [each for each in addresses if is_public(ip_address(each))]
        if addresses and not public:
            named = host if host == addresses[0] else f"{host} ({addresses[0]})"
            raise AddressError(
                f"{named} is not a public address; "
                "if you trust it, add the host to fetch.allowed_hosts"
            )
        return public


class _TimedStream(httpcore.NetworkStream):
    """A stream whose reads and writes end with the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with self._deadline.clip(timeout) as seconds:
            return self._stream.read(max_bytes, seconds)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with self._deadline.clip(timeout) as seconds:
            self._stream.write(buffer, seconds)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        with self._deadline.clip(timeout) as seconds:
            stream = self._stream.start_tls(ssl_context, server_hostname, seconds)
        return _TimedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _resolve(host: str, port: int) -> list[str]:
    """Look a name up, once; the system's resolver has its own timeout (resolv.conf, 5 s a try)."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise httpcore.ConnectError(f"{host}: {reason}") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _entry_to_host(entry: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(f"//{entry}")
        # As httpx writes a host into a request: lower case, IDNA, no brackets.
        host = httpx.URL(scheme="http", host=parts.hostname or "").raw_host.decode("ascii")
        if not host or parts.netloc != entry or parts.username is not None:
            raise InputError(f"fetch.allowed_hosts: {entry!r}: expected a host or host:port")
        return host, parts.port
    except (ValueError, httpx.InvalidURL) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"fetch.allowed_hosts: {entry!r}: {error}") from None
