"""An image that a user gave to the page, proved to be one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from rhymes.client.errors import BadImage
from rhymes.common.errors import InputError
from rhymes.images.images import MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS, UprightImage, decode_image


@dataclass(frozen=True)
class CheckedImage:
    """An image to look at.

    Attributes:
        name: By which its user knows it; may hold anything, see `app.plain_text`.
        digest: SHA-256 of its file.
        data: The bytes of its file.
        upright: The same image as detectors see it.
        pages: How many images the file holds; it is the first one that is seen.
    """

    name: str
    digest: str
    data: bytes = field(repr=False)
    upright: UprightImage = field(repr=False)
    pages: int = 1


def bytes_to_image(name: str, data: bytes) -> CheckedImage:
    """Check a file's bytes and bring the image upright.

    Raises:
        BadImage: it is no image, or too large a one, saying which.
    """
    try:
        decoded = decode_image(
            data,
            max_bytes=MAX_IMAGE_BYTES,
            max_pixels=MAX_IMAGE_PIXELS,
            keep=frozenset({"JPEG", "PNG"}),
        )
    except InputError as error:
        raise BadImage(f"{name}: {error}") from None
    return CheckedImage(
        name, hashlib.sha256(data).hexdigest(), data, decoded.upright, decoded.pages
    )
