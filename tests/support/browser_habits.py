"""What servers and encoders do, as answers of a server, and what Chromium and we make of each.

tests/browser asks Chromium, tests/images asks us; docs/images-as-browsers-show-them.md lists where
the two differ.
"""

from __future__ import annotations

import io
import socket
import socketserver
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from tests.support.hostile_server import png_chunk
from tests.support.orientations import upright_to_stored
from tests.support.quadrants import IMAGE, encode, with_orientation

UPRIGHT, ON_ITS_SIDE, OTHER, NOTHING = "upright", "on its side", "in part", "nothing"
"""What is seen of an image: as it is meant, as it is stored, other pixels, or none."""

SIZE = IMAGE.size
JPEG, PNG = encode(IMAGE), encode(IMAGE, "PNG")
STORED = upright_to_stored(IMAGE, 6)
EXIF = with_orientation(6)


@dataclass(frozen=True)
class Habit:
    """An answer to a request for an image.

    Attributes:
        answer: All bytes, the status line first.
        browser: What Chromium shows of it.
        ours: What we take of it; the same where it is None.
    """

    answer: bytes
    browser: str = UPRIGHT
    ours: str | None = None

    @property
    def expected(self) -> str:
        return self.browser if self.ours is None else self.ours


def http(body: bytes, status: str = "200 OK", *lines: str, length: object = None) -> bytes:
    """An answer with a body; `lines` are further headers."""
    length = len(body) if length is None else length
    head = [f"HTTP/1.1 {status}", f"Content-Length: {length}", "Connection: close", *lines]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def raw(head: str, body: bytes = JPEG) -> bytes:
    return head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body


def with_chunks(png: bytes, *chunks: tuple[bytes, bytes], before: bytes = b"IDAT") -> bytes:
    place = png.index(before) - 4
    return png[:place] + b"".join(png_chunk(*chunk) for chunk in chunks) + png[place:]


def spoiled(png: bytes, name: bytes) -> bytes:
    """The PNG with a wrong checksum behind a chunk."""
    place = png.index(name)
    (length,) = struct.unpack(">I", png[place - 4 : place])
    end = place + 4 + length
    return png[:end] + b"\0\0\0\0" + png[end + 4 :]


def with_segments(jpeg: bytes, *segments: tuple[int, bytes]) -> bytes:
    made = (b"\xff" + struct.pack(">BH", code, len(body) + 2) + body for code, body in segments)
    return jpeg[:2] + b"".join(made) + jpeg[2:]


def noisy(**options: Any) -> bytes:
    """A JPEG with enough in its scan to cut it."""
    noise = np.random.default_rng(0).integers(-20, 20, (*SIZE[::-1], 3))
    pixels = (np.asarray(IMAGE).astype(int) + noise).clip(0, 255).astype(np.uint8)
    return encode(Image.fromarray(pixels), **options)


def tag(kind: int, count: int, value: bytes) -> bytes:
    return b"Exif\0\0MM\0*" + struct.pack(">IHHHI", 8, 1, 274, kind, count) + value + bytes(4)


NOISY, PROGRESSIVE = noisy(), noisy(progressive=True)
HALF = NOISY.index(b"\xff\xda") + (len(NOISY) - NOISY.index(b"\xff\xda")) // 2
SIDE_PNG, SIDE_JPEG, SIDE_WEBP = encode(STORED, "PNG"), encode(STORED), encode(STORED, "WEBP")
WEBP, GIF, BMP = encode(IMAGE, "WEBP"), encode(IMAGE.quantize(8), "GIF"), encode(IMAGE, "BMP")
BLACK = Image.new("RGB", SIZE)
XMP, XMP_TURN = b"XML:com.adobe.xmp\0", b"<x tiff:Orientation='6'/>"
ICO = io.BytesIO()
IMAGE.save(ICO, "ICO", sizes=[SIZE])

