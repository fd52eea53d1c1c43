from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhymes.common.errors import InputError
from rhymes.images.download import Downloader, DownloadLimits
from tests.support.hostile_server import HTML, HostileServer, encode_random_image

MAX_BYTES = 100_000
PUBLIC = "93.184.215.14"


@pytest.fixture(scope="module")
def cdn() -> Iterator[HostileServer]:
    with HostileServer() as server:
        yield server


def make_downloader(*allowed: str, **limits: Any) -> Downloader:
    defaults = {"timeout": 5.0, "attempts": 2, "max_bytes": MAX_BYTES, "pause": 0.01}
    return Downloader(DownloadLimits(allowed_hosts=allowed, **(defaults | limits)))


@pytest.mark.parametrize(
    ("path", "expected", "requests"),
    [
        pytest.param("/good/1.jpg", encode_random_image(1), 1, id="a good host"),
        pytest.param("/flaky/2.jpg", encode_random_image(2), 2, id="500 then 200"),
        pytest.param("/busy/0", encode_random_image(1), 2, id="429 then 200"),
        pytest.param("/vanishing/1", encode_random_image(1), 2, id="no answer then 200"),
        pytest.param("/hops/5.jpg", encode_random_image(1), 1, id="five redirects"),
        pytest.param("/gzip/3.jpg", encode_random_image(3), 1, id="gzip that was not asked for"),
        pytest.param("/page/1.jpg", HTML, 1, id="whatever has status 200"),
        pytest.param("/empty/1.jpg", b"", 1, id="an empty body"),
    ],
)
def test_body_arrives(cdn: HostileServer, path: str, expected: bytes, requests: int) -> None:
    cdn.asked.clear()
    assert make_downloader(cdn.host).url_to_bytes(cdn.url(path)) == expected
    assert cdn.asked[path] == requests


@pytest.mark.parametrize(
    ("path", "reason", "requests"),
    [
        pytest.param("/missing.jpg", "status 404 Not Found", 1, id="404"),
        pytest.param("/status/403", "status 403 Forbidden", 1, id="403"),
        pytest.param("/status/204", "status 204 No Content", 1, id="204"),
        pytest.param("/status/799", "status 799", 1, id="a status nobody knows"),
        pytest.param("/status/503", "status 503 Service Unavailable (2 tries)", 2, id="503"),
        pytest.param(
            "/busy/3600", "the server asks to come back after 3600 s", 1, id="429 for 1 h"
        ),
        pytest.param("/hang/1", "no answer within 0.2 s (2 tries)", 2, id="silence"),
        pytest.param(
            "/to-file/1", "redirected to 'file:///etc/passwd': scheme 'file'", 1, id="file"
        ),
        pytest.param("/to-private/1", "is not a public address", 1, id="redirect to loopback"),
        pytest.param("/to-nowhere/1", "status 302 without a Location", 1, id="no Location"),
        pytest.param("/hops/6.jpg", "more than 5 redirects", 1, id="six redirects"),
        pytest.param("/endless/1", "larger than the 100,000 bytes allowed", 1, id="endless"),
        pytest.param("/huge/1", "larger than the 100,000 bytes allowed", 1, id="a length of 1 TB"),
        pytest.param("/gzip-bomb/1", "larger than the 100,000 bytes", 1, id="gzip bomb"),
        pytest.param("/gzip-short/1", "content encoding ends too early", 2, id="cut gzip"),
        pytest.param("/brotli/1", "content encoding 'br' was not asked for", 1, id="brotli"),
        pytest.param("/short/1", "broken answer", 2, id="less than Content-Length"),
        pytest.param("/drip/1", "not finished after 2 s", 1, id="slow drip"),
        pytest.param("/drip-header/1", "not finished after 2 s", 1, id="slow header"),
    ],
)
def test_failure_is_explained(cdn: HostileServer, path: str, reason: str, requests: int) -> None:
    cdn.asked.clear()
    timeout = 0.2 if re.search("0.2 s|after 2 s", reason) else 5.0
    begun = time.monotonic()
    with pytest.raises(InputError) as error:
        make_downloader(cdn.host, timeout=timeout).url_to_bytes(cdn.url(path))
    assert reason in str(error.value)
    assert cdn.asked[path] == requests
    assert cdn.asked["/good/1.jpg"] == 0
    assert time.monotonic() - begun < 4


def test_retry_after_is_waited_for(cdn: HostileServer) -> None:
    begun = time.monotonic()
    assert make_downloader(cdn.host).url_to_bytes(cdn.url("/busy/1")) == encode_random_image(1)
    assert time.monotonic() - begun >= 1


