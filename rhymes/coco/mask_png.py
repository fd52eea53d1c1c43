"""Instance masks as PNG: COCO polygons of one object -> the bytes of `image/object/mask`.

An object covers a small part of its image, and compressing the zeros around it is what makes
masks slow to write. So only the rows that the object touches are compressed; the rows above and
below are joined to them as ready-made blocks. The blocks are such that a reader decompresses
them fast, too.

The image is greyscale of 8 bits: 1 where the object is, 0 elsewhere. (With 1 bit a pixel,
TensorFlow reads 255 for 1.)

Formats: PNG (RFC 2083), zlib (RFC 1950), deflate (RFC 1951).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import chain
from math import ceil

import numpy as np
from hotcoco import mask as fast_masks
from numpy.typing import NDArray
from pycocotools import mask as coco_masks

from rhymes.common.errors import InputError

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ZLIB_HEADER = b"\x78\x01"  # deflate, 32 KiB window, fastest
_LAST_BLOCK = b"\x03\x00"  # an empty deflate block, marked as the last one
_ADLER_BASE = 65521
_LEVEL = 1


def polygons_to_mask_png(polygons: Sequence[Sequence[float]], width: int, height: int) -> bytes:
    """Draw the parts of one object, by pycocotools' rule, and encode the image.

    Args:
        polygons: COCO's `segmentation`: [[x1, y1, x2, y2, ...], ...], pixels. The mask is the
            union of the rings.
        width: Of the image, in pixels.
        height: Of the image, in pixels.

    Raises:
        InputError: a ring is not a list of three or more points.
    """
    if not isinstance(polygons, list) or not polygons:
        raise InputError("segmentation: no polygon (a run-length encoding is none)")
    for ring in polygons:
        # pycocotools takes a list of four numbers for a box.
        if len(ring) < 6 or len(ring) % 2:
            raise InputError(
                f"segmentation: a ring of {len(ring)} numbers; expected x and y of 3 points or more"
            )
    # Nothing is drawn right of the object nor below it. Columns on the left and rows above cannot
    # be spared: a polygon that was moved is now and then rounded to other pixels.
    points = polygons[0] if len(polygons) == 1 else list(chain.from_iterable(polygons))
    drawn_width = min(max(ceil(max(points[::2])), 1), width)
    drawn_height = min(max(ceil(max(points[1::2])), 1), height)
    rles = coco_masks.frPyObjects(polygons, drawn_height, drawn_width)
    rle = rles[0] if len(rles) == 1 else coco_masks.merge(rles)
    # What pycocotools drew hotcoco reads several times as fast.
    x, y, columns, rows = (int(edge) for edge in fast_masks.toBbox(rle).tolist())
    pixels = fast_masks.decode(rle)[y : y + rows, x : x + columns]
    return crop_to_mask_png(pixels, x, y, width, height)


def crop_to_mask_png(pixels: NDArray[np.uint8], x: int, y: int, width: int, height: int) -> bytes:
    """Encode an image that is 0 but for a crop.

    Args:
        pixels: uint8 [rows, columns], 0 or 1; may be empty.
        x: Column of the image at which the crop begins.
        y: Row of the image at which the crop begins.
        width: Of the image, in pixels.
        height: Of the image, in pixels.
    """
    rows, columns = pixels.shape
    # Each row of a PNG begins with the number of its filter; 0 is no filter.
    lines = np.zeros((rows, width + 1), np.uint8)
    lines[:, x + 1 : x + 1 + columns] = pixels
    above, below = y * (width + 1), (height - y - rows) * (width + 1)
    checksum = _adler_of_zeros(zlib.adler32(lines.data, _adler_of_zeros(1, above)), below)
    body = _deflated_zeros(above) + _deflated(lines.data) + _deflated_zeros(below)
    data = _ZLIB_HEADER + body + _LAST_BLOCK + struct.pack(">I", checksum)
    return _head(width, height) + _chunk(b"IDAT", data) + _END


@lru_cache(maxsize=64)
def _head(width: int, height: int) -> bytes:
    """Signature and header, the same for all masks of an image."""
    return _PNG_SIGNATURE + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(name))
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


_END = _chunk(b"IEND", b"")


def _deflated(data: bytes | memoryview) -> bytes:
    """Compress to deflate blocks that refer to nothing before them and end at a whole byte."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush(zlib.Z_FULL_FLUSH)


@lru_cache(maxsize=4096)  # of some hundred bytes each: objects often begin or end in one row
def _deflated_zeros(count: int) -> bytes:
    """Blocks of `count` zeros, put together from those of 1, 2, 4, ... zeros."""
    return b"".join(_deflated_power(bit) for bit in range(count.bit_length()) if count >> bit & 1)


@cache
def _deflated_power(bit: int) -> bytes:
    return _deflated(bytes(1 << bit))


def _adler_of_zeros(adler: int, count: int) -> int:
    """Go on with an Adler-32 checksum over `count` zeros.

    Its lower half sums the bytes, which zeros leave; its upper half sums the lower ones.
    """
    lower, upper = adler & 0xFFFF, adler >> 16
    return (upper + count * lower) % _ADLER_BASE << 16 | lower
