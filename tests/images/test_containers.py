"""TIFF, HEIC and AVIF: containers that hold several images, and say themselves how to turn them."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pillow_heif import HeifFile, from_pillow

from rhymes.common.errors import InputError
from rhymes.images.image_headers import TIFF_PAGE_LIMIT, bytes_to_header, tiff_to_pages
from rhymes.images.images import DecodedImage, decode_image
from tests.support.orientations import upright_to_stored
from tests.support.quadrants import (
    IMAGE,
    QUADRANTS,
    assert_close,
    encode,
    exif_block,
    quadrants,
    with_orientation,
)

SHORT, LONG = 3, 4


def decode(data: bytes, max_pixels: int = 100_000) -> DecodedImage:
    return decode_image(data, max_bytes=10_000_000, max_pixels=max_pixels)


def tiff(
    pixels: bytes, size: tuple[int, int], tags: dict[int, Any], *, order: str = "<", pages: int = 1
) -> bytes:
    """Encode a TIFF of one strip (TIFF 6.0, section 2); every page has the same pixels.

    Args:
        pixels: of the strip.
        size: width, height.
        tags: values of further tags, each a number or a tuple of three.
        order: "<" or ">".
        pages: how many.
    """
    # Photometric interpretation: black is 0; offset and length of the strip.
    base: dict[int, Any] = {256: size[0], 257: size[1], 258: 8, 259: 1, 262: 1, 273: 0, 277: 1,
                            278: size[1], 279: len(pixels)}  # fmt: skip
    base |= tags
    parts = [b"", pixels]
    position = 8 + len(pixels)
    first = position
    for page in range(pages):
        end = position + 2 + 12 * len(base) + 4
        entries, extra = b"", b""
        for tag, value in sorted((base | {273: 8}).items()):
            values = value if isinstance(value, tuple) else (value,)
            kind = LONG if tag in (256, 257, 273, 278, 279, 322, 323) else SHORT
            packed = struct.pack(f"{order}{len(values)}{'I' if kind == LONG else 'H'}", *values)
            if len(packed) > 4:
                packed, extra = struct.pack(f"{order}I", end + len(extra)), extra + packed
            entries += struct.pack(f"{order}HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
        following = end + len(extra) if page < pages - 1 else 0
        parts.append(struct.pack(f"{order}H", len(base)) + entries)
        parts.append(struct.pack(f"{order}I", following) + extra)
        position = end + len(extra)
    parts[0] = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", first)
    return b"".join(parts)


def grey_tiff(level: int, bits: int, order: str = "<", **tags: int) -> bytes:
    """Encode 16 x 16 samples of one level."""
    if bits == 12:
        pair = level >> 4, (level & 15) << 4 | level >> 8, level & 255
        pixels = bytes(pair) * (16 * 16 // 2)
    else:
        pixels = np.full(256, level, f"{order}u{bits // 8}").tobytes()
    numbered = {int(name[1:]): value for name, value in tags.items()}
    return tiff(pixels, (16, 16), {258: bits} | numbered, order=order)


@pytest.mark.parametrize(
    ("data", "grey"),
    [
        pytest.param(grey_tiff(0x8000, 16), 0x80, id="16 bits"),
        pytest.param(grey_tiff(0x8000, 16, ">"), 0x80, id="16 bits, big endian"),
        pytest.param(grey_tiff(0xFFFF, 16), 0xFF, id="16 bits, white"),
        pytest.param(grey_tiff(300, 16), 1, id="16 bits, nearly black"),
        pytest.param(grey_tiff(0x2000, 16, t262=0), 0xDF, id="16 bits, white is 0"),
        pytest.param(grey_tiff(0x20, 8, t262=0), 0xDF, id="8 bits, white is 0"),
        pytest.param(grey_tiff(0x800, 12), 0x80, id="12 bits"),
        pytest.param(grey_tiff(0x80, 8), 0x80, id="8 bits"),
        pytest.param(
            tiff(np.full(768, 0x80FF, "<u2").tobytes(), (16, 16),
                 {258: (16, 16, 16), 262: 2, 277: 3}), 0x80, id="16 bits of RGB"
        ),
        pytest.param(
            tiff(np.full(768, 0x80FF, ">u2").tobytes(), (16, 16),
                 {258: (16, 16, 16), 262: 2, 277: 3}, order=">"), 0x80, id="16 bits of RGB, big"
        ),
    ],
)  # fmt: skip
def test_levels_of_a_tiff_are_scaled(data: bytes, grey: int) -> None:
    decoded = decode(data)
    assert_close(decoded.pixels.getpixel((8, 8)), (grey,) * 3, by=0)
    assert (decoded.format, decoded.upright.format) == ("TIFF", "JPEG")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(grey_tiff(1, 16, t339=2), "signed, 32-bit or floating-point", id="signed"),
        pytest.param(grey_tiff(1, 32), "signed, 32-bit or floating-point", id="32 bits"),
        pytest.param(
            encode(Image.new("F", (16, 16)), "TIFF"), "floating-point", id="floating point"
        ),
        pytest.param(encode(Image.new("LAB", (16, 16)), "TIFF"), "Lab colours", id="Lab"),
        pytest.param(grey_tiff(1, 8, t254=1), "first page is a preview", id="a preview first"),
        pytest.param(grey_tiff(1, 8, t50706=1), "a camera's raw files", id="DNG"),
        pytest.param(grey_tiff(1, 8, t259=65_000), "broken TIFF", id="a compression unknown"),
        pytest.param(
            tiff(b"", (60_000, 50_000), {}), "60000 x 50000 pixels, more than", id="a huge page"
        ),
        pytest.param(
            tiff(b"", (16, 16), {322: 60_000, 323: 50_000, 324: 8, 325: 0}),
            "60000 x 50000 pixels, more than", id="a huge tile of a small page",
        ),
    ],
)  # fmt: skip
def test_tiff_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(InputError) as error:
        decode(data)
    assert reason in str(error.value)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_is_turned_once(orientation: int, compression: str) -> None:
    stored = upright_to_stored(IMAGE, orientation)
    data = encode(stored, "TIFF", compression=compression, tiffinfo={274: orientation})
    decoded = decode(data)
    assert decoded.orientation == orientation
    assert decoded.pixels.tobytes() == IMAGE.tobytes()
    assert_close(quadrants(decoded.upright), QUADRANTS)


def test_xmp_turns_no_tiff() -> None:
    decoded = decode(encode(IMAGE, "TIFF", tiffinfo={700: b'<x tiff:Orientation="6"/>'}))
    assert (decoded.orientation, decoded.pixels.tobytes()) == (1, IMAGE.tobytes())


@pytest.mark.parametrize("encoding", ["AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turn_of_the_container_is_told(orientation: int, encoding: str) -> None:
    stored = upright_to_stored(IMAGE, orientation)
    decoded = decode(encode(stored, encoding, exif=with_orientation(orientation)))
    assert (decoded.format, decoded.orientation) == (encoding, orientation)
    assert decoded.pixels.size == IMAGE.size


@pytest.mark.parametrize("encoding", ["AVIF", "HEIF"])
def test_exif_alone_turns_no_container(encoding: str) -> None:
    """Of two that disagree the container's word counts."""
    # The encoders take the orientation out of EXIF, so another tag becomes it afterwards.
    other = exif_block(0x0113, SHORT, struct.pack(">H", 3))
    data = encode(IMAGE, encoding, exif=other)
    tag, orientation = b"\x01\x13\0\x03", b"\x01\x12\0\x03"
    assert (data.count(tag), data.count(b"irot")) == (1, 0)
    decoded = decode(data.replace(tag, orientation))
    assert decoded.orientation == 1
    assert_close(quadrants(decoded.upright), QUADRANTS)


