"""An image of four colours that tells all turns apart, encoded in any format, and its check."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from PIL import Image
from pillow_heif import register_heif_opener

from rhymes.images.images import UprightImage

register_heif_opener()  # so that Pillow writes HEIC

WIDTH, HEIGHT = 48, 32
QUADRANTS = ((200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30))
WHITE = (255, 255, 255)


def make_image() -> Image.Image:
    """Draw four quadrants, red and green above blue and yellow, that tell all turns apart."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    top, left = slice(0, HEIGHT // 2), slice(0, WIDTH // 2)
    low, right = slice(HEIGHT // 2, None), slice(WIDTH // 2, None)
    for colour, place in zip(
        QUADRANTS, ((top, left), (top, right), (low, left), (low, right)), strict=True
    ):
        pixels[place] = colour
    return Image.fromarray(pixels)


def encode(image: Image.Image, encoding: str = "JPEG", **options: Any) -> bytes:
    quality = {} if encoding == "TIFF" else {"quality": 95}
    file = io.BytesIO()
    image.save(file, encoding, **(quality | options))
    return file.getvalue()


def exif_block(tag: int, kind: int, value: bytes) -> bytes:
    """Encode an EXIF block with one tag (TIFF 6.0, section 2)."""
    entry = struct.pack(">HHI", tag, kind, 1) + value.ljust(4, b"\0")
    return b"Exif\0\0" + b"MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)


def with_orientation(value: int) -> bytes:
    return exif_block(274, 3, struct.pack(">H", value))


def decode(checked: UprightImage) -> Image.Image:
    image = Image.open(io.BytesIO(checked.data))
    assert image.format == checked.format
    assert image.mode == "RGB"
    assert image.size == (checked.width, checked.height)
    assert image.getexif().get(0x0112, 1) == 1
    return image


def quadrants(checked: UprightImage) -> list[tuple[int, ...]]:
    """Return the colours of the quadrants' centres: upper left, upper right, lower left, ..."""
    image = decode(checked)
    width, height = image.size
    places = [(x * width // 4, y * height // 4) for y in (1, 3) for x in (1, 3)]
    return [image.getpixel(place) for place in places]


def assert_close(found: Any, expected: Any, by: int = 6) -> None:
    difference = np.abs(np.asarray(found, int) - np.asarray(expected, int)).max()
    assert difference <= by, f"{found} is not {expected}"


IMAGE = make_image()
