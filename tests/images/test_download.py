from __future__ import annotations

import re
import socket
import ssl
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhymes.common.errors import InputError, UnavailableError
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
        pytest.param("/hops/20.jpg", encode_random_image(1), 1, id="20 redirects"),
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
        pytest.param("/hops/21.jpg", "more than 20 redirects", 1, id="21 redirects"),
        pytest.param("/endless/1", "larger than the 100,000 bytes allowed", 1, id="endless"),
        pytest.param("/huge/1", "larger than the 100,000 bytes allowed", 1, id="a length of 1 TB"),
        pytest.param("/gzip-bomb/1", "larger than the 100,000 bytes", 1, id="gzip bomb"),
        pytest.param("/gzip-short/1", "content encoding ends too early", 2, id="cut gzip"),
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


PASSING = (408, 421, 423, 425, 429, 500, 501, 502, 503, 504, 507, 508, 509, 511, *range(520, 531),
           598, 599)  # fmt: skip


@pytest.mark.parametrize("status", PASSING)
def test_what_a_server_says_of_itself_is_asked_again(cdn: HostileServer, status: int) -> None:
    cdn.asked.clear()
    url = cdn.url(f"/once/{status}")
    assert make_downloader(cdn.host).url_to_bytes(url) == encode_random_image(1)
    assert cdn.asked[f"/once/{status}"] == 2
    with pytest.raises(UnavailableError, match=rf"status {status}.* \(2 tries\)"):
        make_downloader(cdn.host).url_to_bytes(cdn.url(f"/as/{status}"))


@pytest.mark.parametrize("status", [300, 304, 400, 401, 403, 404, 410, 451, 600, 799, 999])
def test_what_a_server_says_of_the_image_is_final(cdn: HostileServer, status: int) -> None:
    cdn.asked.clear()
    with pytest.raises(InputError, match=f"status {status}") as error:
        make_downloader(cdn.host).url_to_bytes(cdn.url(f"/as/{status}"))
    assert not isinstance(error.value, UnavailableError)
    assert cdn.asked[f"/as/{status}"] == 1


@pytest.mark.parametrize("status", [200, 201, 202, 203, 206, 226])
def test_any_success_may_bring_the_image(cdn: HostileServer, status: int) -> None:
    url = cdn.url(f"/as/{status}")
    assert make_downloader(cdn.host).url_to_bytes(url) == encode_random_image(1)


@pytest.mark.parametrize(
    ("path", "tries"),
    [("/hang/1", 2), ("/short/1", 2), ("/gzip-short/1", 2), ("/drip/1", 1),
     ("/busy/3600", 1)],
)  # fmt: skip
def test_what_may_pass_is_told_from_what_is_final(
    cdn: HostileServer, path: str, tries: int
) -> None:
    cdn.asked.clear()
    with pytest.raises(UnavailableError):
        make_downloader(cdn.host, timeout=0.2).url_to_bytes(cdn.url(path))
    assert cdn.asked[path] == tries


@pytest.mark.parametrize("name", ["aws-chunked", "utf-8", "none", "binary", "gzip", "br"])
def test_names_that_are_no_coding_of_the_body(cdn: HostileServer, name: str) -> None:
    url = cdn.url(f"/coded/{name}")
    assert make_downloader(cdn.host).url_to_bytes(url) == encode_random_image(1)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        pytest.param("/good/1.jpg", "/good/1.jpg", id="a path"),
        pytest.param("../good/1.jpg", "/good/1.jpg", id="relative"),
        pytest.param("//{host}/good/1.jpg", "/good/1.jpg", id="without a scheme"),
        pytest.param("HTTP://{host}/good/1.jpg", "/good/1.jpg", id="upper case"),
        pytest.param("/good/1.jpg#part", "/good/1.jpg", id="a fragment"),
        pytest.param("/good/a b/1.jpg", "/good/a%20b/1.jpg", id="a space"),
        pytest.param(" /good/1.jpg ", "/good/1.jpg", id="outer spaces"),
        pytest.param("\\good\\1.jpg", "/good/1.jpg", id="backslashes"),
        pytest.param("/good/é/1.jpg", "/good/%C3%A9/1.jpg", id="UTF-8"),
        pytest.param("/good/%E9/1.jpg", "/good/%E9/1.jpg", id="escaped"),
        pytest.param("/x/../good/./1.jpg", "/good/1.jpg", id="dots"),
        pytest.param("/x/%2e%2e/good/1.jpg", "/good/1.jpg", id="escaped dots"),
    ],
)
def test_redirects_lead_where_browsers_go(cdn: HostileServer, location: str, target: str) -> None:
    cdn.asked.clear()
    asked = f"/to/1?{urllib.parse.quote(location.format(host=cdn.host))}"
    downloader = make_downloader(cdn.host)
    assert downloader.url_to_bytes(cdn.url(asked)) == encode_random_image(1)
    assert cdn.asked[target] == 1


