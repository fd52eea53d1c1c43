"""Proxies and headers with secrets, against servers on loopback."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

from rhymes.common.errors import InputError, UnavailableError
from rhymes.images import download
from rhymes.images.access import (
    PROXY_PASSWORD,
    PROXY_USER,
    DownloadAccess,
    HostHeaders,
    text_to_proxy,
)
from rhymes.images.download import Downloader, DownloadLimits
from tests.support.certificates import save_certificates
from tests.support.hostile_server import HostileServer, encode_random_image
from tests.support.proxy_server import ProxyServer, wrap_server

SECRET = "Bearer 5f2c-very-secret"  # noqa: S105
VARIABLES = {"TOKEN": SECRET, "OTHER": "another secret"}
IMAGE = encode_random_image(1)


class Origin:
    """A server that notes the headers it gets; /to/<URL> redirects there, all else is an image."""

    def __init__(self, certificates: tuple[Path, str] | None = None) -> None:
        self.headers: list[dict[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.origin = self  # type: ignore[attr-defined]
        if certificates:
            self._server.socket = wrap_server(self._server.socket, *certificates)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def secrets(self) -> list[str | None]:
        """What each request had as its Authorization."""
        return [each.get("authorization") for each in self.headers]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        origin = self.server.origin  # type: ignore[attr-defined]
        origin.headers.append({key.lower(): value for key, value in self.headers.items()})
        target = self.path.removeprefix("/to/")
        body = b"" if target != self.path else IMAGE
        self.send_response(200 if body else 302)
        if not body:
            self.send_header("Location", target)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of certificates whose root downloads trust."""
    folder = tmp_path_factory.mktemp("certificates")
    save_certificates(folder, "localhost", "cdn.invalid", "proxy.localhost")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(folder / "root.crt"))
        download._trusted.cache_clear()
        yield folder
    download._trusted.cache_clear()


@pytest.fixture
def secure(certificates: Path) -> Iterator[Origin]:
    with Origin((certificates, "localhost")) as origin:
        yield origin


@pytest.fixture
def plain() -> Iterator[Origin]:
    with Origin() as origin:
        yield origin


def make_downloader(
    *allowed: str,
    headers: Mapping[str, Mapping[str, str]] | None = None,
    proxy: str | None = None,
    **limits: Any,
) -> Downloader:
    defaults = {"timeout": 5.0, "attempts": 1, "max_bytes": 100_000, "pause": 0.01}
    access = DownloadAccess(text_to_proxy(proxy), HostHeaders(headers or {}, VARIABLES))
    return Downloader(DownloadLimits(allowed_hosts=allowed, **(defaults | limits)), access)


# Headers from the environment


def test_header_goes_to_its_host_by_https(secure: Origin) -> None:
    host = f"localhost:{secure.port}"
    headers = {host: {"Authorization": "TOKEN", "X-Project": "OTHER", "User-Agent": "OTHER"}}
    downloader = make_downloader("localhost", headers=headers)
    assert downloader.url_to_bytes(f"https://{host}/1.jpg") == IMAGE
    (sent,) = secure.headers
    assert sent["authorization"] == SECRET
    assert sent["x-project"] == sent["user-agent"] == VARIABLES["OTHER"]
    assert sent["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("entry", "is_sent"),
    [
        pytest.param("localhost:{port}", True, id="host and port"),
        pytest.param("LOCALHOST:{port}", True, id="letter case"),
        pytest.param("localhost", False, id="another port, 443"),
        pytest.param("127.0.0.1:{port}", False, id="its address"),
        pytest.param("host:{port}", False, id="the end of its name"),
        pytest.param("localhost.evil:{port}", False, id="a longer name"),
    ],
)
def test_header_goes_to_no_other_host(secure: Origin, entry: str, is_sent: bool) -> None:
    headers = {entry.format(port=secure.port): {"Authorization": "TOKEN"}}
    make_downloader("localhost", headers=headers).url_to_bytes(f"https://localhost:{secure.port}/1")
    assert secure.secrets == [SECRET if is_sent else None]


def test_redirect_takes_the_header_to_no_other_host(secure: Origin, plain: Origin) -> None:
    headers = {f"localhost:{secure.port}": {"Authorization": "TOKEN"}}
    downloader = make_downloader("localhost", "127.0.0.1", headers=headers)
    url = f"https://localhost:{secure.port}/to/http://127.0.0.1:{plain.port}/1.jpg"
    assert downloader.url_to_bytes(url) == IMAGE
    assert (secure.secrets, plain.secrets) == ([SECRET], [None])


