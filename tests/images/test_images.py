from __future__ import annotations

import contextlib
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from rhymes.common.errors import InputError
from rhymes.images.images import (
    UprightImage,
    bytes_to_upright_size,
    check_image,
    decode_image,
    pixels_to_sha256,
)
from tests.support.hostile_server import HTML, png_bomb, png_chunk
from tests.support.orientations import upright_to_stored
from tests.support.quadrants import (
    HEIGHT,
    IMAGE,
    QUADRANTS,
    WHITE,
    WIDTH,
    assert_close,
    decode,
    encode,
    exif_block,
    quadrants,
    with_orientation,
)

Pixels = np.ndarray[Any, Any]


def check(data: bytes, **options: Any) -> UprightImage:
    return check_image(data, **({"max_bytes": 1_000_000, "max_pixels": 100_000} | options))


GREYS = [81, 130, 49, 181]  # ITU-R 601 luma of the quadrants


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="baseline"),
        pytest.param({"progressive": True}, id="progressive"),
        pytest.param({"subsampling": "4:2:0"}, id="subsampled"),
        pytest.param({"icc_profile": b"a profile"}, id="with a profile"),
        pytest.param({"exif": with_orientation(1)}, id="orientation 1"),
        pytest.param({"exif": with_orientation(0)}, id="orientation 0, which is none"),
        pytest.param({"exif": with_orientation(9)}, id="orientation 9, which is none"),
        pytest.param({"exif": exif_block(274, 2, b"6\0\0\0")}, id="orientation as text"),
        pytest.param({"exif": b"Exif\0\0MM\0*\xff\xff\xff\xff"}, id="broken EXIF"),
        pytest.param({"exif": b"Exif\0\0"}, id="empty EXIF"),
        pytest.param({"exif": b"nonsense"}, id="EXIF that is none"),
        pytest.param({"xmp": b'<x tiff:Orientation="6"/>'}, id="XMP's orientation"),
    ],
)
def test_upright_rgb_jpeg_keeps_its_bytes(options: dict[str, Any]) -> None:
    data = encode(IMAGE, **options)
    assert check(data) == UprightImage(data, "JPEG", WIDTH, HEIGHT)


def test_pixels_hash_outlives_metadata_and_encoding() -> None:
    def digest(data: bytes) -> str:
        decoded = decode_image(data, max_bytes=1_000_000, max_pixels=1_000_000)
        return pixels_to_sha256(decoded.pixels)

    tall = Image.fromarray(np.random.default_rng(1).integers(0, 256, (700, 3, 3), np.uint8))
    stored = upright_to_stored(tall, 6)
    same = [
        encode(tall, "PNG"),
        encode(tall, "BMP"),
        encode(stored, "PNG", exif=with_orientation(6)),
    ]
    assert len(set(map(digest, same))) == 1
    assert digest(encode(stored, "PNG")) != digest(same[0])
    jpegs = [encode(tall), encode(tall, comment=b"by the CDN"), encode(tall, quality=50)]
    assert digest(jpegs[0]) == digest(jpegs[1]) != digest(jpegs[2])
    last = tall.copy()
    last.putpixel((2, 699), (1, 2, 3))
    assert digest(encode(last, "PNG")) != digest(same[0])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_came_is_told(orientation: int) -> None:
    stored = upright_to_stored(IMAGE, orientation)
    data = encode(stored, "PNG", exif=with_orientation(orientation))
    decoded = decode_image(data, max_bytes=1_000_000, max_pixels=1_000_000)
    assert (decoded.format, decoded.orientation) == ("PNG", orientation)
    assert decoded.pixels.size == IMAGE.size
    assert decoded.upright == check(data)


def test_bytes_behind_a_jpeg_stay() -> None:
    data = encode(IMAGE) + b"a film of three seconds"
    assert check(data).data == data