SERVERS = {
    "a Content-Encoding that is none": Habit(http(JPEG, "200 OK", "Content-Encoding: aws-chunked")),
    "two that are none": Habit(http(JPEG, "200 OK", "Content-Encoding: utf-8, none")),
    "deflate without zlib's head": Habit(
        http(zlib.compress(JPEG)[2:-4], "200 OK", "Content-Encoding: deflate")
    ),
    "a Content-Encoding that the body does not have": Habit(
        http(JPEG, "200 OK", "Content-Encoding: gzip"), NOTHING, UPRIGHT
    ),
    "status 203": Habit(http(JPEG, "203 Non-Authoritative Information")),
    "status 206 without being asked for a part": Habit(http(JPEG, "206 Partial Content")),
    "an image under status 404": Habit(http(JPEG, "404 Not Found"), UPRIGHT, NOTHING),
    "an image under status 503": Habit(http(JPEG, "503 Service Unavailable"), UPRIGHT, NOTHING),
    "a redirect to nowhere with an image": Habit(http(JPEG, "302 Found"), UPRIGHT, NOTHING),
    "less than Content-Length": Habit(http(JPEG, length=len(JPEG) + 9), NOTHING),
    "more than Content-Length": Habit(http(JPEG + b"more", length=len(JPEG))),
    "a Content-Length that is no number": Habit(http(JPEG, length="x"), UPRIGHT, NOTHING),
    "no Content-Length": Habit(raw("HTTP/1.0 200 OK")),
    "a text's Content-Type": Habit(http(JPEG, "200 OK", "Content-Type: text/html")),
    "early hints": Habit(raw("HTTP/1.1 103 Early Hints\n\nHTTP/1.1 200 OK")),
    "a header line without a colon": Habit(raw("HTTP/1.1 200 OK\nx"), UPRIGHT, NOTHING),
    "a space in a header's name": Habit(raw("HTTP/1.1 200 OK\nA b: x"), UPRIGHT, NOTHING),
    "headers of 200 KB": Habit(raw(f"HTTP/1.1 200 OK\nA: {'a' * 200_000}"), UPRIGHT, NOTHING),
    "headers of 90 KB": Habit(raw(f"HTTP/1.1 200 OK\nA: {'a' * 90_000}")),
    "a status line of HTTP/2": Habit(raw("HTTP/2 200 OK"), UPRIGHT, NOTHING),
    "an empty line before the status": Habit(raw("\n\nHTTP/1.1 200 OK"), UPRIGHT, NOTHING),
}
"""Of servers."""

