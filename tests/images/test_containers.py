from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhymes.common.errors import InputError
from rhymes.images.containers import bytes_to_readable, check_doubtful, exif_to_orientation
from tests.support.hostile_server import png_chunk
from tests.support.quadrants import IMAGE, encode, with_orientation

PNG, JPEG = encode(IMAGE, "PNG"), encode(IMAGE)


@pytest.mark.parametrize("encoding", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_what_every_decoder_takes_is_kept_as_it_came(encoding: str) -> None:
    data = encode(IMAGE.quantize(8) if encoding == "GIF" else IMAGE, encoding)
    readable = bytes_to_readable(data)
    assert readable.kept == data
    assert not readable.is_doubtful


def test_metadata_of_a_png_are_left_out_of_what_is_decoded_alone() -> None:
    data = encode(IMAGE, "PNG", dpi=(300, 300), icc_profile=b"profile", exif=with_orientation(6))
    readable = bytes_to_readable(data)
    assert readable.kept == data
    assert b"iCCP" in data
    assert b"pHYs" in data
    assert b"iCCP" not in readable.data
    assert b"pHYs" not in readable.data
    assert b"eXIf" in readable.data


@pytest.mark.parametrize("cut", [1, 2])
def test_a_jpeg_without_its_end_gets_one(cut: int) -> None:
    assert bytes_to_readable(JPEG[:-cut]).kept == JPEG


def png_of(pixels: bytes, width: int = 8, height: int = 8) -> bytes:
    """A PNG whose pixels' chunk has a wrong checksum."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [png_chunk(b"IHDR", header), png_chunk(b"IDAT", pixels), png_chunk(b"IEND", b"")]
    chunks[1] = chunks[1][:-4] + b"\0\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_doubtful_pixels_are_proved_by_their_own_checksum() -> None:
    rows = zlib.compress(bytes(8 * 25))
    readable = bytes_to_readable(png_of(rows))
    assert readable.is_doubtful
    check_doubtful(readable, 1000)
    for broken, reason in (
        (rows[:-1] + bytes([rows[-1] ^ 1]), "checksums are wrong"),
        (rows[:-5], "truncated"),
        (zlib.compress(bytes(5_000_000)), "more pixels than its header promises"),
    ):
        with pytest.raises(InputError, match=reason):
            check_doubtful(bytes_to_readable(png_of(broken)), 1000)


@pytest.mark.parametrize("value", range(10))
@pytest.mark.parametrize("prefix", [b"Exif\0\0", b""])
def test_orientation_of_both_byte_orders(value: int, prefix: bytes) -> None:
    expected = value if 1 <= value <= 8 else 1
    for order, mark in ((">", b"MM\0*"), ("<", b"II*\0")):
        entry = struct.pack(f"{order}IHHHIHH", 8, 1, 274, 3, 1, value, 0)
        assert exif_to_orientation(prefix + mark + entry) == expected


@given(st.binary(), st.sampled_from([b"", b"Exif\0\0MM\0*", b"II*\0\x08\0\0\0"]))
def test_any_block_has_an_orientation(block: bytes, start: bytes) -> None:
    assert exif_to_orientation(start + block) in range(1, 9)


@given(st.binary(), st.sampled_from([PNG[:8], PNG[:33], PNG[:60], JPEG[:3], b"RIFF"]))
def test_any_bytes_are_readable_or_refused(data: bytes, start: bytes) -> None:
    try:
        readable = bytes_to_readable(start + data)
    except InputError as error:
        assert str(error).startswith("broken PNG")  # noqa: PT017
    else:
        assert readable.data.startswith(start[:8])
