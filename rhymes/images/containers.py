"""What browsers pass over in the files of images, taken out before a stricter decoder reads them.

Browsers show an image whose metadata are broken or take megabytes, and one that only lacks its end.
So they did when it was annotated. Nothing here changes a pixel.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

from rhymes.common.errors import InputError

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
# Color type -> bytes of tRNS (PNG specification, 11.3.1.1).
_PNG_KEYS: dict[int, Container[int]] = {0: (2,), 2: (6,), 3: range(1, 257)}
_APNG = frozenset({b"acTL", b"fcTL", b"fdAT"})
_STEP = 1 << 20

# A JPEG decoder wants this much behind the last pixel before it gives that one out. Where more
# than this is missing of a scan, it finds too little.
_JPEG_FILL = bytes(8)
_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"


@dataclass(frozen=True)
class Readable:
    """An image's file as a strict decoder reads it.

    Attributes:
        data: what to decode.
        kept: the file to keep: as it came where every decoder takes it.
        is_doubtful: whether a checksum of its pixels is wrong; see `check_doubtful`.
    """

    data: bytes
    kept: bytes
    is_doubtful: bool = False


def bytes_to_readable(data: bytes) -> Readable:
    """Take out of a PNG, JPEG or WebP what browsers pass over; other bytes stay as they are.

    Raises:
        InputError: a PNG's header or palette is broken.
    """
    if data.startswith(_PNG_START):
        return _png_to_readable(data)
    if data.startswith(b"\xff\xd8\xff"):
        start = data.rfind(_START_OF_SCAN)
        if start > 0 and data.find(_END_OF_IMAGE, start) < 0:
            whole = data.removesuffix(b"\xff")
            return Readable(whole + _JPEG_FILL, whole + _END_OF_IMAGE)
    is_webp = data.startswith(b"RIFF") and data[8:12] == b"WEBP"
    if is_webp and int.from_bytes(data[4:8], "little") > len(data) - 8:
        mended = data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
        return Readable(mended, mended)
    return Readable(data, data)


class _Chunk(NamedTuple):
    """A chunk of a PNG (PNG specification, 5.3), with what its checksum says."""

    name: bytes
    body: bytes
    is_intact: bool


_END_CHUNK = _Chunk(b"IEND", b"", is_intact=True)


def _png_to_readable(data: bytes) -> Readable:
    """Keep what makes pixels, transparency and orientation; browsers need no other chunk."""
    chunks = list(_png_to_chunks(data))
    for chunk in chunks:
        if chunk.name in (b"IHDR", b"PLTE") and not chunk.is_intact:
            raise InputError(f"broken PNG: wrong checksum of {chunk.name.decode('ascii')}")
    is_doubtful = any(chunk.name == b"IDAT" and not chunk.is_intact for chunk in chunks)
    needed = b"".join(
        struct.pack(">I", len(body)) + name + body + zlib.crc32(name + body).to_bytes(4, "big")
        for name, body in _needed_chunks(chunks)
    )
    readable = _PNG_START + needed + _PNG_END
    is_sound = all(chunk.is_intact for chunk in chunks) and chunks[-1:] == [_END_CHUNK]
    return Readable(readable, data if is_sound else readable, is_doubtful)


def _png_to_chunks(data: bytes) -> Iterator[_Chunk]:
    """Yield chunks up to the end's; one that is cut off is not intact."""
    position = len(_PNG_START)
    while position + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        name, end = data[position + 4 : position + 8], position + 8 + length
        body = data[position + 8 : end]
        crc = zlib.crc32(body, zlib.crc32(name)).to_bytes(4, "big")
        yield _Chunk(name, body, data[end : end + 4] == crc)
        if name == b"IEND":
            return
        position = end + 4


def _needed_chunks(chunks: Sequence[_Chunk]) -> Iterator[tuple[bytes, bytes]]:
    color_type = chunks[0].body[9] if chunks and len(chunks[0].body) > 9 else 0
    before = {chunk.name: chunk for chunk in takewhile(lambda each: each.name != b"IDAT", chunks)}
    moving = before.get(b"acTL")
    is_animated = moving is not None and moving.is_intact and len(moving.body) == 8
    for chunk in chunks:
        name, body = chunk.name, chunk.body
        is_here = chunk.is_intact and before.get(name) == chunk
        if (
            name in (b"IHDR", b"PLTE", b"IDAT")
            or (name in _APNG and is_animated and chunk.is_intact)
            or (name == b"tRNS" and is_here and len(body) in _PNG_KEYS.get(color_type, ()))
            # The prefix is that of JPEG's EXIF, and wrong here.
            or (name == b"eXIf" and is_here and not body.startswith(b"Exif"))
        ):
            yield name, body


def check_doubtful(readable: Readable, max_bytes: int) -> None:
    """Prove by the pixels' own checksum (zlib's) that no bit of them is wrong.

    Args:
        readable: a PNG.
        max_bytes: of its pixels, decompressed.

    Raises:
        InputError: they are broken or cut.
    """
    if not readable.is_doubtful:
        return
    stream, size = zlib.decompressobj(), 0
    for chunk in _png_to_chunks(readable.data):
        waiting = chunk.body if chunk.name == b"IDAT" else b""
        while waiting and not stream.eof:
            try:
                size += len(stream.decompress(waiting, _STEP))
            except zlib.error as error:
                raise InputError(f"broken PNG: its pixels' checksums are wrong: {error}") from None
            waiting = stream.unconsumed_tail
            if size > max_bytes:
                raise InputError("broken PNG: more pixels than its header promises")
    if not stream.eof:
        raise InputError("broken PNG: truncated")


def exif_to_orientation(block: bytes) -> int:
    """Read the orientation from an EXIF block as Chromium does; 1 where there is none.

    Of the first directory the tag 274 counts, with one value of the type SHORT (TIFF 6.0, section
    2), from 1 to 8. A thumbnail's and XMP's say nothing of the image.

    Args:
        block: with or without the `Exif` that JPEG puts before it.
    """
    tiff = block[6:] if block.startswith(b"Exif\0") else block
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for position in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, number, value = struct.unpack_from(f"{order}HHIH", tiff, position)
            if (tag, kind, number) == (274, 3, 1):
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:  # cut off
        pass
    return 1
