"""The size of an image in pixels and the memory to decode it, read from its header alone.

For those who hand bytes to a decoder that knows no limits: nothing is decoded and no memory is
taken, whatever the header promises. Only what decides over size is read, as the decoders read it
(libjpeg, libpng, giflib, libwebp, TensorFlow's own BMP, libheif and libavif); whether the rest is
an image is for the decoder to say.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from rhymes.common.errors import InputError

# Any frame header of a JPEG (ITU T.81, table B.1): SOF0 to SOF15 without DHT, JPG and DAC.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
# Markers without a length: TEM, RST0 to RST7, SOI.
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_START_OF_SCAN, _END = 0xDA, 0xD9
JPEG_SCAN_LIMIT = 100
"""Every scan costs a pass over all pixels; encoders write about ten (progressive) or one."""

TIFF_PAGE_LIMIT = 65_535
"""The page number's own limit (TIFF 6.0, section 12); a longer chain is not followed."""

_FTYP_LIMIT = 1024

BMP_HEADER_SIZES = frozenset({12, 40, 52, 56, 64, 108, 124})


@dataclass(frozen=True)
class ImageHeader:
    """What a header promises.

    Attributes:
        format: "JPEG", "PNG", "GIF", "BMP" or "WEBP", or "HEIF" for HEIC and AVIF.
        width: In pixels; of a GIF that of its widest frame, of a HEIF that of its largest image.
        height: In pixels; of a GIF that of its highest frame, of a HEIF that of its largest image.
        pixels: How many are decoded: of a GIF those of all frames.
        scans: How many passes over the pixels; 1 but for JPEGs that come in several.
    """

    format: str
    width: int
    height: int
    pixels: int
    scans: int = 1


def bytes_to_header(data: bytes) -> ImageHeader | None:
    """Read an image's header; None where there is none, or none that a decoder could use."""
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg_to_header(data)
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return _plain("PNG", *struct.unpack_from(">II", data, 16))
        if data.startswith(b"GIF8"):
            return _gif_to_header(data)
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _webp_to_header(data)
        if data.startswith(b"BM") and struct.unpack_from("<I", data, 14)[0] in BMP_HEADER_SIZES:
            width, height = struct.unpack_from("<ii", data, 18)
            return _plain("BMP", abs(width), abs(height))
        if bytes_to_brands(data):
            return _heif_to_header(data)
    except (struct.error, IndexError):  # cut off within the header
        return None
    return None


def _plain(name: str, width: int, height: int) -> ImageHeader:
    return ImageHeader(name, width, height, width * height)


def _jpeg_to_header(data: bytes) -> ImageHeader | None:
    position, frame = 2, None
    while (position := data.find(b"\xff", position)) >= 0:
        position += 1
        code = data[position]
        if code in (0, 0xFF):  # no marker, or a fill byte before one
            continue
        position += 1
        if code in _BARE:
            continue
        if code == _END:
            return None
        if code in _FRAMES:
            height, width, components = struct.unpack_from(">HHB", data, position + 3)
            frame = (code, width, height, components)
        elif code == _START_OF_SCAN:
            if frame is None:
                return None
            code, width, height, components = frame
            # libjpeg reads beyond the first scan only if that lacks components or detail.
            several = code in _PROGRESSIVE or data[position + 2] < components
            scans = _count_scans(data, position) if several else 1
            return ImageHeader("JPEG", width, height, width * height, scans)
        position += struct.unpack_from(">H", data, position)[0]
    return None


def _count_scans(data: bytes, position: int) -> int:
    """Count from within the first scan to the image's end (ITU T.81, B.1.1)."""
    scans = 1
    while (position := data.find(b"\xff", position)) >= 0:
        code = data[position + 1] if position + 1 < len(data) else _END
        position += 1 if code == 0xFF else 2
        if code in (0, 0xFF) or code in _BARE:
            continue
        if code == _END:
            break
        scans += code == _START_OF_SCAN
        position += int.from_bytes(data[position : position + 2], "big")
    return scans