def test_first_of_several_images_of_a_phone_counts() -> None:
    data = encode(IMAGE, "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))])
    assert check(data) == UprightImage(data, "JPEG", WIDTH, HEIGHT)


@pytest.mark.parametrize("encoding", ["JPEG", "PNG", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(orientation: int, encoding: str) -> None:
    image = upright_to_stored(IMAGE, orientation)
    checked = check(encode(image, encoding, exif=with_orientation(orientation)))
    assert (checked.width, checked.height) == (WIDTH, HEIGHT)
    assert_close(quadrants(checked), QUADRANTS)


@pytest.mark.parametrize(
    ("image", "encoding"),
    [
        pytest.param(IMAGE, "PNG", id="PNG"),
        pytest.param(IMAGE, "WEBP", id="WebP"),
        pytest.param(IMAGE, "BMP", id="BMP"),
        pytest.param(IMAGE, "TIFF", id="TIFF"),
        pytest.param(IMAGE, "AVIF", id="AVIF"),
        pytest.param(IMAGE, "HEIF", id="HEIC"),
        pytest.param(IMAGE.quantize(8), "GIF", id="GIF"),
        pytest.param(IMAGE.quantize(8), "TIFF", id="palette TIFF"),
        pytest.param(IMAGE.convert("CMYK"), "TIFF", id="CMYK TIFF"),
        pytest.param(IMAGE.convert("RGBA"), "TIFF", id="opaque RGBA TIFF"),
        pytest.param(IMAGE.convert("RGBA"), "AVIF", id="opaque RGBA AVIF"),
        pytest.param(IMAGE.convert("RGBA"), "HEIF", id="opaque RGBA HEIC"),
        pytest.param(IMAGE.quantize(8), "PNG", id="palette PNG"),
        pytest.param(IMAGE.quantize(8), "BMP", id="palette BMP"),
        pytest.param(IMAGE.convert("RGBA"), "PNG", id="opaque RGBA PNG"),
        pytest.param(IMAGE.convert("RGBA"), "WEBP", id="opaque RGBA WebP"),
        pytest.param(IMAGE.convert("CMYK"), "JPEG", id="CMYK JPEG"),
    ],
)
def test_other_colour_images_become_jpegs(image: Image.Image, encoding: str) -> None:
    data = encode(image, encoding)
    checked = check(data)
    assert checked.format == "JPEG"
    assert checked.data != data
    assert_close(quadrants(checked), QUADRANTS, by=12)


def test_cmyk_jpeg_is_inverted_as_adobe_has_it() -> None:
    # Ink 0 is stored as 255: white paper with full cyan must become cyan, not red.
    checked = check(encode(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG"))
    assert_close(decode(checked).getpixel((8, 8)), (0, 255, 255))


@pytest.mark.parametrize("encoding", ["JPEG", "PNG", "BMP", "TIFF", "AVIF", "HEIF"])
def test_grey_becomes_rgb(encoding: str) -> None:
    checked = check(encode(IMAGE.convert("L"), encoding))
    assert_close(quadrants(checked), [(grey,) * 3 for grey in GREYS])


def test_black_and_white_becomes_rgb() -> None:
    checked = check(encode(Image.new("1", (16, 16), 1), "PNG"))
    assert_close(decode(checked).getpixel((8, 8)), WHITE)


def png_of_rows(rows: Pixels, colour_type: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """Encode rows of 16-bit samples (PNG specification, 11.2.2: big endian) as a PNG."""
    height, width = rows.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    pixels = b"".join(b"\0" + row.astype(">u2").tobytes() for row in rows)
    parts = ((b"IHDR", header), *chunks, (b"IDAT", zlib.compress(pixels)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts)


@pytest.mark.parametrize(
    ("colour_type", "channels"),
    [pytest.param(0, 1, id="grey"), pytest.param(2, 3, id="RGB"), pytest.param(4, 2, id="LA"),
     pytest.param(6, 4, id="RGBA")],
)  # fmt: skip
@pytest.mark.parametrize("level", [0, 300, 32_768, 65_535])
def test_16_bit_is_scaled_not_clipped(colour_type: int, channels: int, level: int) -> None:
    rows = np.full((16, 16, channels), level)
    if channels in (2, 4):
        rows[..., -1] = 65_535
    checked = check(png_of_rows(rows, colour_type), keep={"PNG"})
    assert checked.format == "JPEG"
    assert_close(decode(checked).getpixel((8, 8)), (level // 256,) * 3, by=1)


def test_transparent_level_of_16_bit_grey_is_white() -> None:
    rows = np.full((16, 16), 1000)
    checked = check(png_of_rows(rows, 0, (b"tRNS", struct.pack(">H", 1000))))
    assert_close(decode(checked).getpixel((8, 8)), WHITE)


def make_transparent(mode: str) -> Image.Image:
    image = Image.new("RGBA", (32, 16), (0, 0, 0, 0))
    image.paste((200, 30, 30, 255), (16, 0, 32, 16))
    return image.convert(mode)


@pytest.mark.parametrize(
    ("mode", "encoding", "solid"),
    [
        pytest.param("RGBA", "PNG", (200, 30, 30), id="RGBA PNG"),
        pytest.param("RGBA", "WEBP", (200, 30, 30), id="RGBA WebP"),
        pytest.param("RGBA", "GIF", (200, 30, 30), id="GIF"),
        pytest.param("RGBA", "TIFF", (200, 30, 30), id="RGBA TIFF"),
        pytest.param("RGBA", "AVIF", (200, 30, 30), id="RGBA AVIF"),
        pytest.param("RGBA", "HEIF", (200, 30, 30), id="RGBA HEIC"),
        pytest.param("LA", "PNG", (81, 81, 81), id="LA PNG"),
        pytest.param("PA", "PNG", (200, 30, 30), id="palette PNG"),
    ],
)
def test_transparency_is_white(mode: str, encoding: str, solid: tuple[int, ...]) -> None:
    image = make_transparent("RGBA").quantize() if mode == "PA" else make_transparent(mode)
    checked = decode(check(encode(image, encoding)))
    assert_close(checked.getpixel((4, 8)), WHITE)
    assert_close(checked.getpixel((28, 8)), solid)


def test_half_transparent_is_mixed_with_white() -> None:
    checked = decode(check(encode(Image.new("RGBA", (16, 16), (0, 0, 0, 128)), "PNG")))
    assert_close(checked.getpixel((8, 8)), (127, 127, 127), by=2)


def test_transparent_colour_of_an_rgb_png_is_white() -> None:
    data = encode(Image.new("RGB", (16, 16), (1, 2, 3)), "PNG", transparency=(1, 2, 3))
    checked = check(data, keep={"PNG"})
    assert_close(decode(checked).getpixel((8, 8)), WHITE)


@pytest.mark.parametrize("encoding", ["GIF", "WEBP", "PNG", "AVIF"])
def test_first_frame_of_an_animation_counts(encoding: str) -> None:
    others = [Image.new("RGB", IMAGE.size, "black")]
    data = encode(IMAGE, encoding, save_all=True, append_images=others, duration=100)
    checked = check(data, keep={"PNG"})
    assert checked.format == "JPEG"
    assert_close(quadrants(checked), QUADRANTS, by=12)


def test_kept_formats_are_the_callers() -> None:
    data = encode(IMAGE, "PNG")
    assert check(data, keep={"JPEG", "PNG"}) == UprightImage(data, "PNG", WIDTH, HEIGHT)
    assert check(encode(IMAGE), keep=frozenset()).data != encode(IMAGE)
    turned = encode(IMAGE, "PNG", exif=with_orientation(3))
    assert check(turned, keep={"PNG"}).format == "JPEG"
    assert check(encode(IMAGE.convert("RGBA"), "PNG"), keep={"PNG"}).format == "JPEG"


def test_encoding_is_deterministic_and_without_metadata() -> None:
    image = IMAGE.convert("RGBA")
    data = encode(image, "PNG", dpi=(300, 300), exif=with_orientation(6), icc_profile=b"profile")
    first, second = check(data), check(data)
    assert first.data == second.data
    assert decode(first).info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    gif = encode(IMAGE.quantize(8), "GIF", comment=b"a comment")
    assert "comment" not in decode(check(gif)).info


def test_quality_is_the_callers() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encode(Image.fromarray(noise), "PNG")
    assert len(check(data, jpeg_quality=50).data) < len(check(data, jpeg_quality=95).data) / 2


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (65_000, 1)])
def test_thin_images_pass(size: tuple[int, int]) -> None:
    checked = check(encode(Image.new("RGB", size), "PNG"))
    assert (checked.width, checked.height) == size


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "0 bytes", id="nothing"),
        pytest.param(bytes(100), "it looks like zero bytes only", id="zeros"),
        pytest.param(HTML, "it looks like an HTML page", id="HTML"),
        pytest.param(b"\n<!-- -->\n<html>", "an HTML page", id="HTML behind a comment"),
        pytest.param(b"<!---->" * 200, "XML or HTML", id="comments without end"),
        pytest.param(b"<?xml version='1.0'?><svg>", "an SVG", id="SVG"),
        pytest.param(b"<Error><Code>AccessDenied", "XML or HTML", id="a bucket's error"),
        pytest.param(b'{"error": 1}', "JSON", id="JSON"),
        pytest.param(b"Not found", "it looks like text", id="text"),
        pytest.param(b"BMW, a car maker of Munich", "it looks like text", id="text with BM"),
        pytest.param(b"%PDF-1.7", "a PDF", id="PDF"),
        pytest.param(encode(IMAGE, "TIFF")[:8], "broken TIFF", id="a TIFF's first bytes"),
        pytest.param(b"\0\0\0\x20ftypavif", "broken AVIF", id="an AVIF's first bytes"),
        pytest.param(b"\0\0\0\x20ftypheic", "broken HEIF", id="a HEIC's first bytes"),
        pytest.param(b"\0\0\0\x20ftypisom", "a video", id="MP4"),
        pytest.param(b"PK\x03\x04", "a ZIP archive", id="ZIP"),
        pytest.param(b"\x01\x02\xff", "its first bytes are 01 02 ff", id="anything else"),
        pytest.param(b"RIFF\0\0\0\0WAVE", "its first bytes are 52 49 46 46", id="WAV"),
        pytest.param(b"\xff\xd8\xff", "broken JPEG", id="a JPEG's first bytes"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "broken PNG", id="a PNG's first bytes"),
        pytest.param(b"GIF89a", "broken GIF", id="a GIF's first bytes"),
        pytest.param(b"RIFF\0\0\0\0WEBP", "broken WEBP", id="a WebP's first bytes"),
        pytest.param(b"BM" + bytes(12) + b"\x28\0\0\0", "broken BMP", id="a BMP's first bytes"),
        pytest.param(png_bomb(), "50000 x 50000 pixels, more than the 100,000", id="PNG bomb"),
        pytest.param(encode(Image.new("1", (1000, 101)), "GIF"), "1000 x 101", id="101,000 pixels"),
        pytest.param(bytes(1_000_001), "1,000,001 bytes, more than the 1,000,000", id="too large"),
        pytest.param(
            encode(Image.new("L", (65_501, 1)), "PNG"), "no side may be over 65500", id="too wide"
        ),
    ],
)  # fmt: skip
def test_not_an_image(data: bytes, reason: str) -> None:
    with pytest.raises(InputError) as error:
        check(data)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def frame_header(width: int, height: int) -> bytes:
    """Encode a WebP whose extended header promises a canvas, without an image."""
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + sides
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(frame_header(16_000, 16_000), id="WebP"),
        pytest.param(
            b"GIF89a\xff\xff\xff\xff\0\0\0" + b",\0\0\0\0\xff\xff\xff\xff\0\x02\0;", id="GIF"
        ),
        pytest.param(
            b"BM" + bytes(12) + struct.pack("<IiiHHIIiiII", 40, 99_999, 99_999, 1, 24, *(0,) * 6),
            id="BMP",
        ),
    ],
)
def test_promise_of_too_many_pixels_is_refused_before_decoding(data: bytes) -> None:
    with pytest.raises(InputError):
        check(data)


@pytest.mark.parametrize("name", [b"iCCP", b"zTXt"])
def test_bomb_in_a_png_chunk_is_not_read(name: bytes) -> None:
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    bomb = b"name\0\0" + zlib.compress(bytes(20_000_000))
    chunks = ((b"IHDR", header), (name, bomb), (b"IDAT", zlib.compress(bytes(4))), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)
    assert (check(data).width, check(data).height) == (1, 1)


def test_jpeg_of_endless_scans_is_refused() -> None:
    data = encode(IMAGE, progressive=True)
    start = data.rindex(b"\xff\xda")  # the last scan, which only refines
    many = data[:start] + data[start:-2] * 200 + data[-2:]
    with pytest.raises(InputError, match=r"20\d scans, more than the 100 allowed"):
        check(many)


pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

ENCODED = {
    "JPEG": encode(IMAGE, exif=with_orientation(6)),
    "progressive JPEG": encode(IMAGE, progressive=True),
    "CMYK JPEG": encode(IMAGE.convert("CMYK")),
    "PNG": encode(IMAGE, "PNG", exif=with_orientation(6), dpi=(72, 72)),
    "palette PNG": encode(IMAGE.quantize(8), "PNG", transparency=1),
    "animated PNG": encode(IMAGE, "PNG", save_all=True, append_images=[Image.new("RGB", (9, 9))]),
    "WebP": encode(IMAGE, "WEBP", exif=with_orientation(6)),
    "lossless WebP": encode(IMAGE, "WEBP", lossless=True),
    "GIF": encode(IMAGE.quantize(8), "GIF", transparency=1, comment=b"hello"),
    "BMP": encode(IMAGE, "BMP"),
    "palette BMP": encode(IMAGE.quantize(8), "BMP"),
    "TIFF": encode(IMAGE, "TIFF", tiffinfo={274: 6}),
    "deflated TIFF": encode(IMAGE, "TIFF", compression="tiff_adobe_deflate"),
    "TIFF of JPEG": encode(IMAGE, "TIFF", compression="jpeg"),
    "AVIF": encode(IMAGE, "AVIF", exif=with_orientation(6)),
    "HEIC": encode(IMAGE, "HEIF", exif=with_orientation(6)),
}


@pytest.mark.parametrize("name", ENCODED)
def test_whole_files_of_the_fuzz_test_pass(name: str) -> None:
    assert check(ENCODED[name]).width in (WIDTH, HEIGHT)


@pytest.mark.parametrize("name", ENCODED)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.95])
def test_truncated_file_is_refused(name: str, share: float) -> None:
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    data = ENCODED[name]
    # What a PNG has behind its pixels is nothing that it could not do without.
    end = data.index(b"IEND") - 8 if "PNG" in name and "animated" not in name else len(data)
    end = data.index(b"fcTL", data.index(b"IDAT")) - 8 if "animated" in name else end
    start = data.index(b"IDAT") + 4 if "PNG" in name else 0
    with pytest.raises(InputError):
        check(data[: start + int((end - start) * share)])


