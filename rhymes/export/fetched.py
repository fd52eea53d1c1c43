"""The index of fetched images: each distinct source of an export with its file, or its error."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rhymes.common.csv import load_rows, save_rows
from rhymes.common.errors import InputError
from rhymes.common.text import count_to_text
from rhymes.export.cells import ANNOTATION_COLUMN
from rhymes.export.dialects import load_dialect

INDEX_COLUMNS = (
    "image", "sha256", "width", "height",
    "original_sha256", "pixels_sha256", "format", "orientation", "error",
)  # fmt: skip
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SIZE = re.compile(r"[1-9][0-9]{0,8}")
_ORIENTATION = re.compile(r"[1-8]")


class IndexedImage(NamedTuple):
    """An image that was fetched.

    Attributes:
        source: its name in the export, the image column's value.
        sha256: of its file's bytes, 64 hexadecimal digits; names the file.
        width: pixels, upright.
        height: pixels, upright.
        original_sha256: of the bytes as they came, of which another `fetch.jpeg_quality` changes
            nothing; equal to `sha256` where they were kept.
        pixels_sha256: of the upright pixels, of which other metadata change nothing.
        format: Pillow's name of the encoding that came.
        orientation: EXIF's as it came, 1 to 8; any but 1 was applied, see `sha256`.
    """

    source: str
    sha256: str
    width: int
    height: int
    original_sha256: str
    pixels_sha256: str
    format: str
    orientation: int

    @property
    def content_hashes(self) -> tuple[str, str, str]:
        """What tells the image's content, whatever its name: one that is equal suffices."""
        return self.pixels_sha256, self.original_sha256, self.sha256

    @property
    def is_turned(self) -> bool:
        """Whether EXIF turned it, so that boxes drawn on the stored pixels would not fit."""
        return self.orientation != 1

    @property
    def is_reencoded(self) -> bool:
        """Whether its file is not the one that came."""
        return self.sha256 != self.original_sha256


def load_image_index(path: Path) -> dict[str, IndexedImage | None]:
    """Read the index: the image column's value -> the image; None where it failed.

    Raises:
        InputError: with the row: a value stands twice, a hash or a size is none.
    """
    index: dict[str, IndexedImage | None] = {}
    for row in load_rows(path, INDEX_COLUMNS):
        source, sha256, *described, error = (row.cells[name] for name in INDEX_COLUMNS)
        if source in index:
            raise InputError(f"{path}: row {row.number}: image '{source}' stands twice")
        if not sha256 and error:
            index[source] = None
        elif (image := _cells_to_image(source, sha256, *described)) is not None:
            index[source] = image
        else:
            raise InputError(
                f"{path}: row {row.number}: needs SHA-256s, a size in pixels and an orientation, "
                f"or an error; found {[sha256, *described, error]!r}; run the stage fetch again"
            )
    return index


def _cells_to_image(
    source: str,
    sha256: str,
    width: str,
    height: str,
    original: str,
    pixels: str,
    encoding: str,
    orientation: str,
) -> IndexedImage | None:
    hashes = all(map(_SHA256.fullmatch, (sha256, original, pixels)))
    if not (hashes and all(map(_SIZE.fullmatch, (width, height))) and encoding):
        return None
    if not _ORIENTATION.fullmatch(orientation):
        return None
    return IndexedImage(
        source, sha256, int(width), int(height), original, pixels, encoding, int(orientation)
    )


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
    """What became of a source: its image, or why there is none.

    Attributes:
        source: see there.
        image: None where there is an error.
        error: why there is no image, "" where there is one.
        pages: how many images its file holds, of which the first one counts.
        is_unavailable: whether it failed for a reason that may pass, see `UnavailableError`.
    """

    source: Source
    image: IndexedImage | None = None
    error: str = ""
    pages: int = 1
    is_unavailable: bool = False