def test_no_server_is_a_failure_with_its_reason() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(InputError, match=r"no connection: Connection refused \(2 tries\)"):
        make_downloader("127.0.0.1").url_to_bytes(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param("file:///etc/passwd", "scheme 'file' is refused", id="file"),
        pytest.param("ftp://example.com/a.jpg", "scheme 'ftp' is refused", id="ftp"),
        pytest.param("data:image/png;base64,AAAA", "scheme 'data' is refused", id="data"),
        pytest.param("C:/images/a.jpg", "scheme 'c' is refused", id="a Windows drive"),
        pytest.param("http:///a.jpg", "no host", id="no host"),
        pytest.param("http://example.com:99999/", "port 99999", id="no such port"),
        pytest.param("http://user:word@example.com/", "user name or password", id="credentials"),
        pytest.param("http://exa\x00mple.com/", "not a valid URL", id="NUL"),
        pytest.param("http://[::1/", "not a valid URL", id="half a bracket"),
    ],
)
def test_url_is_refused(url: str, reason: str) -> None:
    with pytest.raises(InputError) as error:
        make_downloader().url_to_bytes(url)
    assert reason in str(error.value)


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "0.0.0.0", "[::1]", "[::]",
     "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "10.0.0.1", "169.254.169.254"],
)  # fmt: skip
def test_own_network_is_refused_however_it_is_written(cdn: HostileServer, host: str) -> None:
    with pytest.raises(InputError, match="is not a public address"):
        make_downloader().url_to_bytes(f"http://{host}:{cdn.port}/good/1.jpg")


class Connections:
    """Stands in for the network: name servers that change their mind, and what is connected to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.made: list[str] = []
        self.server_names: list[str | None] = []
        monkeypatch.setattr(socket, "getaddrinfo", self.resolve)
        monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", self.connect)

    def resolve(self, _host: str, port: int, **_: Any) -> list[Any]:
        addresses = self.answers.pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    def connect(self, host: str, *_: Any) -> httpcore.NetworkStream:
        self.made.append(host)
        return self.Stream(self)

    class Stream(httpcore.NetworkStream):
        def __init__(self, connections: Connections) -> None:
            self.connections = connections

        def start_tls(self, _context: ssl.SSLContext, name: str | None, *_: Any) -> Any:
            self.connections.server_names.append(name)
            raise httpcore.ConnectError(ssl.SSLError(1, "enough"))

        def write(self, *_: Any) -> None:
            raise httpcore.WriteError(OSError("enough"))

        def read(self, *_: Any) -> bytes:
            raise httpcore.ReadError(OSError("enough"))

        def close(self) -> None:
            pass


def test_connects_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    connections = Connections(monkeypatch, [PUBLIC], ["127.0.0.1"])
    with pytest.raises(InputError, match="no connection"):
        make_downloader(attempts=1).url_to_bytes("http://rebinding.example/")
    assert connections.made == [PUBLIC]
    assert connections.answers == [["127.0.0.1"]]  # nobody asked a second time


def test_each_try_checks_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    connections = Connections(monkeypatch, [PUBLIC], ["127.0.0.1"])
    with pytest.raises(InputError, match=r"rebinding.example \(127.0.0.1\) is not a public"):
        make_downloader(attempts=2).url_to_bytes("http://rebinding.example/")
    assert connections.made == [PUBLIC]


def test_private_addresses_among_public_ones_are_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connections = Connections(monkeypatch, ["10.0.0.1", PUBLIC])
    with pytest.raises(InputError, match="no connection"):
        make_downloader(attempts=1).url_to_bytes("http://mixed.example/")
    assert connections.made == [PUBLIC]


def test_certificate_is_checked_against_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    connections = Connections(monkeypatch, [PUBLIC])
    with pytest.raises(InputError, match="no connection: enough"):
        make_downloader(attempts=1).url_to_bytes("https://cdn.example/a.jpg")
    assert connections.made == [PUBLIC]
    assert connections.server_names == ["cdn.example"]


@pytest.mark.parametrize(
    ("entry", "url", "allowed"),
    [
        pytest.param("cdn.local", "http://cdn.local/", True, id="any port"),
        pytest.param("cdn.local:8000", "http://cdn.local:8000/", True, id="that port"),
        pytest.param("cdn.local:80", "http://cdn.local/", True, id="the default port"),
        pytest.param("cdn.local:8000", "http://cdn.local:8001/", False, id="another port"),
        pytest.param("CDN.local", "http://cdn.LOCAL/", True, id="letter case"),
        pytest.param("cdn.local", "http://evil.cdn.local/", False, id="a subdomain"),
        pytest.param("cdn.local", "http://cdn.local.evil/", False, id="a longer name"),
        pytest.param("10.0.0.1", "http://cdn.local/", False, id="the address, not the name"),
        pytest.param("[::1]:80", "http://[::1]/", True, id="IPv6"),
        pytest.param("bücher.local", "http://xn--bcher-kva.local/", True, id="IDNA"),
    ],
)
def test_allowed_hosts(
    monkeypatch: pytest.MonkeyPatch, entry: str, url: str, allowed: bool
) -> None:
    connections = Connections(monkeypatch, ["10.0.0.1"])
    with pytest.raises(InputError) as error:
        make_downloader(entry, attempts=1).url_to_bytes(url)
    assert ("not a public address" in str(error.value)) != allowed
    assert bool(connections.made) == allowed


def test_environment_proxy_is_ignored(cdn: HostileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert make_downloader(cdn.host).url_to_bytes(cdn.url("/good/1.jpg")) == encode_random_image(1)


ONCE = make_downloader(attempts=1)


@given(st.one_of(st.text(), st.text().map(lambda tail: f"http://{tail}")))
def test_any_text_is_a_failure_and_nothing_worse(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        Connections(patch, ["10.0.0.1"])
        with pytest.raises(InputError):
            ONCE.url_to_bytes(text)