def test_redirect_to_http_loses_the_header(secure: Origin, plain: Origin) -> None:
    """Also where the same host and port are named and http is allowed there."""
    headers = {
        f"localhost:{port}": {"Authorization": "TOKEN"} for port in (secure.port, plain.port)
    }
    downloader = make_downloader("localhost", headers=headers)
    url = f"https://localhost:{secure.port}/to/http://localhost:{plain.port}/1.jpg"
    assert downloader.url_to_bytes(url) == IMAGE
    assert (secure.secrets, plain.secrets) == ([SECRET], [None])


def test_redirect_within_the_host_keeps_the_header(secure: Origin) -> None:
    headers = {f"localhost:{secure.port}": {"Authorization": "TOKEN"}}
    downloader = make_downloader("localhost", headers=headers)
    assert downloader.url_to_bytes(f"https://localhost:{secure.port}/to//2.jpg") == IMAGE
    assert secure.secrets == [SECRET, SECRET]


def test_redirect_to_the_host_brings_the_header(secure: Origin, plain: Origin) -> None:
    headers = {f"localhost:{secure.port}": {"Authorization": "TOKEN"}}
    downloader = make_downloader("localhost", headers=headers)
    url = f"http://localhost:{plain.port}/to/https://localhost:{secure.port}/1.jpg"
    assert downloader.url_to_bytes(url) == IMAGE
    assert (plain.secrets, secure.secrets) == ([None], [SECRET])


def test_header_goes_by_http_within_the_own_network_alone(plain: Origin) -> None:
    host = f"127.0.0.1:{plain.port}"
    headers = {host: {"Authorization": "TOKEN"}, "cdn.example": {"Authorization": "TOKEN"}}
    downloader = make_downloader(host, headers=headers)
    assert downloader.url_to_bytes(f"http://{host}/1.jpg") == IMAGE
    assert plain.secrets == [SECRET]
    with pytest.raises(InputError, match="Authorization is sent by https alone; write https"):
        downloader.url_to_bytes("http://cdn.example/1.jpg")


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        pytest.param({"a": {"X": "MISSING"}}, "a: X: the environment variable MISSING is not set",
                     id="missing"),
        pytest.param({"a": {"X": "EMPTY"}}, "variable EMPTY is not set", id="empty"),
        pytest.param({"a": {"X": "LINES"}}, "LINES holds characters", id="two lines"),
        pytest.param({"a": {"X": "ACCENT"}}, "ACCENT holds characters", id="an accent"),
        pytest.param({"a": {"X": SECRET}}, "expected the name of an environment variable",
                     id="the secret itself"),
        pytest.param({"a": {"X Y": "TOKEN"}}, "no header that can be set", id="a space"),
        pytest.param({"a": {"": "TOKEN"}}, "no header that can be set", id="no name"),
        pytest.param({"a": {"Host": "TOKEN"}}, "no header that can be set", id="Host"),
        pytest.param({"a": {"content-length": "TOKEN"}}, "no header that can", id="a length"),
        pytest.param({"https://a": {"X": "TOKEN"}}, "fetch.headers: 'https://a': expected a host",
                     id="a URL"),
    ],
)  # fmt: skip
def test_broken_header_is_an_error_before_anything_is_asked(
    headers: dict[str, dict[str, str]], reason: str
) -> None:
    held = {**VARIABLES, "EMPTY": " ", "LINES": f"{SECRET}\r\nX-More: 1", "ACCENT": f"{SECRET}é"}
    with pytest.raises(InputError) as error:
        HostHeaders(headers, held)
    assert reason in str(error.value)
    assert SECRET not in str(error.value)


def test_outer_space_of_a_value_is_cut(secure: Origin) -> None:
    held = {"TOKEN": f" {SECRET}\n"}
    headers = HostHeaders({f"localhost:{secure.port}": {"Authorization": "TOKEN"}}, held)
    limits = DownloadLimits(timeout=5, attempts=1, max_bytes=10**6, allowed_hosts=("localhost",))
    downloader = Downloader(limits, DownloadAccess(headers=headers))
    downloader.url_to_bytes(f"https://localhost:{secure.port}/1")
    assert secure.secrets == [SECRET]