def test_flipped_bit_in_a_png_is_refused() -> None:
    data = bytearray(ENCODED["PNG"])
    data[data.index(b"IEND") - 12] ^= 1  # of the pixels' own checksum
    with pytest.raises(InputError, match="broken PNG: its pixels' checksums are wrong"):
        check(bytes(data), keep={"PNG"})


def test_flipped_bit_in_the_checksum_alone_is_mended() -> None:
    data = bytearray(ENCODED["PNG"])
    data[data.index(b"IEND") - 6] ^= 1  # of the chunk's checksum
    mended = check(bytes(data), keep={"PNG"})
    assert decode(mended).tobytes() == decode(check(ENCODED["PNG"], keep={"PNG"})).tobytes()


@st.composite
def mutilated(draw: st.DrawFn) -> bytes:
    """Draw a real file with bytes changed, removed, doubled, or cut off."""
    data = bytearray(ENCODED[draw(st.sampled_from(sorted(ENCODED)))])
    for _ in range(draw(st.integers(1, 6))):
        # Headers are where parsers go wrong: half of the changes hit the first 200 bytes.
        last = draw(st.sampled_from([min(200, len(data)) - 1, len(data) - 1]))
        index = draw(st.integers(0, last))
        match draw(st.sampled_from(["change", "change", "remove", "double", "cut"])):
            case "change":
                data[index] = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFE, 0xFF, index % 256]))
            case "remove":
                del data[index : index + draw(st.integers(1, 4))]
            case "double":
                data[index:index] = data[index : index + draw(st.integers(1, 40))]
            case _:
                del data[max(index, 20) :]
        if len(data) < 2:
            break
    return bytes(data)