@pytest.mark.parametrize("encoding", ["AVIF", "HEIF"])
def test_container_alone_turns(encoding: str) -> None:
    data = encode(IMAGE, encoding, exif=with_orientation(3))
    decoded = decode(data.replace(b"\x01\x12\0\x03", b"\x01\x13\0\x03"))
    assert decoded.orientation == 3
    assert_close(quadrants(decoded.upright), QUADRANTS[::-1])


@pytest.mark.parametrize("brand", [b"mif1", b"heix", b"heic"])
def test_brand_may_stand_anywhere(brand: bytes) -> None:
    data = encode(IMAGE, "HEIF")
    assert decode(data[:8] + brand + data[12:]).format == "HEIF"
    avif = encode(IMAGE, "AVIF")
    assert decode(avif[:8] + b"mif1" + avif[12:]).format == "AVIF"


def heic_of(*images: Image.Image, primary: int = 0) -> bytes:
    file = HeifFile()
    for image in images:
        file.add_from_pillow(image)
    written = io.BytesIO()
    file.save(written, primary_index=primary, quality=95)
    return written.getvalue()


def test_images_of_a_file_are_counted() -> None:
    other = Image.new("RGB", (64, 64))
    two = encode(IMAGE, "TIFF", save_all=True, append_images=[other, other])
    assert decode(two).pages == tiff_to_pages(two) == 3
    assert decode(two).pixels.tobytes() == IMAGE.tobytes()
    burst = decode(heic_of(other, IMAGE, primary=1))
    assert burst.pages == 2
    assert_close(quadrants(burst.upright), QUADRANTS)
    for encoding in ("TIFF", "HEIF", "AVIF", "PNG"):
        assert decode(encode(IMAGE, encoding)).pages == 1