def test_no_secret_is_shown(
    secure: Origin, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROXY_USER, "somebody")
    monkeypatch.setenv(PROXY_PASSWORD, "proxy-secret")
    access = DownloadAccess(
        text_to_proxy("http://127.0.0.1:1"), HostHeaders({"a": {"X": "TOKEN"}}, VARIABLES)
    )
    assert SECRET not in repr(access)
    assert "proxy-secret" not in repr(access)
    caplog.set_level(logging.DEBUG)
    host = f"localhost:{secure.port}"
    downloader = make_downloader("localhost", headers={host: {"Authorization": "TOKEN"}})
    downloader.url_to_bytes(f"https://{host}/1.jpg")
    assert "httpcore" in caplog.text
    assert "5f2c" not in caplog.text


# Proxies


@pytest.fixture
def cdn() -> Iterator[HostileServer]:
    with HostileServer() as server:
        yield server


@pytest.fixture
def tunnelled(certificates: Path) -> Iterator[Origin]:
    """The server that the proxy knows as cdn.invalid."""
    with Origin((certificates, "cdn.invalid")) as origin:
        yield origin


def test_proxy_is_asked_for_names_that_it_alone_knows(tunnelled: Origin, plain: Origin) -> None:
    names = {"cdn.invalid": ("127.0.0.1", tunnelled.port), "old.invalid": ("127.0.0.1", plain.port)}
    with ProxyServer(names) as proxy:
        downloader = make_downloader(proxy=proxy.url())
        assert downloader.url_to_bytes("https://cdn.invalid/1.jpg") == IMAGE
        assert downloader.url_to_bytes("http://old.invalid/2.jpg") == IMAGE
        assert downloader.url_to_bytes("https://cdn.invalid/to/http://old.invalid/3.jpg") == IMAGE
    assert proxy.asked == [
        "CONNECT cdn.invalid:443", "GET http://old.invalid/2.jpg", "GET http://old.invalid/3.jpg",
    ]  # fmt: skip


def test_proxy_that_is_spoken_to_by_tls(tunnelled: Origin, certificates: Path) -> None:
    names = {"cdn.invalid": ("127.0.0.1", tunnelled.port)}
    with ProxyServer(names, certificates=(certificates, "localhost")) as proxy:
        url = proxy.url("localhost")
        assert make_downloader(proxy=url).url_to_bytes("https://cdn.invalid/1.jpg") == IMAGE
        with pytest.raises(InputError, match="not trusted"):
            make_downloader(proxy=proxy.url()).url_to_bytes("https://cdn.invalid/1.jpg")
    assert proxy.asked == ["CONNECT cdn.invalid:443"]


def test_credentials_go_to_the_proxy_alone(
    tunnelled: Origin, plain: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"cdn.invalid": ("127.0.0.1", tunnelled.port), "old.invalid": ("127.0.0.1", plain.port)}
    urls = ["https://cdn.invalid/1.jpg", "http://old.invalid/1.jpg"]
    with ProxyServer(names, "jürgen:pass:word") as proxy:
        for url in urls:
            with pytest.raises(UnavailableError, match=f"the proxy wants .*set {PROXY_USER} and"):
                make_downloader(proxy=proxy.url()).url_to_bytes(url)
        monkeypatch.setenv(PROXY_USER, "jürgen")
        monkeypatch.setenv(PROXY_PASSWORD, "pass:word")
        downloader = make_downloader(proxy=proxy.url())
        assert [downloader.url_to_bytes(url) for url in urls] == [IMAGE, IMAGE]
    for origin in (tunnelled, plain):
        assert not [each for each in origin.headers if "proxy-authorization" in each]


def test_secret_is_not_shown_to_the_proxy_of_a_tunnel(tunnelled: Origin) -> None:
    headers = {"cdn.invalid": {"Authorization": "TOKEN"}}
    with ProxyServer({"cdn.invalid": ("127.0.0.1", tunnelled.port)}) as proxy:
        make_downloader(proxy=proxy.url(), headers=headers).url_to_bytes("https://cdn.invalid/1")
    assert tunnelled.secrets == [SECRET]
    assert SECRET not in str(proxy.headers)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:10.0.0.1]",
     "10.0.0.1", "169.254.169.254"],
)  # fmt: skip
def test_proxy_is_not_asked_for_the_own_network(host: str, scheme: str) -> None:
    with ProxyServer({}) as proxy:
        with pytest.raises(InputError, match="is not a public address"):
            make_downloader(proxy=proxy.url()).url_to_bytes(f"{scheme}://{host}/latest/meta-data")
        assert proxy.asked == []