ENCODERS = {
    "EXIF's orientation in a JPEG": Habit(http(with_segments(SIDE_JPEG, (0xE1, EXIF)))),
    "orientation of another type": Habit(
        http(with_segments(SIDE_JPEG, (0xE1, tag(4, 1, b"\0\0\0\6")))), ON_ITS_SIDE
    ),
    "two values of orientation": Habit(
        http(with_segments(SIDE_JPEG, (0xE1, tag(3, 2, b"\0\6\0\1")))), ON_ITS_SIDE
    ),
    "EXIF behind another fill byte": Habit(
        http(with_segments(SIDE_JPEG, (0xE1, b"Exif\0\1" + EXIF[6:])))
    ),
    "XMP's orientation": Habit(
        http(with_segments(JPEG, (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP_TURN)))
    ),
    "EXIF's orientation in a PNG": Habit(http(with_chunks(SIDE_PNG, (b"eXIf", EXIF[6:])))),
    "the same behind the pixels": Habit(
        http(with_chunks(SIDE_PNG, (b"eXIf", EXIF[6:]), before=b"IEND")), ON_ITS_SIDE
    ),
    "the same with JPEG's prefix": Habit(
        http(with_chunks(SIDE_PNG, (b"eXIf", EXIF))), ON_ITS_SIDE
    ),
    "the same with a wrong checksum": Habit(
        http(spoiled(with_chunks(SIDE_PNG, (b"eXIf", EXIF[6:])), b"eXIf")), ON_ITS_SIDE
    ),
    "the same in a raw profile": Habit(
        http(with_chunks(SIDE_PNG, (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(
            b"\nexif\n%8d\n%s\n" % (len(EXIF), EXIF.hex().encode()))))), ON_ITS_SIDE
    ),
    "EXIF's orientation in a WebP": Habit(
        http(encode(STORED, "WEBP", exif=EXIF)), ON_ITS_SIDE
    ),
    "5 MB of XMP in a JPEG": Habit(http(with_segments(JPEG, *[(0xE1, bytes(60_000))] * 80))),
    "5 MB of colour profile in a JPEG": Habit(
        http(with_segments(JPEG, *(
            (0xE2, b"ICC_PROFILE\0" + bytes([i + 1, 80]) + bytes(60_000)) for i in range(80))))
    ),
    "5 MB of text in a PNG": Habit(
        http(with_chunks(PNG, (b"zTXt", XMP + b"\0" + zlib.compress(bytes(5_000_000)))))
    ),
    "3 MB of colour profile in a PNG": Habit(
        http(with_chunks(PNG, (b"iCCP", b"n\0\0" + zlib.compress(bytes(3_000_000)))))
    ),
    "100 texts in a PNG": Habit(
        http(with_chunks(PNG, *(
            (b"zTXt", b"k%d\0\0" % i + zlib.compress(bytes(900_000))) for i in range(100))))
    ),
    "3 MB of XMP in a WebP": Habit(http(encode(IMAGE, "WEBP", xmp=bytes(3_000_000)))),
    **{
        f"a {name.decode()} chunk that is too short": Habit(http(with_chunks(PNG, (name, b"x"))))
        for name in (b"gAMA", b"pHYs", b"cHRM", b"tRNS", b"acTL", b"iCCP", b"tIME")
    },
    "a wrong checksum of a text": Habit(
        http(spoiled(with_chunks(PNG, (b"tEXt", b"a\0b")), b"tEXt"))
    ),
    "a wrong checksum of the pixels, which are right": Habit(http(spoiled(PNG, b"IDAT"))),
    "a wrong checksum of the header": Habit(http(spoiled(PNG, b"IHDR")), NOTHING),
    "a PNG without its end": Habit(http(PNG[:-12])),
    "a PNG with something behind it": Habit(http(PNG + b"more" * 100)),
    "a PNG that is cut": Habit(http(PNG[: PNG.index(b"IDAT") + 30]), OTHER, NOTHING),
    "an animation's first frame": Habit(
        http(encode(IMAGE, "PNG", save_all=True, append_images=[BLACK], duration=60_000))
    ),
    "a PNG's image that is not of its animation": Habit(
        http(encode(BLACK, "PNG", save_all=True, default_image=True, append_images=[IMAGE],
                    duration=60_000))
    ),
    "a JPEG without its end": Habit(http(NOISY[:-2]), OTHER, UPRIGHT),
    "a JPEG without its end, by half a marker": Habit(http(NOISY[:-1]), OTHER, UPRIGHT),
    "a progressive JPEG without its end": Habit(http(PROGRESSIVE[:-2]), UPRIGHT, NOTHING),
    "a JPEG cut in its scan": Habit(http(NOISY[:HALF]), OTHER, NOTHING),
    "a JPEG cut in its scan, with an end": Habit(http(NOISY[:HALF] + b"\xff\xd9"), OTHER),
    "a JPEG with something behind it": Habit(http(JPEG + b"more")),
    "a JPEG with something before it": Habit(http(b"\r\n" + JPEG), NOTHING),
    "CMYK": Habit(http(encode(IMAGE.convert("CMYK")))),
    "a WebP with something behind it": Habit(http(WEBP + b"more")),
    "a WebP that is said to be longer": Habit(
        http(WEBP[:4] + struct.pack("<I", len(WEBP) + 100) + WEBP[8:]), OTHER, UPRIGHT
    ),
    "a GIF without its end": Habit(http(GIF[:-1])),
    "a GIF with something behind it": Habit(http(GIF + b"more")),
    "a BMP that is cut": Habit(http(BMP[:-2600]), OTHER, NOTHING),
    "an icon (ICO)": Habit(http(ICO.getvalue()), UPRIGHT, NOTHING),
    "an SVG": Habit(
        http(b'<svg xmlns="http://www.w3.org/2000/svg" width="48" height="32"/>', "200 OK",
             "Content-Type: image/svg+xml"), OTHER, NOTHING
    ),
    "a TIFF": Habit(http(encode(IMAGE, "TIFF")), NOTHING, UPRIGHT),
}  # fmt: skip
"""Of encoders and of what wrote files."""

HABITS = SERVERS | ENCODERS


def pixels_to_look(width: int, height: int, quadrants: Any) -> str:
    """Say what is seen of an image: its size, and the colours in the centres of its quadrants."""
    for look, meant in ((UPRIGHT, IMAGE), (ON_ITS_SIDE, STORED)):
        if (width, height) == meant.size:
            colors = [meant.getpixel(place) for place in centres(width, height)]
            if np.abs(np.subtract(quadrants, colors)).max() < 40:
                return look
    return OTHER


def centres(width: int, height: int) -> list[tuple[int, int]]:
    """The centres of the quadrants: upper left, upper right, lower left, lower right."""
    return [(x * width // 4, y * height // 4) for y in (1, 3) for x in (1, 3)]


@contextmanager
def habits_served() -> Iterator[dict[str, str]]:
    """Serve all habits on loopback; give their URLs. `/` is an empty page beside them."""
    paths = {f"/{number}": habit.answer for number, habit in enumerate(HABITS.values())}

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            received = b""
            while b"\r\n\r\n" not in received:
                if not (chunk := self.request.recv(65_536)):
                    return
                received += chunk
            path = received.split(b" ", 2)[1].decode("ascii")
            page = http(b"<!DOCTYPE html>", "200 OK", "Content-Type: text/html")
            self.request.sendall(paths.get(path, page))
            self.request.shutdown(socket.SHUT_WR)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        base = f"http://127.0.0.1:{server.server_address[1]}"
        yield {name: f"{base}{path}" for name, path in zip(HABITS, paths, strict=True)} | {
            "": f"{base}/"
        }
        server.shutdown()
