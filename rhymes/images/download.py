"""HTTP downloads of untrusted URLs, within limits of time, size and address."""

from __future__ import annotations

import email.utils
import functools
import re
import ssl
import time
import urllib.parse
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import ada_url
import httpcore
import httpx
import tenacity

from rhymes.common.errors import InputError, UnavailableError
from rhymes.images.access import (
    DEFAULT_PORTS,
    PROXY_PASSWORD,
    PROXY_USER,
    DownloadAccess,
    Proxy,
)
from rhymes.images.content_coding import decode_body
from rhymes.images.network import AddressGuard, GuardedBackend, TooSlowError

MAX_REDIRECTS = 20
"""As browsers follow."""

_REDIRECTS = {301, 302, 303, 307, 308}
# What a server says of its own state, not of the request: asking again may bring the image. So does
# every status from 500 (RFC 9110, 15.6), Cloudflare's 520 to 530 among them.
_TRANSIENT = {408, 421, 423, 425, 429}
_SERVER_ERRORS = range(500, 600)
# The body of any other status of success is the image or is found to be none.
_WITHOUT_BODY = {204, 205}
_MAX_PAUSE = 60.0
WHOLE_TIME = 10
_REFUSED = {401, 403}
_PROXY_CREDENTIALS = HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
_POOL_SIZE: dict[str, Any] = {"max_connections": 4, "keepalive_expiry": 10.0}
_HEADERS: list[tuple[bytes | str, bytes | str]] = [
    ("User-Agent", "rhymes-detector"),
    ("Accept", "*/*"),
    ("Accept-Encoding", "identity"),
]


@dataclass(frozen=True)
class DownloadLimits:
    """What one download may take.

    Attributes:
        timeout: seconds to connect, and between two chunks. A whole try, with its redirects, may
            take ten times that, so that a server that sends a byte now and then holds nobody up.
        attempts: tries per URL where trying again makes sense.
        max_bytes: of a body, as received and as decoded.
        allowed_hosts: `host` or `host:port`, that may have a private or loopback address.
        pause: seconds before the second try; doubled before each next one, with jitter.
    """

    timeout: float
    attempts: int
    max_bytes: int
    allowed_hosts: tuple[str, ...] = ()
    pause: float = 0.5


