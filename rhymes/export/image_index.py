"""data/export/index.csv -> what became of each value of the image column when it was fetched."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from rhymes.common.csv import load_rows
from rhymes.common.errors import InputError

INDEX_COLUMNS = ("image", "sha256", "width", "height", "error")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SIZE = re.compile(r"[1-9][0-9]{0,8}")


class IndexedImage(NamedTuple):
    """A picture that was fetched.

    Attributes:
        source: its name in the export, the image column's value.
        sha256: of its file's bytes, 64 hexadecimal digits; names the file.
        width: pixels, upright.
        height: pixels, upright.
    """

    source: str
    sha256: str
    width: int
    height: int


def load_image_index(path: Path) -> dict[str, IndexedImage | None]:
    """Read the index: the image column's value -> the picture; None where it failed.

    Raises:
        InputError: with the row: a value stands twice, a hash or a size is none.
    """
    index: dict[str, IndexedImage | None] = {}
    for row in load_rows(path, INDEX_COLUMNS):
        source, sha256, width, height, error = (row.cells[name] for name in INDEX_COLUMNS)
        if source in index:
            raise InputError(f"{path}: row {row.number}: image '{source}' stands twice")
        if not sha256 and error:
            index[source] = None
        elif _SHA256.fullmatch(sha256) and _SIZE.fullmatch(width) and _SIZE.fullmatch(height):
            index[source] = IndexedImage(source, sha256, int(width), int(height))
        else:
            raise InputError(
                f"{path}: row {row.number}: needs a SHA-256 and a size in pixels, or an error; "
                f"found {sha256!r}, {width!r} x {height!r}, {error!r}; run the stage fetch again"
            )
    return index
