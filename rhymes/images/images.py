"""Image validation: bytes of unknown origin -> a checked, upright, 8-bit RGB image.

What a file is decided by its content, never by its name or by what a server says of it. Pixels are
those a browser shows, because that is where annotators drew: turned by the EXIF orientation,
transparency on white, the first frame of an animation. Colour profiles are not applied (training
ignores them as well), so pixel values stay as they are stored.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from rhymes.common.errors import InputError
from rhymes.images.image_headers import BMP_HEADER_SIZES, JPEG_SCAN_LIMIT, bytes_to_header

MAX_IMAGE_BYTES = 50_000_000
"""Of an encoded image."""

MAX_IMAGE_PIXELS = 50_000_000
"""Of a decoded one; as float32 it takes 600 MB in the runtime."""


PIXEL_LIMIT = 178_956_970
"""The most that `max_pixels` may be: beyond, Pillow refuses WebP and GIF by itself."""

# What libjpeg can write, a little less than the format's 65,535.
_JPEG_SIDE_LIMIT = 65_500

# A whole image at once would be copied: 300 MB of one of 100 million pixels.
_HASHED_ROWS = 256

# EXIF orientation (TIFF tag 274; CIPA DC-008, 4.6.5.A) -> what makes the image upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# The possessive *+ keeps comments from being matched in all possible ways, exponentially many.
_LOOKS_LIKE: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), name)
    for pattern, name in (
        (rb"\0+$", "zero bytes only"),
        (rb"%PDF", "a PDF"),
        (rb"II\*\0|MM\0\*", "a TIFF"),
        (rb".{4}ftyp(avif|avis)", "an AVIF"),
        (rb".{4}ftyp(heic|heix|mif1|msf1)", "a HEIC"),
        (rb".{4}ftyp", "a video"),
        (rb"PK\x03\x04", "a ZIP archive"),
        (rb"\x1f\x8b", "a gzip archive"),
        (rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*+(<!doctype svg[^>]*>\s*)?<svg", "an SVG"),
        (rb"\s*(<!--.*?-->\s*)*+<(!doctype html|html|head|body|title)", "an HTML page"),
        (rb"\s*<", "XML or HTML"),
        (rb"\s*[\[{]", "JSON"),
        (rb"[\t\n\r\x20-\x7e]+$", "text"),
    )
)


@dataclass(frozen=True)
class UprightImage:
    """An encoded image that decodes to 8-bit RGB without being turned.

    Attributes:
        data: the encoded bytes.
        format: Pillow's name of the encoding, "JPEG" or one that the caller kept.
        width: in pixels, of the upright image.
        height: in pixels, of the upright image.
    """

    data: bytes
    format: str
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """A checked image with its pixels, for those who look at both.

    Attributes:
        upright: what `check_image` gives.
        pixels: 8-bit RGB, upright, as they were before `upright` was encoded anew.
        format: Pillow's name of the encoding that came.
        orientation: EXIF's, 1 to 8, as it came; 1 is upright.
    """

    upright: UprightImage
    pixels: Image.Image
    format: str
    orientation: int


def check_image(
    data: bytes,
    *,
    max_bytes: int,
    max_pixels: int,
    keep: AbstractSet[str] = frozenset({"JPEG"}),
    jpeg_quality: int = 95,
) -> UprightImage:
    """Prove that bytes are a whole image; return it upright and RGB. See `decode_image`."""
    return decode_image(
        data, max_bytes=max_bytes, max_pixels=max_pixels, keep=keep, jpeg_quality=jpeg_quality
    ).upright


def decode_image(
    data: bytes,
    *,
    max_bytes: int,
    max_pixels: int,
    keep: AbstractSet[str] = frozenset({"JPEG"}),
    jpeg_quality: int = 95,
) -> DecodedImage:
    """Prove that bytes are a whole JPEG, PNG, WebP, GIF or BMP; return it upright and RGB.

    An image that is upright 8-bit RGB already, without transparency or animation, and of a format
    in `keep` comes back with its very bytes (of a phone's multi-image JPEG the first image
    counts). Anything else becomes a JPEG without chroma subsampling and without metadata, the
    same bytes for the same input: 16-bit samples are scaled to their high byte, CMYK is converted
    without a profile (JPEGs store it inverted, as Adobe does). All pixels are decoded once, so a
    truncated file is refused. A broken EXIF block counts as none.

    Args:
        data: the file's bytes.
        max_bytes: the most that `data` may hold.
        max_pixels: the most that the header may promise, up to `PIXEL_LIMIT`; checked before
            anything is decoded. Decoding takes 4 bytes a pixel, converting up to 16.
        keep: formats whose bytes may stay, of "JPEG" and "PNG".
        jpeg_quality: 1 to 100, of what has to be encoded anew.

    Raises:
        InputError: saying what is wrong with the bytes, or what they look like instead.
    """
    if not data:
        raise InputError("0 bytes")
    if len(data) > max_bytes:
        raise InputError(f"{len(data):,} bytes, more than the {max_bytes:,} allowed")
    opener = _bytes_to_opener(data)
    if opener is None:
        raise InputError(f"not an image: {_describe(data)}")
    name = str(opener.format)
    with _pillow_errors(name):
        image = opener(io.BytesIO(data))
        _check_cost(image, data, max_pixels)
        if opener is PngImageFile:
            # Decoding stops at the last pixel; this reads all checksums up to the end.
            PngImageFile(io.BytesIO(data)).verify()
        image.load()
        orientation = _orientation(image)
        turn = _TURNS.get(orientation)
        if turn is None and name in keep and _is_plain_rgb(image, data):
            return DecodedImage(UprightImage(data, name, *image.size), image, name, 1)
        pixels = _image_to_rgb(image)
        if turn is not None:
            pixels = pixels.transpose(turn)
        upright = UprightImage(_rgb_to_jpeg(pixels, jpeg_quality), "JPEG", *pixels.size)
        return DecodedImage(upright, pixels, name, 1 if turn is None else orientation)


def _bytes_to_opener(data: bytes) -> type[ImageFile.ImageFile] | None:
    # The plugins themselves rather than Image.open, which tries any of 40 formats by turns and
    # warns of sizes that `max_pixels` allows.
    if data.startswith(b"\xff\xd8\xff"):
        return JpegImageFile
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile
    if data.startswith((b"GIF87a", b"GIF89a")):
        return GifImageFile
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WebPImageFile
    # Two letters are too few to tell an image from a text that begins with BM.
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in BMP_HEADER_SIZES:
        return BmpImageFile
    return None


@contextmanager
def _pillow_errors(name: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except MemoryError:
        raise InputError(f"{name}: decoding it takes more memory than there is") from None
    # Pillow's plugins raise whatever their parsing runs into: SyntaxError, OSError, struct.error,
    # KeyError, EOFError and more. None of them may end a run over a thousand other images.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"broken {name}: {reason}") from None


def _check_cost(image: Image.Image, data: bytes, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise InputError(
            f"{image.width} x {image.height} pixels, more than the {max_pixels:,} allowed"
        )
    if image.format == "JPEG":
        header = bytes_to_header(data)
        if header is None:
            raise InputError("broken JPEG: it ends before its first scan")
        if header.scans > JPEG_SCAN_LIMIT:
            raise InputError(
                f"{header.scans} scans, more than the {JPEG_SCAN_LIMIT} allowed in a JPEG"
            )


def _orientation(image: Image.Image) -> int:
    # Image.getexif would take XMP's orientation where EXIF has none, which browsers do not.
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif") or b"")
        value = exif.get(ExifTags.Base.Orientation, 1)
    except Exception:  # a broken block, by any error: it says nothing of the orientation
        return 1
    return value if isinstance(value, int) else 1


def _is_plain_rgb(image: Image.Image, data: bytes) -> bool:
    if image.mode != "RGB" or image.has_transparency_data:
        return False
    if isinstance(image, PngImageFile):
        # IHDR's bit depth (PNG specification, 11.2.1): Pillow shows 16-bit colour as RGB, too.
        return data[24] == 8 and not image.is_animated
    return image.format == "JPEG"


def _image_to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return _deep_grey_to_rgb(image)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _deep_grey_to_rgb(image: Image.Image) -> Image.Image:
    # Pillow's own conversion clips at 255 what ranges to 65,535. The high byte is what it takes of
    # 16-bit colour.
    levels = np.asarray(image).clip(0, 65_535)
    grey = (levels >> 8).astype(np.uint8)
    if (key := image.info.get("transparency")) is not None:
        grey[levels == key] = 255
    return Image.fromarray(grey).convert("RGB")


def _rgb_to_jpeg(image: Image.Image, quality: int) -> bytes:
    if max(image.size) > _JPEG_SIDE_LIMIT:
        raise InputError(
            f"{image.width} x {image.height} pixels; no side may be over {_JPEG_SIDE_LIMIT}"
        )
    image.info.clear()  # the encoder would take a GIF's comment from here
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=quality, subsampling="4:4:4")
    return encoded.getvalue()


def _describe(data: bytes) -> str:
    head = data[:1024]
    for pattern, name in _LOOKS_LIKE:
        if pattern.match(head):
            return f"it looks like {name}; expected a JPEG, PNG, WebP, GIF or BMP"
    return f"its first bytes are {data[:8].hex(' ')}; expected a JPEG, PNG, WebP, GIF or BMP"


def pixels_to_sha256(pixels: Image.Image) -> str:
    """Hash an RGB image's size and pixels: equal for files that differ in metadata alone."""
    digest = hashlib.sha256(f"{pixels.width}x{pixels.height}".encode())
    for top in range(0, pixels.height, _HASHED_ROWS):
        bottom = min(top + _HASHED_ROWS, pixels.height)
        digest.update(pixels.crop((0, top, pixels.width, bottom)).tobytes())
    return digest.hexdigest()


def image_to_pixels(upright: UprightImage) -> NDArray[np.uint8]:
    """Decode a checked image: uint8 [height, width, 3], RGB."""
    opener = PngImageFile if upright.format == "PNG" else JpegImageFile
    with opener(io.BytesIO(upright.data)) as image:
        return np.asarray(image, np.uint8)
