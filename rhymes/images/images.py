"""Image validation: bytes of unknown origin -> a checked, upright, 8-bit RGB image.

What a file is decided by its content, never by its name or by what a server says of it. Pixels are
those a browser shows, because that is where annotators drew: turned by the EXIF orientation,
transparency on white, the first frame of an animation. HEIC and AVIF are turned by what their
container says, and not once more by EXIF (ISO/IEC 23008-12, 6.5.10 and 6.5.12). Colour profiles are
not applied (training ignores them as well), so pixel values stay as they are stored.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile
from pillow_heif import HeifImageFile

from rhymes.common.errors import InputError
from rhymes.images.containers import bytes_to_readable, check_doubtful, exif_to_orientation
from rhymes.images.image_headers import (
    BMP_HEADER_SIZES,
    JPEG_SCAN_LIMIT,
    bytes_to_brands,
    bytes_to_header,
    tiff_to_pages,
)

IMAGE_FORMATS = "JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF"
"""What is read, in words."""

IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp",
    ".tif", ".tiff", ".heic", ".heif", ".hif", ".avif",
)  # fmt: skip
"""By which files of these formats are known among others; never what decides. The likeliest first,
for formats that name their images without a suffix."""

MAX_IMAGE_BYTES = 50_000_000
"""Of an encoded image."""

MAX_IMAGE_PIXELS = 50_000_000
"""Of a decoded one; as float32 it takes 600 MB in the runtime."""


PIXEL_LIMIT = 178_956_970
"""The most that `max_pixels` may be: beyond, Pillow refuses WebP and GIF by itself."""

_PNG_PIXEL_BYTES = 9  # four samples of 16 bits, and the interlacing's filters

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

# Of a HEIC's container: degrees anticlockwise, and the axis (ISO/IEC 23008-12, 6.5.10 and 6.5.12).
_HEIF_TURNS = {
    ("irot", 90): Image.Transpose.ROTATE_90,
    ("irot", 180): Image.Transpose.ROTATE_180,
    ("irot", 270): Image.Transpose.ROTATE_270,
    ("imir", 0): Image.Transpose.FLIP_TOP_BOTTOM,
    ("imir", 1): Image.Transpose.FLIP_LEFT_RIGHT,
}
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NEW_SUBFILE_TYPE, _BITS_PER_SAMPLE, _PHOTOMETRIC, _TILE_WIDTH, _TILE_LENGTH, _DNG_VERSION = (
    254, 258, 262, 322, 323, 50_706
)  # fmt: skip

# The possessive *+ keeps comments from being matched in all possible ways, exponentially many.
_LOOKS_LIKE: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), name)
    for pattern, name in (
        (rb"\0+$", "zero bytes only"),
        (rb"%PDF", "a PDF"),
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
        orientation: EXIF's, 1 to 8, as it came; 1 is upright. Of HEIC and AVIF the equal of what
            their container says.
        pages: how many images a TIFF or HEIC holds, of which the first (HEIC: the primary one)
            counts; 1 for other formats.
    """

    upright: UprightImage
    pixels: Image.Image
    format: str
    orientation: int
    pages: int = 1


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
    """Prove that bytes are a whole image of `IMAGE_FORMATS`; return it upright and RGB.

    An image that is upright 8-bit RGB already, without transparency or animation, and of a format
    in `keep` comes back with its very bytes (of a phone's multi-image JPEG the first image
    counts). Anything else becomes a JPEG without chroma subsampling and without metadata, the
    same bytes for the same input: 16-bit samples are scaled to their high byte, CMYK is converted
    without a profile (JPEGs store it inverted, as Adobe does). All pixels are decoded once, so a
    truncated file is refused. A broken EXIF block counts as none, and what browsers pass over in a
    file is taken out of it (`rhymes.images.containers`).

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
    readable = bytes_to_readable(data)
    with _pillow_errors(name):
        image = opener(io.BytesIO(readable.data))
        _check_cost(image, readable.data, max_pixels)
        check_doubtful(readable, _PNG_PIXEL_BYTES * image.width * image.height + image.height)
        if isinstance(image, PngImageFile) and image.default_image:
            image.seek(1)  # browsers show no image that is not part of the animation
        # Only a TIFF's own tag counts, but Pillow would turn by XMP where there is none.
        image.info.pop("xmp", None)
        applied, pages = _orientation_of_loading(image), _pages(image, data)
        image.load()
        orientation = _exif_orientation(image) if applied is None else applied
        if orientation == 1 and name in keep and _is_plain_rgb(image, data):
            return DecodedImage(UprightImage(readable.kept, name, *image.size), image, name, 1)
        pixels = _image_to_rgb(image)
        if orientation != 1 and applied is None:
            pixels = pixels.transpose(_TURNS[orientation])
        upright = UprightImage(_rgb_to_jpeg(pixels, jpeg_quality), "JPEG", *pixels.size)
        return DecodedImage(upright, pixels, name, orientation, pages)


def bytes_to_upright_size(data: bytes) -> tuple[int, int] | None:
    """Read width and height from an image's header, as EXIF turns it; None where it is none."""
    opener = _bytes_to_opener(data)
    try:
        if opener is None:
            return None
        with opener(io.BytesIO(data)) as image:
            width, height = image.size
            # Orientations 5 to 8 lie on their side; a plugin that turns by itself says the size
            # of what it will load.
            turned = _orientation_of_loading(image) is None and _exif_orientation(image) >= 5
            return (height, width) if turned else (width, height)
    except Exception:  # whatever Pillow's parsers run into, see `_pillow_errors`
        return None


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
    if data.startswith(_TIFF_STARTS):
        return TiffImageFile
    brands = bytes_to_brands(data)
    if brands & _AVIF_BRANDS:
        return AvifImageFile
    return HeifImageFile if brands & _HEIF_BRANDS else None


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
    width, height = image.size
    if isinstance(image, HeifImageFile | AvifImageFile) and (header := bytes_to_header(data)):
        # What is decoded may be larger than what a crop leaves of it.
        width, height = max((width, height), (header.width, header.height), key=math.prod)
    if isinstance(image, TiffImageFile):
        _check_tiff(image, data)
        # A tile is decoded whole, however little of it lies in the image.
        tile = image.tag_v2.get(_TILE_WIDTH, 0), image.tag_v2.get(_TILE_LENGTH, 0)
        width, height = max((width, height), tile, key=math.prod)
    if width * height > max_pixels:
        raise InputError(f"{width} x {height} pixels, more than the {max_pixels:,} allowed")
    if image.format == "JPEG":
        header = bytes_to_header(data)
        if header is None:
            raise InputError("broken JPEG: it ends before its first scan")
        if header.scans > JPEG_SCAN_LIMIT:
            raise InputError(
                f"{header.scans} scans, more than the {JPEG_SCAN_LIMIT} allowed in a JPEG"
            )