class Downloader:
    """Downloads by http and https, one at a time; a thread needs its own.

    Connections are kept open between downloads. Certificates are checked against certifi's list,
    or what `SSL_CERT_FILE` or `SSL_CERT_DIR` names; the environment's proxies are ignored
    (`rhymes.images.network` says why).

    Args:
        limits: of each download.
        access: how servers are reached; directly, and with nothing but a URL, where it is left out.
    """

    def __init__(self, limits: DownloadLimits, access: DownloadAccess | None = None) -> None:
        self._limits = limits
        self._access = access or DownloadAccess()
        self._guard = AddressGuard(limits.allowed_hosts)
        proxy = self._access.proxy
        # The proxy itself may have an address of any kind: it is the user's own choice.
        self._backend = GuardedBackend(AddressGuard([proxy.host]) if proxy else self._guard)
        self._pool = _make_pool(self._backend, proxy)
        self._retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(limits.attempts),
            retry=tenacity.retry_if_exception_type(_TransientError),
            wait=_Pause(limits.pause),
            reraise=True,
        )

    def url_to_bytes(self, text: str) -> bytes:
        """Download what a URL names.

        Tried again, with growing pauses or after as long as the server asks for: no connection,
        silence, a broken answer, status 408, 421, 423, 425, 429 and 500 to 599. Cookies that a
        redirect sets are sent back until the body is there, and forgotten with it.

        Raises:
            UnavailableError: no try brought the body, for a reason that may pass. So may a
                certificate that is not trusted, an answer that is too slow, and a token that is
                refused, of which one try is made.
            InputError: why there is none for good: the URL, its host's address, the server's
                answer, or a limit.
        """
        url = _text_to_url(text)
        try:
            return self._retrying(self._try, url)
        except _TransientError as error:
            tries = f" ({self._limits.attempts} tries)" if self._limits.attempts > 1 else ""
            raise UnavailableError(f"{error}{tries}") from None

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._pool.close()

    def _try(self, url: httpx.URL) -> bytes:
        whole = WHOLE_TIME * self._limits.timeout
        self._backend.deadline.start(whole)
        try:
            return self._follow(url)
        except TooSlowError:
            reason = f"not finished after {whole:g} s (10 x fetch.timeout)"
            raise UnavailableError(reason) from None
        except InputError:
            raise
        except httpcore.TimeoutException:
            raise _TransientError(f"no answer within {self._limits.timeout:g} s") from None
        except httpcore.ProxyError as error:
            raise _proxy_failure(str(error)) from None
        except httpcore.NetworkError as error:
            cause = error.args[0] if error.args else error
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise UnavailableError(f"not trusted: {cause.verify_message}") from None
            to = " to the proxy" if self._access.proxy else ""
            raise _TransientError(f"no connection{to}: {_reason(cause)}") from None
        except httpcore.RemoteProtocolError as error:
            raise _TransientError(f"broken answer: {error}") from None
        except (httpcore.LocalProtocolError, ValueError, OverflowError) as error:
            raise InputError(f"cannot be asked for: {error}") from None

    def _follow(self, url: httpx.URL) -> bytes:
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), self._limits.timeout)
        cookies = httpx.Cookies()
        for hop in range(MAX_REDIRECTS + 1):
            target = self._url_to_target(url)
            secrets = self._access.headers.url_to_headers(url, self._guard, is_redirected=hop > 0)
            replaceable = [*_HEADERS, *_url_to_cookies(cookies, url)]
            headers = [*_without(replaceable, secrets), ("Host", url.netloc), *secrets]
            extensions = {"timeout": timeouts}
            with self._pool.stream("GET", target, headers=headers, extensions=extensions) as answer:
                if answer.status not in _REDIRECTS:
                    if self._access.proxy and answer.status == _PROXY_CREDENTIALS:
                        raise _proxy_failure(str(answer.status))
                    if secrets and answer.status in _REFUSED:
                        # DVC does not know what the environment holds.
                        raise UnavailableError(
                            f"status {answer.status}: the server refuses what fetch.headers sends"
                        )
                    _check_status(answer)
                    return _read_body(answer, self._limits.max_bytes)
                _keep_cookies(cookies, url, answer)
                url = _redirected(url, answer)
        raise InputError(f"more than {MAX_REDIRECTS} redirects")

    def _url_to_target(self, url: httpx.URL) -> httpcore.URL:
        """Give what is asked for, once a proxy may be asked for it."""
        host = url.raw_host
        if self._access.proxy:
            port = url.port or DEFAULT_PORTS[url.scheme]
            self._guard.check_behind_proxy(host.decode("ascii"), port)
            if b":" in host:  # httpcore writes the host into the request as it is
                host = b"[" + host + b"]"
        return httpcore.URL(scheme=url.raw_scheme, host=host, port=url.port, target=url.raw_path)


def _make_pool(backend: GuardedBackend, proxy: Proxy | None) -> httpcore.ConnectionPool:
    if proxy is None:
        return httpcore.ConnectionPool(
            ssl_context=_trusted(), network_backend=backend, **_POOL_SIZE
        )
    return httpcore.HTTPProxy(
        proxy_url=str(proxy.url),
        proxy_auth=proxy.credentials,
        ssl_context=_trusted(),
        proxy_ssl_context=_trusted() if proxy.url.scheme == "https" else None,
        network_backend=backend,
        **_POOL_SIZE,
    )


def _without(
    headers: list[tuple[bytes | str, bytes | str]], others: list[tuple[str, str]]
) -> list[tuple[bytes | str, bytes | str]]:
    """Leave out the headers that others replace."""
    replaced = {name.lower() for name, _ in others}
    return [header for header in headers if str(header[0]).lower() not in replaced]


def _proxy_failure(said: str) -> Exception:
    """Say what a proxy's own answer means, such as "502 Bad Gateway"."""
    status = int(said[:3]) if said[:3].isdecimal() else 0
    if status == _PROXY_CREDENTIALS:
        return UnavailableError(
            f"the proxy wants other credentials (status {status}); set {PROXY_USER} and "
            f"{PROXY_PASSWORD}"
        )
    if status in _TRANSIENT or status in _SERVER_ERRORS:
        return _TransientError(f"the proxy found no way: {said.strip()}")
    return UnavailableError(f"the proxy refuses: {said.strip()}")


class _TransientError(Exception):
    """A failure that may be over soon; `pause` is what the server asks for, in seconds."""

    def __init__(self, message: str, pause: float | None = None) -> None:
        super().__init__(message)
        self.pause = pause


