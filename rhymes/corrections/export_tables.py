"""An export's folder as a merge sees it: its CSV files, and where the bytes of its images are."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rhymes.common.csv import load_columns, load_rows
from rhymes.common.errors import InputError
from rhymes.export.categories import load_categories
from rhymes.export.cells import ANNOTATION_COLUMN
from rhymes.export.dialects import load_dialect
from rhymes.export.export_files import ExportFiles, is_url
from rhymes.export.export_folder import ExportFolder
from rhymes.export.fetched import load_image_index
from rhymes.export.foreign_export import ANNOTATIONS, CATEGORIES, convert_foreign_export
from rhymes.export.formats import AUTO, find_format
from rhymes.versions.dvc import find_cache_folders

INDEX = "index.csv"

_MAX_BYTES = 2_000_000_000


@dataclass(frozen=True)
class ExportTable:
    """An export.

    Attributes:
        folder: To which the paths of its images are relative.
        annotations: Its annotations.csv.
        columns: Of that file, in order.
        image_column: That names the image.
        classes: Names of the classes, in the order of their ids.
        fetched: Image column's value -> SHA-256 of the bytes as they came, where fetch tells it.
    """

    folder: Path
    annotations: Path
    columns: list[str]
    image_column: str
    classes: tuple[str, ...]
    fetched: Mapping[str, str]

    def sources(self) -> dict[str, list[int]]:
        """Return the image column's values in order of first appearance, each with its rows."""
        rows: dict[str, list[int]] = {}
        for row in load_rows(self.annotations, [ANNOTATION_COLUMN]):
            rows.setdefault(row.cells[self.image_column], []).append(row.number)
        return rows

    def file_size(self, source: str) -> int | None:
        """Return the size of an image's file in bytes; None where there is none in the folder."""
        if is_url(source):
            return None
        try:
            return (self.folder / source).stat().st_size
        except (OSError, ValueError):  # a NUL character is a ValueError
            return None

    def has_image(self, source: str) -> bool:
        """Whether the image can be had: from the folder, or by its URL."""
        return is_url(source) or self.file_size(source) is not None

    def load_image(self, source: str) -> bytes:
        """Read an image's file.

        Raises:
            InputError: Why it cannot be read, or the path is refused.
        """
        files = ExportFiles(self.folder, find_cache_folders(Path(".dvc"), self.folder))
        return files.load(source, _MAX_BYTES)

    def content(self, source: str) -> str | None:
        """Return the SHA-256 of an image's original bytes; None where nothing tells it."""
        if source in self.fetched:
            return self.fetched[source]
        if self.file_size(source) is None:
            return None
        try:
            return hashlib.sha256(self.load_image(source)).hexdigest()
        except InputError:
            return None


@contextmanager
def opened_export(
    folder: Path, index: Path | None = None, *, needs_categories: bool = True
) -> Iterator[ExportTable]:
    """Give an export, of the platform or of another tool, which is converted for as long.

    Args:
        folder: With annotations.csv and categories.csv, or of a format that fetch reads.
        index: The index.csv that fetch made of it; without, the one that lies in it.
        needs_categories: Whether a missing categories.csv is an error, not a lack of new classes.

    Raises:
        InputError: A file is missing or cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name the folder of an export")
    with tempfile.TemporaryDirectory() as converted:
        tables = folder
        if not (folder / ANNOTATIONS).is_file():
            listed = ExportFolder(folder)
            found = find_format(listed, AUTO)
            if found is None:
                raise InputError(f"{folder}: no {ANNOTATIONS} there; name the folder of an export")
            tables = Path(converted)
            convert_foreign_export(listed, found, CATEGORIES, tables)
        yield _load_table(folder, tables, index, needs_categories=needs_categories)


def _load_table(
    folder: Path, tables: Path, index: Path | None, *, needs_categories: bool
) -> ExportTable:
    annotations, categories = tables / ANNOTATIONS, tables / CATEGORIES
    has_classes = needs_categories or categories.exists()
    columns = load_columns(annotations)
    if ANNOTATION_COLUMN not in columns:
        raise InputError(f"{annotations}: row 1: column '{ANNOTATION_COLUMN}' is missing")
    return ExportTable(
        folder,
        annotations,
        columns,
        load_dialect(annotations).image_column,
        load_categories(categories).names if has_classes else (),
        _load_fetched(index or folder / INDEX, is_named=index is not None),
    )


def _load_fetched(index: Path, *, is_named: bool) -> dict[str, str]:
    if not is_named and not index.is_file():
        return {}
    images = load_image_index(index)
    return {source: image.original_sha256 for source, image in images.items() if image}
