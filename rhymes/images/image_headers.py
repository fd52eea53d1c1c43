"""The size of an image in pixels and the memory to decode it, read from its header alone.

For those who hand bytes to a decoder that knows no limits: nothing is decoded and no memory is
taken, whatever the header promises. Only what decides over size is read, as the decoders read it
(libjpeg, libpng, giflib, libwebp and TensorFlow's own BMP); whether the rest is an image is for
the decoder to say.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

# Any frame header of a JPEG (ITU T.81, table B.1): SOF0 to SOF15 without DHT, JPG and DAC.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
# Markers without a length: TEM, RST0 to RST7, SOI.
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_START_OF_SCAN, _END = 0xDA, 0xD9
JPEG_SCAN_LIMIT = 100
"""Every scan costs a pass over all pixels; encoders write about ten (progressive) or one."""

BMP_HEADER_SIZES = frozenset({12, 40, 52, 56, 64, 108, 124})


@dataclass(frozen=True)
class ImageHeader:
    """What a header promises.

    Attributes:
        format: "JPEG", "PNG", "GIF", "BMP" or "WEBP".
        width: In pixels; of a GIF that of its widest frame.
        height: In pixels; of a GIF that of its highest frame.
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