def test_bytes_of_a_redirect_that_are_no_utf8_are_escaped(cdn: HostileServer) -> None:
    cdn.asked.clear()
    make_downloader(cdn.host).url_to_bytes(cdn.url("/to/1?/good/%E9/1.jpg"))
    assert cdn.asked["/good/%E9/1.jpg"] == 1


def test_cookies_of_redirects_are_brought_back(cdn: HostileServer) -> None:
    downloader = make_downloader(cdn.host)
    cdn.asked.clear()
    for tries in (1, 2):
        assert downloader.url_to_bytes(cdn.url("/wall/2")) == encode_random_image(1)
        assert cdn.asked["/wall/2"] == 3 * tries, "and forgotten with the download"


@pytest.mark.parametrize(
    ("host", "attributes", "brought"),
    [
        ("127.0.0.1", "Path=/", b"a=1"),
        ("127.0.0.1", "Path=/elsewhere", b""),
        ("127.0.0.1", "Path=/; Secure", b""),
        ("127.0.0.1", "Path=/; Max-Age=0", b""),
        ("127.0.0.1", "Path=/; Domain=example.com", b""),
        pytest.param("localhost", "Path=/", b"", id="another name of the same machine"),
    ],
)
def test_cookies_stay_where_they_belong(
    cdn: HostileServer, host: str, attributes: str, brought: bytes
) -> None:
    query = urllib.parse.urlencode(
        {"location": f"http://{host}:{cdn.port}/jar/1", "cookie": f"a=1; {attributes}"}
    )
    downloader = make_downloader(cdn.host, "localhost")
    assert downloader.url_to_bytes(cdn.url(f"/wander/1?{query}")) == brought


@pytest.mark.parametrize(
    ("written", "target"),
    [
        pytest.param("/good/a b/1.jpg", "/good/a%20b/1.jpg", id="a space"),
        pytest.param("/good/1.jpg  ", "/good/1.jpg", id="spaces behind it"),
        pytest.param("/good/é/1.jpg", "/good/%C3%A9/1.jpg", id="an accent"),
        pytest.param("/good/100%/1.jpg", "/good/100%/1.jpg", id="a percent that escapes nothing"),
        pytest.param("/good\\1.jpg", "/good/1.jpg", id="a backslash"),
        pytest.param("/go\nod/1.jpg", "/good/1.jpg", id="a line break"),
        pytest.param("/x/../good/1.jpg", "/good/1.jpg", id="dots"),
        pytest.param("/good/[1]/1.jpg?a=[1]|2", "/good/[1]/1.jpg?a=[1]|2", id="brackets"),
    ],
)
def test_urls_are_read_as_browsers_do(cdn: HostileServer, written: str, target: str) -> None:
    cdn.asked.clear()
    make_downloader(cdn.host).url_to_bytes(cdn.url(written))
    assert cdn.asked[target] == 1


def test_retry_after_is_waited_for(cdn: HostileServer) -> None:
    begun = time.monotonic()
    assert make_downloader(cdn.host).url_to_bytes(cdn.url("/busy/1")) == encode_random_image(1)
    assert time.monotonic() - begun >= 1


def test_no_server_is_a_failure_with_its_reason() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(UnavailableError, match=r"no connection: Connection refused \(2 tries\)"):
        make_downloader("127.0.0.1").url_to_bytes(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param("file:///etc/passwd", "scheme 'file' is refused", id="file"),
        pytest.param("ftp://example.com/a.jpg", "scheme 'ftp' is refused", id="ftp"),
        pytest.param("data:image/png;base64,AAAA", "scheme 'data' is refused", id="data"),
        pytest.param("C:/images/a.jpg", "scheme 'c' is refused", id="a Windows drive"),
        pytest.param("http://", "no host", id="no host"),
        pytest.param("http://example.com:99999/", "no such port", id="no such port"),
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
