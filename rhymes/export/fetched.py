"""The index of fetched images: each distinct source of an export with its file, or its error."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rhymes.common.csv import load_rows, save_rows
from rhymes.common.errors import InputError
from rhymes.export.dialects import load_dialect

INDEX_COLUMNS = ("image", "sha256", "width", "height", "error")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SIZE = re.compile(r"[1-9][0-9]{0,8}")


class IndexedImage(NamedTuple):
    """An image that was fetched.

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
    """Read the index: the image column's value -> the image; None where it failed.

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


_LISTED = 20
_LISTED_ROWS = 3
_LISTED_CHARACTERS = 120


@dataclass(frozen=True)
class Source:
    """A distinct value of the image column, and the rows (as a spreadsheet counts) that have it."""

    image: str
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Fetched:
    """What became of a source: an image's SHA-256 and size in pixels, or why there is none."""

    source: Source
    sha256: str = ""
    width: int | None = None
    height: int | None = None
    error: str = ""


def load_sources(annotations: Path) -> list[Source]:
    """Read the distinct values of the image column, in order of first appearance.

    Raises:
        InputError: naming file and row: see `load_rows` and `load_dialect`; or there is no row.
    """
    column = load_dialect(annotations).image_column
    rows: dict[str, list[int]] = {}
    for row in load_rows(annotations):
        rows.setdefault(row.cells[column], []).append(row.number)
    if not rows:
        raise InputError(f"{annotations}: no rows below the header, so there is nothing to fetch")
    return [Source(image, tuple(numbers)) for image, numbers in rows.items()]


def save_index(path: Path, fetched: Iterable[Fetched]) -> None:
    """Write the index as CSV, columns `INDEX_COLUMNS`: one line a source, in the order given."""
    lines = (
        (each.source.image, each.sha256, each.width, each.height, each.error) for each in fetched
    )
    save_rows(path, INDEX_COLUMNS, lines)


def save_failures(path: Path, fetched: Iterable[Fetched]) -> None:
    """Write every failure, with all its rows, as CSV."""
    lines = (
        (" ".join(map(str, each.source.rows)), each.source.image, each.error)
        for each in fetched
        if each.error
    )
    save_rows(path, ("rows", "image", "error"), lines)


def check_failures(fetched: Sequence[Fetched], total: int, max_failed_fraction: float) -> str:
    """Return a report of the failures, "" where there are none.

    Args:
        fetched: what became of the sources that were tried.
        total: how many sources there are.
        max_failed_fraction: of `total`, that may fail.

    Raises:
        InputError: more failed, with the report.
    """
    failures = [each for each in fetched if each.error]
    if not failures:
        return ""
    head = f"{len(failures)} of {total} images failed"
    if len(fetched) < total:
        head += f" (too many in a row, so {total - len(fetched)} were not tried)"
    listed = _failures_to_text(failures)
    if len(failures) > max_failed_fraction * total:
        allowed = f"more than fetch.max_failed_fraction = {max_failed_fraction:g} allows"
        raise InputError(f"{head}, {allowed}:\n{listed}")
    return f"{head}:\n{listed}"


def _failures_to_text(failures: Sequence[Fetched]) -> str:
    lines = [
        f"  row {_rows_to_text(each.source.rows)}: {_shorten(each.source.image)}: {each.error}"
        for each in failures[:_LISTED]
    ]
    if len(failures) > _LISTED:
        lines.append(f"  ... and {len(failures) - _LISTED} more")
    return "\n".join(lines)


def _rows_to_text(rows: Sequence[int]) -> str:
    text = ", ".join(map(str, rows[:_LISTED_ROWS]))
    return text if len(rows) <= _LISTED_ROWS else f"{text}, ... ({len(rows)} rows)"


def _shorten(image: str) -> str:
    text = repr(image)
    return text if len(text) <= _LISTED_CHARACTERS else f"{text[:_LISTED_CHARACTERS]}..."