def _check_tiff(image: TiffImageFile, data: bytes) -> None:
    tags = image.tag_v2
    preview = int(tags.get(_NEW_SUBFILE_TYPE, 0)) & 1  # TIFF 6.0, section 8
    if preview or _DNG_VERSION in tags or data[8:10] == b"CR":
        raise InputError(
            "its first page is a preview, as in a camera's raw files; export it as JPEG or TIFF"
        )
    if image.mode in ("I", "F"):
        raise InputError(
            "a TIFF of signed, 32-bit or floating-point samples, which do not say what is white; "
            "save it with 8 or 16 bits a sample"
        )
    if image.mode == "LAB":
        raise InputError("a TIFF of Lab colours; save it as RGB")


def _pages(image: Image.Image, data: bytes) -> int:
    if isinstance(image, TiffImageFile):
        return tiff_to_pages(data)
    return image.n_frames if isinstance(image, HeifImageFile) else 1


def _orientation_of_loading(image: Image.Image) -> int | None:
    """Give what the plugin's `load` undoes by itself; None where it leaves that to its caller."""
    if isinstance(image, TiffImageFile):
        stored = image.tag_v2.get(ExifTags.Base.Orientation)
        return stored if stored in _TURNS else 1
    return _heif_orientation(image) if isinstance(image, HeifImageFile) else None


def _heif_orientation(image: HeifImageFile) -> int:
    # Each is applied to what the one before it gave. pillow-heif has no public name for them.
    stored = Image.frombytes("L", (2, 2), b"abcd")
    turned = stored
    file = image._heif_file
    for kind, *values in file[image.tell()]._c_image.transformations if file else ():
        if (turn := _HEIF_TURNS.get((kind, values[0]))) is not None:
            turned = turned.transpose(turn)
    same = (each for each, turn in _TURNS.items() if stored.transpose(turn) == turned)
    return next(same, 1)


def _exif_orientation(image: Image.Image) -> int:
    if isinstance(image, WebPImageFile):  # Chromium shows it as it is stored
        return 1
    if isinstance(image, JpegImageFile):
        blocks = (body for name, body in image.applist if name == "APP1")
        return exif_to_orientation(next((b for b in blocks if b.startswith(b"Exif\0")), b""))
    return exif_to_orientation(image.info.get("exif") or b"")


def _is_plain_rgb(image: Image.Image, data: bytes) -> bool:
    if image.mode != "RGB" or image.has_transparency_data:
        return False
    if isinstance(image, PngImageFile):
        # IHDR's bit depth (PNG specification, 11.2.1): Pillow shows 16-bit colour as RGB, too.
        return data[24] == 8 and not image.is_animated
    return image.format == "JPEG"


def _image_to_rgb(image: Image.Image) -> Image.Image:
    pixels = _colors_to_rgb(image)
    box = image.dispose_extent if isinstance(image, GifImageFile) else None
    if box is None or box == (0, 0, *image.size):
        return pixels
    # Around a frame that is smaller than its GIF browsers show nothing.
    white = Image.new("RGB", image.size, "white")
    white.paste(pixels.crop(box), box[:2])
    return white


def _colors_to_rgb(image: Image.Image) -> Image.Image:
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
    if isinstance(image, TiffImageFile):
        # Pillow leaves both to its callers for samples of more than 8 bits.
        (bits,) = image.tag_v2.get(_BITS_PER_SAMPLE, (16,))
        levels = levels << (16 - bits)
        if image.tag_v2.get(_PHOTOMETRIC, 0) == 0:  # white is 0 (TIFF 6.0, section 8)
            levels = 65_535 - levels
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
            return f"it looks like {name}; expected a {IMAGE_FORMATS}"
    return f"its first bytes are {data[:8].hex(' ')}; expected a {IMAGE_FORMATS}"


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
    with opener(io.BytesIO(bytes_to_readable(upright.data).data)) as image:
        return np.asarray(image, np.uint8)