@pytest.mark.parametrize("order", ["<", ">"])
def test_pages_are_counted_in_either_order(order: str) -> None:
    assert tiff_to_pages(tiff(bytes(256), (16, 16), {}, order=order, pages=7)) == 7
    start = b"II+\0" if order == "<" else b"MM\0+"
    page = struct.pack(f"{order}Q", 0)
    big = start + struct.pack(f"{order}HHQ", 8, 0, 16) + page + struct.pack(f"{order}Q", 32)
    assert tiff_to_pages(big + page + struct.pack(f"{order}Q", 0)) == 2


@pytest.mark.parametrize(
    ("data", "pages"),
    [
        pytest.param(b"II*\0\x08\0\0\0\0\0\x08\0\0\0", 1, id="a page that leads to itself"),
        pytest.param(b"II*\0\0\0\0\0", 0, id="no page"),
        pytest.param(
            b"II*\0\x08\0\0\0"
            + b"".join(struct.pack("<HI", 0, 8 + 6 * n) for n in range(1, 100_000)),
            TIFF_PAGE_LIMIT, id="pages without end",
        ),
    ],
)  # fmt: skip
def test_hostile_chain_of_pages_ends(data: bytes, pages: int) -> None:
    assert tiff_to_pages(data) == pages


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"II*\0\x08\0\0\0\0\0\xff\xff\xff\xff", id="beyond the end"),
        pytest.param(b"II*\0\x08\0\0\0\xff\xff", id="cut off"),
        pytest.param(b"II*\0", id="nowhere"),
        pytest.param(
            b"II+\0\x08\0\0\0\x10" + bytes(7) + b"\xff" * 8, id="beyond what can be addressed"
        ),
    ],
)
def test_page_outside_the_file_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="one of its pages lies outside the file"):
        tiff_to_pages(data)


def test_transfer_that_ended_in_a_later_page_is_refused() -> None:
    data = encode(IMAGE, "TIFF", save_all=True, append_images=[IMAGE])
    with pytest.raises(InputError, match="one of its pages lies outside the file"):
        decode(data[: len(data) // 2 + 20])


@pytest.mark.parametrize("encoding", ["AVIF", "HEIF"])
def test_largest_image_of_a_container_counts(encoding: str) -> None:
    data = bytearray(encode(IMAGE, encoding))
    header = bytes_to_header(bytes(data))
    assert header is not None
    assert header.format == "HEIF"
    place = data.index(b"ispe")
    struct.pack_into(">II", data, place + 8, 60_000, 50_000)
    # libavif has a limit of its own.
    with pytest.raises(InputError, match=r"60000 x 50000 pixels, more than|BMFF parsing failed"):
        decode(bytes(data))


def test_crop_does_not_hide_what_is_decoded() -> None:
    data = encode(Image.new("RGB", (640, 480)), "HEIF")
    cropped = bytearray(encode(Image.new("RGB", (30, 20)), "HEIF"))
    assert b"clap" in cropped, "of an odd size the encoder cuts its padding off"
    place = cropped.index(b"ispe")
    struct.pack_into(">II", cropped, place + 8, 640, 480)
    for hostile in (data, bytes(cropped)):
        with pytest.raises(InputError, match="640 x 480 pixels, more than the 100,000"):
            decode(hostile)


LIE = """
import io, resource, struct, sys
from PIL import Image
from rhymes.common.errors import InputError
from rhymes.images.images import decode_image
data = bytearray(open(sys.argv[1], "rb").read())
struct.pack_into(">II", data, data.index(b"ispe") + 8, 64, 64)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decode_image(bytes(data), max_bytes=10**7, max_pixels=100_000)
except InputError as error:
    print(error, file=sys.stderr)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("encoding", ["AVIF", "HEIF"])
def test_size_that_lies_costs_no_memory(encoding: str, tmp_path: Any) -> None:
    """The container says 64 x 64, the encoded image is 4096 x 4096."""
    file = tmp_path / "lie"
    file.write_bytes(encode(Image.new("RGB", (4096, 4096)), encoding, quality=1, speed=10))
    done = subprocess.run(
        [sys.executable, "-c", LIE, str(file)], capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 60, f"MiB; {done.stderr}"


@pytest.mark.parametrize("encoding", ["AVIF", "HEIF"])
def test_name_of_another_format_changes_nothing(encoding: str) -> None:
    for start in (encode(IMAGE, encoding)[:40], encode(IMAGE, encoding)[:200]):
        for rest in (encode(IMAGE), encode(IMAGE, "PNG"), b"<html>", bytes(5000)):
            with pytest.raises(InputError):
                decode(start + rest)


def test_10_bits_of_a_heic_become_8() -> None:
    levels = np.full((64, 64), 0x8000, np.uint16)
    file = io.BytesIO()
    from_pillow(Image.fromarray(levels)).save(file, quality=-1)
    decoded = decode(file.getvalue())
    assert decoded.pixels.mode == "RGB"
    assert_close(decoded.pixels.getpixel((32, 32)), (0x80,) * 3, by=1)