@dataclass(frozen=True)
class Tolerance:
    """Which fraction of an export's images may be missing from a data version.

    Attributes:
        failed: for good: status 404, a page instead of an image, no such file.
        unavailable: for a reason that may pass. Once the stage has ended well DVC does not run it
            again, so what is tolerated here is never asked for by itself.
    """

    failed: float
    unavailable: float

    def is_exceeded(self, failed: int, unavailable: int, total: int) -> bool:
        """Whether more is missing of `total` images than may be."""
        return failed > self.failed * total or unavailable > self.unavailable * total


def load_sources(annotations: Path) -> list[Source]:
    """Read the distinct values of the image column, in order of first appearance.

    Raises:
        InputError: naming file and row: see `load_rows` and `load_dialect`; the annotations' column
            is missing; or there is no row.
    """
    column = load_dialect(annotations).image_column
    rows: dict[str, list[int]] = {}
    for row in load_rows(annotations, [ANNOTATION_COLUMN]):
        rows.setdefault(row.cells[column], []).append(row.number)
    if not rows:
        raise InputError(f"{annotations}: no rows below the header, so there is nothing to fetch")
    return [Source(image, tuple(numbers)) for image, numbers in rows.items()]


def save_index(path: Path, fetched: Iterable[Fetched]) -> None:
    """Write the index as CSV, columns `INDEX_COLUMNS`: one line a source, in the order given."""
    nothing = ("",) * (len(INDEX_COLUMNS) - 2)
    lines = (
        (*each.image, "") if each.image else (each.source.image, *nothing, each.error)
        for each in fetched
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


def check_failures(fetched: Sequence[Fetched], total: int, tolerance: Tolerance) -> str:
    """Return a report of the failures, "" where there are none.

    Args:
        fetched: what became of the sources that were tried.
        total: how many sources there are.
        tolerance: of them.

    Raises:
        InputError: more failed, with the report.
    """
    failures = [each for each in fetched if each.error]
    if not failures:
        return ""
    unavailable = sum(each.is_unavailable for each in failures)
    failed = len(failures) - unavailable
    head = f"{len(failures)} of {total} images failed"
    if len(fetched) < total:
        head += f" (too many in a row, so {total - len(fetched)} were not tried)"
    if unavailable:
        head += f", {unavailable} of them for a reason that may pass"
    # What decides stands above.
    listed = _failures_to_text(sorted(failures, key=lambda each: not each.is_unavailable))
    if not tolerance.is_exceeded(failed, unavailable, total):
        return f"{head}; they are left out of this data version:\n{listed}"
    name, fraction = (
        ("max_unavailable_fraction", tolerance.unavailable)
        if tolerance.is_exceeded(0, unavailable, total)
        else ("max_failed_fraction", tolerance.failed)
    )
    raise InputError(f"{head}, more than fetch.{name} = {fraction:g} allows:\n{listed}")


def pages_to_report(fetched: Sequence[Fetched]) -> str:
    """Return a report of the files whose first image alone counts, "" where there are none."""
    several = [each for each in fetched if each.pages > 1]
    if not several:
        return ""
    left_out = sum(each.pages - 1 for each in several)
    lines = [
        f"  row {_rows_to_text(each.source.rows)}: {_shorten(each.source.image)}: {each.pages}"
        for each in several[:_LISTED]
    ]
    if len(several) > _LISTED:
        lines.append(f"  ... and {len(several) - _LISTED} more")
    files = count_to_text(len(several), "file")
    head = f"of {files} with several images the first alone counts; {left_out} are left out:"
    return "\n".join([head, *lines])


def changes_to_report(images: Sequence[IndexedImage]) -> list[str]:
    """Say how many images EXIF turned, and how many are not kept as they came, by format.

    Boxes that were drawn on the stored pixels of a turned image do not fit it.
    """
    lines = (
        ("turned upright by their EXIF", [image for image in images if image.is_turned]),
        ("not kept as they came, but as a JPEG", [image for image in images if image.is_reencoded]),
    )
    return [f"{what}: {_formats_to_text(changed)}" for what, changed in lines if changed]


def _formats_to_text(images: Sequence[IndexedImage]) -> str:
    counts = Counter(image.format for image in images)
    listed = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    return f"{count_to_text(len(images), 'image')} ({listed})"


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
