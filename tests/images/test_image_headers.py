from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rhymes.images.image_headers import ImageHeader, bytes_to_header

WIDTH, HEIGHT = 67, 41
NOISE = Image.fromarray(
    np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
)


def encode(image: Image.Image, encoding: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, encoding, **options)
    return file.getvalue()


JPEG = encode(NOISE, "JPEG")
ENCODED = {
    "JPEG": JPEG,
    "progressive JPEG": encode(NOISE, "JPEG", progressive=True),
    "grey JPEG": encode(NOISE.convert("L"), "JPEG"),
    "CMYK JPEG": encode(NOISE.convert("CMYK"), "JPEG"),
    "JPEG with a thumbnail in its EXIF": encode(
        NOISE, "JPEG", exif=b"Exif\0\0" + encode(Image.new("RGB", (9, 9)), "JPEG")
    ),
    "JPEG with fill bytes": JPEG[:2] + b"\xff\xff\xff" + JPEG[2:],
    "PNG": encode(NOISE, "PNG"),
    "16-bit PNG": encode(Image.new("I;16", (WIDTH, HEIGHT)), "PNG"),
    "GIF": encode(NOISE.quantize(8), "GIF", comment=b"a comment"),
    "BMP": encode(NOISE, "BMP"),
    "WebP": encode(NOISE, "WEBP"),
    "lossless WebP": encode(NOISE, "WEBP", lossless=True),
    "WebP with EXIF": encode(NOISE, "WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"),
}


@pytest.mark.parametrize("name", ENCODED)
def test_size_is_what_pillow_reads(name: str) -> None:
    header = bytes_to_header(ENCODED[name])
    assert header is not None
    assert (header.width, header.height, header.pixels) == (WIDTH, HEIGHT, WIDTH * HEIGHT)
    assert header.format == Image.open(io.BytesIO(ENCODED[name])).format
    assert (header.scans > 1) == (name == "progressive JPEG")


def png_of(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + b"\x08\x02"


def webp_of(width: int, height: int) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF\0\0\0\0WEBPVP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + sides


def gif_of(*frames: tuple[int, int]) -> bytes:
    blocks = b"".join(b"," + struct.pack("<4xHHB", *frame, 0) + b"\x02\x01\0\0" for frame in frames)
    return b"GIF89a\x01\0\x01\0\0\0\0" + blocks + b";"


@pytest.mark.parametrize(
    ("data", "header"),
    [
        pytest.param(
            png_of(60_000, 50_000),
            ImageHeader("PNG", 60_000, 50_000, 3_000_000_000),
            id="PNG bomb",
        ),
        pytest.param(
            webp_of(16_000, 9_000), ImageHeader("WEBP", 16_000, 9_000, 144_000_000), id="WebP bomb"
        ),
        pytest.param(
            gif_of((100, 100), (200, 50)), ImageHeader("GIF", 200, 100, 20_000), id="GIF's frames"
        ),
        pytest.param(
            gif_of((65_535, 1), (1, 65_535)),
            ImageHeader("GIF", 65_535, 65_535, 65_535**2),
            id="GIF of a wide and a high frame",
        ),
        pytest.param(
            b"BM" + bytes(12) + struct.pack("<Iii", 40, 99_999, -99_999),
            ImageHeader("BMP", 99_999, 99_999, 99_999**2),
            id="BMP that is stored upside down",
        ),
    ],
)
def test_promise_is_read_without_the_pixels(data: bytes, header: ImageHeader) -> None:
    assert bytes_to_header(data) == header


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"hello", id="text"),
        pytest.param(b"BMW is a car maker", id="text that begins with BM"),
        pytest.param(b"\xff\xd8\xff", id="a JPEG's first bytes"),
        pytest.param(b"\xff\xd8\xff\xd9", id="a JPEG that ends at once"),
        pytest.param(b"\xff\xd8\xff\xda\0\x08\x03", id="a JPEG's scan without a frame"),
        pytest.param(b"\x89PNG\r\n\x1a\n", id="a PNG's first bytes"),
        pytest.param(b"GIF89a", id="a GIF's first bytes"),
        pytest.param(b"GIF89a\x01\0\x01\0\0\0\0;", id="a GIF without a frame"),
        pytest.param(b"RIFF\0\0\0\0WEBP", id="a WebP's first bytes"),
        pytest.param(b"RIFF\0\0\0\0WAVE", id="WAV"),
    ],
)
def test_what_has_no_header(data: bytes) -> None:
    assert bytes_to_header(data) is None


def test_scans_of_a_progressive_jpeg_are_counted() -> None:
    data = ENCODED["progressive JPEG"]
    last = data.rindex(b"\xff\xda")
    header = bytes_to_header(data[:last] + data[last:-2] * 300 + data[-2:])
    assert header is not None
    assert header.scans > 300


def test_scans_behind_a_complete_one_do_not_count() -> None:
    scan = JPEG[JPEG.rindex(b"\xff\xda") : -2]
    header = bytes_to_header(JPEG[:-2] + scan * 300 + JPEG[-2:])
    assert header is not None
    assert header.scans == 1, "libjpeg does not read them"


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_no_damage_raises(data: st.DataObject) -> None:
    damaged = bytearray(ENCODED[data.draw(st.sampled_from(sorted(ENCODED)))])
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, min(len(damaged), 300) - 1))] = data.draw(
            st.integers(0, 255)
        )
    bytes_to_header(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
