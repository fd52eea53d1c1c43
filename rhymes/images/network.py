"""TCP connections to public addresses only, each with a limit on its whole duration.

A URL in an export comes from outside. It must not make this machine ask its own network, a cloud's
metadata service, say. So a name is looked up once, here, and the connection goes to the addresses
that were checked: a name server that answers differently the second time (DNS rebinding) gains
nothing. Nothing is read from the environment: a proxy does the connecting itself, past these
checks, so there is one only where `fetch.proxy` names it. Then a name that leads into the own
network here is refused before the proxy is asked; what the name is to the proxy, nobody checks.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
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


class AddressGuard:
    """Says which addresses of a host may be connected to.

    Args:
        allowed_hosts: `host` or `host:port` (an IPv6 address in brackets), that may have an
            address of any kind.
    """

    def __init__(self, allowed_hosts: Iterable[str]) -> None:
        self._allowed = {entry_to_host(entry, "fetch.allowed_hosts") for entry in allowed_hosts}
        self._let_through: set[tuple[str, int]] = set()

    def is_allowed(self, host: str, port: int) -> bool:
        """Say whether a host is one of the allowed ones."""
        return bool({(host.lower(), None), (host.lower(), port)} & self._allowed)

    def host_to_addresses(self, host: str, port: int) -> list[str]:
        """Look a name up and return those of its addresses that may be connected to.

        Raises:
            AddressError: it has addresses, but none of them may.
            httpcore.ConnectError: it cannot be looked up.
        """
        addresses = _resolve(host, port)
        if self.is_allowed(host, port):
            return addresses
        public = [each for each in addresses if is_public(ip_address(each))]
        if addresses and not public:
            raise _address_error(host, addresses[0])
        return public

    def check_behind_proxy(self, host: str, port: int) -> None:
        """Refuse a host that a proxy must not be asked for: one with a private address here.

        A name that is unknown here passes, because only the proxy may know it. A host is looked up
        once: the proxy does so by itself in any case, and where there is no name server each
        look-up takes long.

        Raises:
            AddressError: one of its addresses is not public.
        """
        if self.is_allowed(host, port) or (host, port) in self._let_through:
            return
        with suppress(httpcore.ConnectError):
            for address in _resolve(host, port):
                if not is_public(ip_address(address)):
                    raise _address_error(host, address)
        self._let_through.add((host, port))


def _address_error(host: str, address: str) -> AddressError:
    named = host if host == address else f"{host} ({address})"
    return AddressError(
        f"{named} is not a public address; if you trust it, add the host to fetch.allowed_hosts"
    )


class GuardedBackend(httpcore.NetworkBackend):
    """httpcore's way to the network: connects where a guard allows it.

    Not for several threads at once, because of its `deadline`.
    """

    def __init__(self, guard: AddressGuard) -> None:
        self.deadline = Deadline()
        self._guard = guard
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
        for address in self._guard.host_to_addresses(host, port):
            try:
                with self.deadline.clip(timeout) as seconds:
                    stream = self._tcp.connect_tcp(
                        address, port, seconds, local_address, socket_options
                    )
                return _TimedStream(stream, self.deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")


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


def entry_to_host(entry: str, key: str) -> tuple[str, int | None]:
    """Read `host` or `host:port` of params.yaml: the host as it is in a request, and the port.

    Args:
        entry: an IPv6 address is in brackets.
        key: the parameter, for the error.

    Raises:
        InputError: it is neither.
    """
    try:
        parts = urlsplit(f"//{entry}")
        # As httpx writes a host into a request: lower case, IDNA, no brackets.
        host = httpx.URL(scheme="http", host=parts.hostname or "").raw_host.decode("ascii")
        if not host or parts.netloc != entry or parts.username is not None:
            raise InputError(f"{key}: {entry!r}: expected a host or host:port")
        return host, parts.port
    except (ValueError, httpx.InvalidURL) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{key}: {entry!r}: {error}") from None