def _gif_to_header(data: bytes) -> ImageHeader | None:
    """Walk over all frames: giflib decodes every one (GIF89a specification, appendix A)."""
    position = 13 + _color_table_size(data[10])
    width = height = pixels = 0
    while position < len(data):
        block = data[position]
        if block == 0x2C:
            frame_width, frame_height = struct.unpack_from("<HH", data, position + 5)
            width, height = max(width, frame_width), max(height, frame_height)
            pixels += frame_width * frame_height
            if position + 9 >= len(data):
                break
            position += 11 + _color_table_size(data[position + 9])
        elif block == 0x21:
            position += 2
        else:  # the trailer, or what giflib would stop at
            break
        while position < len(data) and data[position]:
            position += data[position] + 1
        position += 1
    # TensorFlow takes memory for the widest by the highest frame.
    return ImageHeader("GIF", width, height, max(pixels, width * height)) if pixels else None


def _color_table_size(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _webp_to_header(data: bytes) -> ImageHeader | None:
    """Read the first chunk (RFC 9649, sections 2.5 to 2.7)."""
    chunk = data[12:16]
    if chunk == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
        return _plain("WEBP", width, height)
    if chunk == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return _plain("WEBP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return _plain("WEBP", width & 0x3FFF, height & 0x3FFF)
    return None


def bytes_to_brands(data: bytes) -> frozenset[bytes]:
    """Read what an ISO base media file says it is (ISO/IEC 14496-12, 4.3); of others nothing."""
    if data[4:8] != b"ftyp":
        return frozenset()
    end = min(int.from_bytes(data[:4], "big"), len(data), _FTYP_LIMIT)
    brands = (data[start : start + 4] for start in range(8, end - 3, 4) if start != 12)
    return frozenset(brands)


def _heif_to_header(data: bytes) -> ImageHeader | None:
    """Find the largest size of all items (ISO/IEC 23008-12, 6.5.3): any of them may be decoded."""
    meta = b"".join(_meta_boxes(data))
    sizes = []
    for found in re.finditer(b"ispe", meta):
        # Behind the type: a long size where the short one is 1; version and flags; the sides.
        is_long = meta[: found.start()].endswith(b"\0\0\0\x01")
        sides = meta[found.end() + 4 + 8 * is_long :][:8]
        if len(sides) == 8:
            sizes.append(struct.unpack(">II", sides))
    return _plain("HEIF", *max(sizes, key=math.prod)) if sizes else None


def _meta_boxes(data: bytes) -> Iterator[bytes]:
    """Yield the boxes of the file's metadata (ISO/IEC 14496-12, 4.2): all, as decoders differ."""
    position = 0
    while position + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        if size == 1:
            size = int.from_bytes(data[position + 8 : position + 16], "big")
        end = position + size if size else len(data)
        if kind == b"meta":
            yield data[position:end]
        if end < position + 8:
            break
        position = end


def tiff_to_pages(data: bytes) -> int:
    """Count the pages of a TIFF (TIFF 6.0, section 2) or BigTIFF, up to `TIFF_PAGE_LIMIT`.

    Raises:
        InputError: a page lies outside the file.
    """
    order = "<" if data.startswith(b"I") else ">"
    is_big = 43 in data[2:4]
    count, entry, offset = (
        (f"{order}Q", 20, f"{order}Q") if is_big else (f"{order}H", 12, f"{order}I")
    )
    seen: set[int] = set()
    try:
        (position,) = struct.unpack_from(offset, data, 8 if is_big else 4)
        while position and position not in seen and len(seen) < TIFF_PAGE_LIMIT:
            seen.add(position)
            (entries,) = struct.unpack_from(count, data, position)
            position += struct.calcsize(count) + entries * entry
            (position,) = struct.unpack_from(offset, data, position)
    except (struct.error, OverflowError):
        raise InputError("broken TIFF: one of its pages lies outside the file") from None
    return len(seen)
