"""Which column of an annotations CSV names the image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from rhymes.common.csv import names_to_text
from rhymes.common.errors import InputError

ImageColumn = Literal["cdn_file_url", "image_url"]


def image_column(columns: Iterable[str]) -> ImageColumn:
    """Say which column of an annotations CSV names the image; it tells the dialect as well.

    Raises:
        InputError: neither or both of `cdn_file_url` and `image_url` are there.
    """
    names = list(columns)
    match ("cdn_file_url" in names, "image_url" in names):
        case (True, False):
            return "cdn_file_url"
        case (False, True):
            return "image_url"
        case (True, True):
            raise InputError(
                "the header has both cdn_file_url and image_url; leave one, which names the image"
            )
        case _:
            raise InputError(
                "the header needs a column cdn_file_url (boxes) or image_url (polygons) "
                f"that names the image; it has {names_to_text(names)}"
            )
