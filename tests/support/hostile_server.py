"""A web server on loopback that plays the CDN: a good host, and all that goes wrong elsewhere."""

from __future__ import annotations

import gzip
import io
import re
import struct
import sys
import threading
import time
import urllib.parse
import zlib
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self

import numpy as np
from PIL import Image

_GZIP_BOMB = gzip.compress(bytes(1 << 26))

TOKEN = "Bearer 9d1e-open-sesame"  # noqa: S105
"""Opens /guarded/."""

HTML = b"<!DOCTYPE html><html><body>Not found, but politely</body></html>"


def encode_random_image(number: int, encoding: str = "JPEG") -> bytes:
    """Encode a small RGB image, another one for each number."""
    pixels = np.random.default_rng(number).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, encoding)
    return file.getvalue()


def png_chunk(name: bytes, data: bytes) -> bytes:
    """Encode a chunk of a PNG (PNG specification, 5.3)."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_bomb(side: int = 50_000) -> bytes:
    """Encode a PNG that promises `side` x `side` pixels in a few bytes."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100_000))
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


class HostileServer:
    """Serves `Handler`'s routes; counts requests by path.

    Attributes:
        host: `127.0.0.1:<port>`, as fetch.allowed_hosts takes it.
        asked: path -> number of requests.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.hostile = self  # type: ignore[attr-defined]
        self.host = f"127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.socket.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: Any) -> None:
        # Clients that hang up on a hostile body are what is tested here.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*args)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    routes: ClassVar[dict[str, Callable[[_Handler], None]]] = {}

    def do_GET(self) -> None:
        self.hostile.asked[self.path] += 1
        route = self.routes.get(self.path.split("/")[1])
        try:
            if route is None:
                self.answer(404, b"no such image")
            else:
                route(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    @property
    def hostile(self) -> HostileServer:
        return self.server.hostile  # type: ignore[attr-defined]

    @property
    def number(self) -> int:
        """The number in a path such as /good/7.jpg."""
        return int(re.split(r"[.?]", self.path.rsplit("/", 1)[1])[0])

    @property
    def count(self) -> int:
        return self.hostile.asked[self.path]

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def begin(self, **headers: str) -> None:
        """Start a body without a length, which ends with the connection."""
        self.close_connection = True
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def trickle(self, data: bytes, pause: float) -> None:
        while not self.hostile.closing.wait(pause):
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def _route(name: str) -> Callable[[Callable[[_Handler], None]], Callable[[_Handler], None]]:
    def register(function: Callable[[_Handler], None]) -> Callable[[_Handler], None]:
        _Handler.routes[name] = function
        return function

    return register


@_route("good")
def _good(handler: _Handler) -> None:
    handler.answer(200, encode_random_image(handler.number))


@_route("slow")
def _slow(handler: _Handler) -> None:
    time.sleep(0.05)
    handler.answer(200, encode_random_image(handler.number))


@_route("png")
def _png(handler: _Handler) -> None:
    handler.answer(200, encode_random_image(handler.number, "PNG"), Content_Type="image/jpeg")


@_route("flaky")
def _flaky(handler: _Handler) -> None:
    """500 first, then 200."""
    if handler.count == 1:
        handler.answer(500)
    else:
        handler.answer(200, encode_random_image(handler.number))


@_route("busy")
def _busy(handler: _Handler) -> None:
    """429 with the Retry-After that the path names, then 200."""
    if handler.count == 1:
        handler.answer(429, Retry_After=str(handler.number))
    else:
        handler.answer(200, encode_random_image(1))


@_route("status")
def _status(handler: _Handler) -> None:
    handler.answer(handler.number)


@_route("vanishing")
def _vanishing(handler: _Handler) -> None:
    """A connection closed without an answer, once."""
    handler.close_connection = True
    if handler.count > 1:
        handler.answer(200, encode_random_image(1))


@_route("guarded")
def _guarded(handler: _Handler) -> None:
    """An image for those who bear the token."""
    if handler.headers.get("Authorization") == TOKEN:
        handler.answer(200, encode_random_image(handler.number))
    else:
        handler.answer(401)


@_route("hang")
def _hang(handler: _Handler) -> None:
    handler.hostile.closing.wait()


@_route("to-private")
def _to_private(handler: _Handler) -> None:
    """The server itself, by a name that is not allowed."""
    handler.answer(302, Location=f"http://localhost:{handler.hostile.port}/good/1.jpg")


@_route("to-file")
def _to_file(handler: _Handler) -> None:
    handler.answer(302, Location="file:///etc/passwd")


@_route("to-nowhere")
def _to_nowhere(handler: _Handler) -> None:
    handler.answer(302)


@_route("hops")
def _hops(handler: _Handler) -> None:
    """As many redirects as the path names, then an image."""
    left = handler.number
    handler.answer(307, Location=f"{left - 1}.jpg" if left > 1 else "/good/1.jpg")


@_route("to")
def _to(handler: _Handler) -> None:
    """A redirect to what the query says, in the bytes that it stands for."""
    handler.send_response(303)
    handler.send_header("Content-Length", "0")
    location = urllib.parse.unquote_to_bytes(handler.path.partition("?")[2]).decode("latin-1")
    handler.send_header("Location", location)
    handler.end_headers()


@_route("wall")
def _wall(handler: _Handler) -> None:
    """An image for those who bring back the cookies that a redirect gave them, one a step."""
    cookies = sorted(filter(None, handler.headers.get("Cookie", "").split("; ")))
    if len(cookies) < handler.number:
        new = f"step{len(cookies)}=done; Path=/; HttpOnly"
        handler.answer(302, Location=handler.path, Set_Cookie=new)
    else:
        handler.answer(200, encode_random_image(1))


@_route("wander")
def _wander(handler: _Handler) -> None:
    """A redirect with a cookie, as the query has them."""
    query = dict(urllib.parse.parse_qsl(handler.path.partition("?")[2]))
    handler.answer(302, Location=query["location"], Set_Cookie=query["cookie"])


@_route("jar")
def _jar(handler: _Handler) -> None:
    handler.answer(200, handler.headers.get("Cookie", "").encode())


@_route("once")
def _once(handler: _Handler) -> None:
    """A status first, then an image."""
    handler.answer(handler.number if handler.count == 1 else 200, encode_random_image(1))


@_route("as")
def _as(handler: _Handler) -> None:
    """An image under a status."""
    handler.answer(handler.number, encode_random_image(1))


@_route("coded")
def _coded(handler: _Handler) -> None:
    """An image as it is, under a Content-Encoding."""
    handler.answer(200, encode_random_image(1), Content_Encoding=handler.path.split("/")[2])


@_route("page")
def _page(handler: _Handler) -> None:
    handler.answer(200, HTML, Content_Type="text/html")


@_route("empty")
def _empty(handler: _Handler) -> None:
    handler.answer(200)


@_route("endless")
def _endless(handler: _Handler) -> None:
    handler.begin()
    while not handler.hostile.closing.is_set():
        handler.wfile.write(bytes(65_536))


@_route("huge")
def _huge(handler: _Handler) -> None:
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Content-Length", str(10**12))
    handler.end_headers()
    handler.hostile.closing.wait()


@_route("drip")
def _drip(handler: _Handler) -> None:
    handler.begin()
    handler.trickle(b"\xff", 0.02)


@_route("drip-header")
def _drip_header(handler: _Handler) -> None:
    handler.close_connection = True
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    handler.trickle(b"x", 0.02)


@_route("gzip")
def _gzip(handler: _Handler) -> None:
    handler.answer(200, gzip.compress(encode_random_image(handler.number)), Content_Encoding="gzip")


@_route("gzip-short")
def _gzip_short(handler: _Handler) -> None:
    handler.answer(200, gzip.compress(encode_random_image(1))[:-20], Content_Encoding="gzip")


@_route("gzip-bomb")
def _gzip_bomb(handler: _Handler) -> None:
    """64 MiB of zeros in 64 KiB."""
    handler.answer(200, _GZIP_BOMB, Content_Encoding="gzip")


@_route("brotli")
def _brotli(handler: _Handler) -> None:
    handler.answer(200, b"\x1b\x00", Content_Encoding="br")


@_route("bomb")
def _bomb(handler: _Handler) -> None:
    handler.answer(200, png_bomb())


@_route("short")
def _short(handler: _Handler) -> None:
    """Half of the body that its length promises."""
    handler.close_connection = True
    body = encode_random_image(1)
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])


@_route("cut")
def _cut(handler: _Handler) -> None:
    """Half of an image as if it were all."""
    body = encode_random_image(1)
    handler.answer(200, body[: len(body) // 2])