def test_proxy_is_not_asked_for_the_own_network_behind_a_redirect(tunnelled: Origin) -> None:
    with ProxyServer({"cdn.invalid": ("127.0.0.1", tunnelled.port)}) as proxy:
        downloader = make_downloader(proxy=proxy.url())
        for target in ("http://169.254.169.254/", "https://localhost/", "http://[::1]/"):
            with pytest.raises(InputError, match="is not a public address"):
                downloader.url_to_bytes(f"https://cdn.invalid/to/{target}")
        assert set(proxy.asked) == {"CONNECT cdn.invalid:443"}


def test_the_proxys_own_address_is_no_exception_for_downloads() -> None:
    with ProxyServer({}) as proxy:
        with pytest.raises(InputError, match="is not a public address"):
            make_downloader(proxy=proxy.url()).url_to_bytes(f"{proxy.url()}/admin")
        assert proxy.asked == []


def test_allowed_host_is_asked_for_by_the_proxy(plain: Origin) -> None:
    for host, url in (("127.0.0.1", "127.0.0.1"), ("[::1]", "[::1]")):
        with ProxyServer({host.strip("[]"): ("127.0.0.1", plain.port)}) as proxy:
            downloader = make_downloader(host, proxy=proxy.url())
            assert downloader.url_to_bytes(f"http://{url}:81/1.jpg") == IMAGE
            assert proxy.asked == [f"GET http://{url}:81/1.jpg"]


@pytest.mark.parametrize(
    ("status", "reason", "requests"),
    [
        pytest.param(403, "the proxy refuses: 403 Forbidden", 1, id="forbidden"),
        pytest.param(404, "the proxy refuses: 404 Not Found", 1, id="no proxy at all"),
        pytest.param(502, "the proxy found no way: 502 Bad Gateway", 2, id="no way"),
        pytest.param(503, "the proxy found no way: 503 Service", 2, id="overloaded"),
    ],
)
def test_answer_of_the_proxy_is_explained(status: int, reason: str, requests: int) -> None:
    with ProxyServer({}) as proxy:
        proxy.refusal = status
        with pytest.raises(UnavailableError) as error:
            make_downloader(proxy=proxy.url(), attempts=2).url_to_bytes("https://cdn.invalid/1.jpg")
        assert reason in str(error.value)
        assert len(proxy.asked) == requests


def test_proxy_that_is_not_there() -> None:
    with pytest.raises(UnavailableError, match="no connection to the proxy: Connection refused"):
        make_downloader(proxy="http://127.0.0.1:9").url_to_bytes("https://cdn.invalid/1.jpg")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("proxy.local:3128", "expected http://HOST:PORT", id="no scheme"),
        pytest.param("socks5://proxy.local:1080", "expected http://HOST:PORT", id="SOCKS"),
        pytest.param("http://proxy.local/path", "expected http://HOST:PORT", id="a path"),
        pytest.param("http://", "expected http://HOST:PORT", id="no host"),
        pytest.param("", "expected http://HOST:PORT", id="nothing"),
        pytest.param("http://proxy.local:port", "not a valid URL", id="no port"),
        pytest.param("http://me:secret@proxy.local:3128", f"set the environment variables "
                     f"{PROXY_USER} and {PROXY_PASSWORD}", id="credentials"),
    ],
)  # fmt: skip
def test_broken_proxy_is_an_error(text: str, reason: str) -> None:
    with pytest.raises(InputError) as error:
        text_to_proxy(text)
    assert "fetch.proxy" in str(error.value)
    assert reason in str(error.value)
    assert "secret" not in str(error.value)


def test_half_of_the_credentials_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROXY_PASSWORD, "secret")
    for user in ("", "a:b"):
        monkeypatch.setenv(PROXY_USER, user)
        with pytest.raises(InputError, match=f"{PROXY_USER} must hold a user name"):
            text_to_proxy("http://proxy.local:3128")
    assert text_to_proxy(None) is None
