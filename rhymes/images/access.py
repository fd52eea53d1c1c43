"""How servers are reached that want more than a URL: by a proxy, with headers that hold a secret.

Secrets come from the environment alone: params.yaml is in Git, and what it says goes into dvc.lock.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from rhymes.common.errors import InputError
from rhymes.images.network import AddressGuard, entry_to_host

PROXY_USER, PROXY_PASSWORD = "RHYMES_FETCH_PROXY_USER", "RHYMES_FETCH_PROXY_PASSWORD"
"""Environment variables with the credentials of the proxy."""

# RFC 9110, 5.6.2 (token) and 5.5 (what a value may hold).
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VALUE = re.compile(r"[\t\x20-\x7e]+")

# They say how the message is sent (RFC 9110, 7.6.1; RFC 9112, 6), which is the downloader's to say.
_RESERVED = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade"}
    | {"accept-encoding", "range", "proxy-authorization", "proxy-connection", "keep-alive"}
)
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Proxy:
    """An http proxy.

    Attributes:
        url: scheme http or https, host and port.
        credentials: user name and password, or None.
    """

    url: httpx.URL
    credentials: tuple[bytes, bytes] | None = field(default=None, repr=False)

    @property
    def host(self) -> str:
        """The host as `AddressGuard` takes it."""
        return self.url.netloc.decode("ascii")


def text_to_proxy(text: str | None) -> Proxy | None:
    """Read `fetch.proxy`, with the credentials that the environment holds for it.

    Raises:
        InputError: it is no address of a proxy, or one of two variables is missing.
    """
    if text is None:
        return None
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise InputError(f"fetch.proxy: not a valid URL: {error}") from None
    if url.userinfo:
        raise InputError(
            "fetch.proxy: a user name or password is refused, because params.yaml is in Git; "
            f"set the environment variables {PROXY_USER} and {PROXY_PASSWORD}"
        )
    if url.scheme not in DEFAULT_PORTS or not url.host or url.raw_path != b"/" or url.fragment:
        raise InputError(
            f"fetch.proxy: got {text!r}; expected http://HOST:PORT or https://HOST:PORT"
        )
    user, password = (os.environ.get(name, "") for name in (PROXY_USER, PROXY_PASSWORD))
    if not user and not password:
        return Proxy(url)
    if not user or ":" in user:  # RFC 7617, 2
        raise InputError(f"fetch.proxy: {PROXY_USER} must hold a user name without a colon")
    return Proxy(url, (user.encode(), password.encode()))


class HostHeaders:
    """Headers that hold a secret, each for one host.

    Args:
        headers: `host` (of the scheme's own port) or `host:port` -> name of a header -> name of the
            environment variable that holds its value.
        environment: where the variables are looked up.

    Raises:
        InputError: a host or a header's name is none, or a variable is missing or holds what
            cannot be sent; the value is never named.
    """

    def __init__(
        self, headers: Mapping[str, Mapping[str, str]], environment: Mapping[str, str] = os.environ
    ) -> None:
        self._headers = {
            entry_to_host(host, "fetch.headers"): [
                (name, _load_value(host, name, variable, environment))
                for name, variable in named.items()
            ]
            for host, named in headers.items()
        }

    def url_to_headers(
        self, url: httpx.URL, guard: AddressGuard, *, is_redirected: bool
    ) -> list[tuple[str, str]]:
        """Give the headers to send with a request, name and value.

        They go by https to the host that they are for and to no other one; by http only to a host
        of `fetch.allowed_hosts`, and not where a redirect leads there.

        Raises:
            InputError: the URL itself would send them by http over the internet.
        """
        host, port = url.raw_host.decode("ascii"), url.port or DEFAULT_PORTS[url.scheme]
        entries = [(host, port)] if url.port else [(host, port), (host, None)]
        found = [header for entry in entries for header in self._headers.get(entry, ())]
        if not found or url.scheme == "https":
            return found
        if is_redirected:
            return []
        if not guard.is_allowed(host, port):
            raise InputError(
                f"fetch.headers: {found[0][0]} is sent by https alone; write https in the URL, or "
                f"add the host to fetch.allowed_hosts if it belongs to your own network"
            )
        return found


def _load_value(host: str, name: str, variable: str, environment: Mapping[str, str]) -> str:
    where = f"fetch.headers: {host}: {name}"
    if not _NAME.fullmatch(name) or name.lower() in _RESERVED:
        raise InputError(f"{where}: no header that can be set")
    if not _VARIABLE.fullmatch(variable):  # perhaps the secret itself, which must not be printed
        raise InputError(
            f"{where}: expected the name of an environment variable that holds the value"
        )
    value = environment.get(variable, "").strip()
    if not value:
        raise InputError(
            f"{where}: the environment variable {variable} is not set; it must hold the header's "
            "whole value, such as 'Bearer ...'"
        )
    if not _VALUE.fullmatch(value):
        raise InputError(f"{where}: {variable} holds characters that no header may have")
    return value


@dataclass(frozen=True)
class DownloadAccess:
    """How servers are reached.

    Attributes:
        proxy: asked for every download; None for none.
        headers: with secrets, each for one host.
    """

    proxy: Proxy | None = None
    headers: HostHeaders = field(default_factory=lambda: HostHeaders({}), repr=False)