@settings(max_examples=1000, deadline=None)
@given(mutilated())
def test_mutilated_file_is_an_image_or_an_input_error(data: bytes) -> None:
    with contextlib.suppress(InputError):
        checked = check(data)
        assert checked.width * checked.height <= 100_000
        if checked.data != data:
            decode(checked)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b""]))
def test_no_exif_block_kills_an_image(block: bytes, head: bytes) -> None:
    data = encode(IMAGE, exif=b"Exif\0\0" + head + block)
    assert {check(data).width, check(data).height} == {WIDTH, HEIGHT}


def test_real_exports_keep_all_their_bytes(shared: Path) -> None:
    for folder, size in [("bccd3", (640, 480)), ("breadboard5", (512, 512))]:
        for path in sorted((shared / "datasets" / folder / "images").iterdir())[::8]:
            data = path.read_bytes()
            checked = check_image(data, max_bytes=50_000_000, max_pixels=100_000_000)
            assert checked == UprightImage(data, "JPEG", *size), path.name


@pytest.mark.parametrize("encoding", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_size_is_read_from_the_header(orientation: int, encoding: str) -> None:
    data = encode(
        upright_to_stored(IMAGE, orientation), encoding, exif=with_orientation(orientation)
    )
    checked = check(data)
    assert bytes_to_upright_size(data) == (checked.width, checked.height)


def test_no_size_of_what_is_no_image() -> None:
    assert bytes_to_upright_size(b"") is None
    assert bytes_to_upright_size(encode(IMAGE)[:30]) is None