class _Pause(tenacity.wait.wait_base):
    """Seconds until the next try: growing and with jitter, or what the server asked for."""

    def __init__(self, pause: float) -> None:
        self._growing = tenacity.wait_exponential_jitter(
            multiplier=pause, jitter=pause, max=_MAX_PAUSE
        )

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        if isinstance(error, _TransientError) and error.pause is not None:
            return error.pause
        return self._growing(retry_state)


@functools.cache
def _trusted() -> ssl.SSLContext:
    # One for all threads: reading the list of certificates takes longer than a download.
    return httpx.create_ssl_context()


def _text_to_url(text: str, base: httpx.URL | None = None) -> httpx.URL:
    """Read a URL, or a reference relative to `base`, as browsers do (WHATWG's URL standard).

    Outer spaces go, a backslash is a slash, what may not stand in a request is escaped.
    """
    try:
        url = httpx.URL(ada_url.URL(text, None if base is None else str(base)).href)
    except (httpx.InvalidURL, ValueError):
        raise InputError(
            "not a valid URL: no host, or one that cannot be, or no such port"
        ) from None
    if url.scheme not in ("http", "https"):
        raise InputError(f"scheme {url.scheme!r} is refused; only http and https are allowed")
    if not url.raw_host:
        raise InputError("not a valid URL: no host")
    if url.port == 0:
        raise InputError("not a valid URL: port 0")
    if url.userinfo:
        raise InputError("a user name or password in a URL is refused")
    return url


def _redirected(url: httpx.URL, answer: httpcore.Response) -> httpx.URL:
    location = _location(answer)
    if not location:
        raise InputError(f"status {answer.status} without a Location")
    try:
        return _text_to_url(location, url)
    except InputError as error:
        raise InputError(f"redirected to {location[:100]!r}: {error}") from None


def _location(answer: httpcore.Response) -> str:
    """Read where a redirect leads; bytes that are no UTF-8 are escaped, as browsers do."""
    value = next((v for key, v in answer.headers if key.lower() == b"location"), b"").strip()
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return urllib.parse.quote_from_bytes(value, safe=bytes(range(128)))


def _keep_cookies(cookies: httpx.Cookies, url: httpx.URL, answer: httpcore.Response) -> None:
    request = httpx.Request("GET", url)
    cookies.extract_cookies(httpx.Response(answer.status, headers=answer.headers, request=request))


def _url_to_cookies(
    cookies: httpx.Cookies, url: httpx.URL
) -> list[tuple[bytes | str, bytes | str]]:
    request = httpx.Request("GET", url)
    cookies.set_cookie_header(request)
    return [("Cookie", value) for value in request.headers.get_list("cookie")]


def _check_status(answer: httpcore.Response) -> None:
    if answer.status in range(200, 300) and answer.status not in _WITHOUT_BODY:
        return
    known = answer.status in set(HTTPStatus)
    said = f"status {answer.status}" + (f" {HTTPStatus(answer.status).phrase}" if known else "")
    if answer.status not in _TRANSIENT and answer.status not in _SERVER_ERRORS:
        raise InputError(said)
    pause = _retry_after(_header(answer, b"retry-after"))
    if pause is not None and pause > _MAX_PAUSE:
        raise UnavailableError(f"{said}; the server asks to come back after {pause:.0f} s")
    raise _TransientError(said, pause)


def _retry_after(value: str) -> float | None:
    """Read a Retry-After header (RFC 9110, 10.2.3): seconds or a date -> seconds from now."""
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _read_body(answer: httpcore.Response, max_bytes: int) -> bytes:
    too_large = f"larger than the {max_bytes:,} bytes allowed"
    length = _header(answer, b"content-length")
    if length.isdecimal() and int(length) > max_bytes:
        raise InputError(too_large)
    body = bytearray()
    for chunk in answer.iter_stream():
        body += chunk
        if len(body) > max_bytes:
            raise InputError(too_large)
    try:
        return decode_body(bytes(body), _header(answer, b"content-encoding"), max_bytes)
    except UnavailableError as error:
        raise _TransientError(f"broken answer: {error}") from None


def _reason(cause: object) -> str:
    if isinstance(cause, OSError) and isinstance(cause.strerror, str):
        return cause.strerror
    return str(cause) or type(cause).__name__


def _header(answer: httpcore.Response, name: bytes) -> str:
    values = [value for key, value in answer.headers if key.lower() == name]
    return b",".join(values).decode("utf-8", "replace").strip()
