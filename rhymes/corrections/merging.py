"""An export with corrected rows in place of the old rows of their images.

All other rows stay as they are, letter by letter. A corrected image keeps its old name, so that it
stays in its split, and its old file. The folder is whole: all files that it names lie in it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rhymes.common.csv import Row, load_rows, rows_to_csv, save_rows
from rhymes.common.errors import InputError
from rhymes.corrections.export_tables import ExportTable
from rhymes.corrections.image_pairs import Found, OldImage, pair_corrected
from rhymes.corrections.item_changes import (
    ItemChanges,
    correct_items,
    items_to_labels,
    mark_items,
)
from rhymes.export.annotations import LastTouch, Reason
from rhymes.export.annotators import ANNOTATOR_COLUMNS
from rhymes.export.categories import COLUMN as CATEGORY_COLUMN
from rhymes.export.categories import LabelMatcher, normalised
from rhymes.export.cells import ANNOTATION_COLUMN, cell_to_items, item_to_last_touch
from rhymes.export.export_files import is_url
from rhymes.export.foreign_export import ANNOTATIONS, CATEGORIES


@dataclass
class Merge:
    """What a merge did.

    Attributes:
        old_images: names of images in the old export.
        found: how corrected images were found in it -> their names in both.
        other_bytes: corrected images whose bytes are not those of the old ones of their name.
        unannotated: images in the corrected export that nobody annotated: the old rows stay.
        changes: of the objects of images in both.
        images: name -> what changed there, where anything did.
        new_objects: class -> objects on new images.
        new_classes: names that were appended to categories.csv.
        unknown_labels: labels of corrected objects that are no class -> how many.
        touches: who last touched the objects of the merged export -> how many.
        missing: images without a file, and why; their rows are there all the same.
        rows: of the merged export.
    """

    old_images: int = 0
    found: dict[Found, dict[str, str]] = field(default_factory=lambda: {each: {} for each in Found})
    other_bytes: list[str] = field(default_factory=list)
    unannotated: list[str] = field(default_factory=list)
    changes: ItemChanges = field(default_factory=ItemChanges)
    images: dict[str, ItemChanges] = field(default_factory=dict)
    new_objects: Counter[str] = field(default_factory=Counter)
    new_classes: tuple[str, ...] = ()
    unknown_labels: Counter[str] = field(default_factory=Counter)
    touches: Counter[LastTouch] = field(default_factory=Counter)
    missing: dict[str, str] = field(default_factory=dict)
    rows: int = 0


@dataclass
class _Correction:
    """A corrected image: its rows in the corrected export, and the old rows that they replace."""

    rows: list[Row] = field(default_factory=list)
    items: list[list[Any]] = field(default_factory=list)
    old_items: list[Any] = field(default_factory=list)
    first_old: Row | None = None


def merge_exports(old: ExportTable, corrected: ExportTable, folder: Path) -> Merge:
    """Write the merged export into an empty folder.

    Args:
        old: The export that was corrected.
        corrected: What came back, of all its images or of some.
        folder: Gets annotations.csv, categories.csv and the files of the images.

    Raises:
        InputError: A row cannot be read, no image of the corrected export is annotated, or an image
            cannot be what its name says.
    """
    merge = Merge()
    corrections = _load_corrections(corrected, merge)
    known = old.sources()
    merge.old_images = len(known)
    pairs = pair_corrected(old, known, corrected, list(corrections))
    by_name = _gather(corrections, pairs, merge)
    old_names = {source: image.sources[0] for image in pairs.values() for source in image.sources}
    _load_old_rows(old, old_names, by_name)
    names = _merge_classes(old.classes, corrected.classes, merge)
    writer = _Writer(old, corrected, LabelMatcher(names), merge)
    with (folder / ANNOTATIONS).open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(map(rows_to_csv, writer.rows(by_name, old_names)))
    save_rows(folder / CATEGORIES, (CATEGORY_COLUMN,), ((name,) for name in names))
    origins = {source: (old, source) for source in known if old_names.get(source, source) == source}
    origins |= {s: (corrected, s) for s, image in pairs.items() if image.found is Found.NEW}
    _copy_images(origins, folder, merge)
    return merge


def _load_corrections(corrected: ExportTable, merge: Merge) -> dict[str, _Correction]:
    """Read the annotated rows, by image."""
    corrections: dict[str, _Correction] = {}
    unannotated: dict[str, None] = {}
    for row in load_rows(corrected.annotations, [ANNOTATION_COLUMN]):
        source = row.cells[corrected.image_column]
        if not source.strip():
            raise _row_error(corrected, row, "the cell that names the image is empty")
        items = cell_to_items(row.cells[ANNOTATION_COLUMN])
        if items is Reason.NO_IDENTIFICATIONS:
            unannotated[source] = None
            continue
        if isinstance(items, Reason):
            start = row.cells[ANNOTATION_COLUMN][:60]
            raise _row_error(
                corrected, row, f"'{ANNOTATION_COLUMN}' is no annotation: {start!r}; mend the row, "
                "or delete it to leave the image as it was",
            )  # fmt: skip
        correction = corrections.setdefault(source, _Correction())
        correction.rows.append(row)
        correction.items.append(items)
    if not corrections:
        raise InputError(
            f"{corrected.annotations}: no row is annotated, so there is nothing to merge"
        )
    merge.unannotated = [source for source in unannotated if source not in corrections]
    return corrections


def _row_error(table: ExportTable, row: Row, problem: str) -> InputError:
    return InputError(f"{table.annotations}: row {row.number}: {problem}")


def _gather(
    corrections: Mapping[str, _Correction], pairs: Mapping[str, OldImage], merge: Merge
) -> dict[str, _Correction]:
    """Bring corrections together under the name that their image has in the merged export."""
    gathered: dict[str, _Correction] = {}
    for source, correction in corrections.items():
        image = pairs[source]
        name = image.sources[0] if image.sources else source
        merge.found[image.found][source] = name
        if image.has_other_bytes:
            merge.other_bytes.append(source)
        together = gathered.setdefault(name, _Correction())
        together.rows += correction.rows
        together.items += correction.items
    return gathered


def _load_old_rows(
    old: ExportTable, old_names: Mapping[str, str], corrections: Mapping[str, _Correction]
) -> None:
    """Read what the old export says of corrected images."""
    for row in load_rows(old.annotations, [ANNOTATION_COLUMN]):
        name = old_names.get(row.cells[old.image_column])
        if name is None:
            continue
        correction = corrections[name]
        correction.first_old = correction.first_old or row
        items = cell_to_items(row.cells[ANNOTATION_COLUMN])
        if not isinstance(items, Reason):
            correction.old_items += items


def _merge_classes(old: Sequence[str], corrected: Sequence[str], merge: Merge) -> list[str]:
    """Append new classes at the end, so that the ids of the old ones stay."""
    known = {normalised(name) for name in old}
    merge.new_classes = tuple(name for name in corrected if normalised(name) not in known)
    return [*old, *merge.new_classes]


class _Writer:
    """Makes the rows of the merged annotations.csv, and counts."""

    def __init__(
        self, old: ExportTable, corrected: ExportTable, matcher: LabelMatcher, merge: Merge
    ) -> None:
        self._old = old
        self._corrected = corrected
        self._matcher = matcher
        self._merge = merge
        self._shared = [each for each in corrected.columns if each != corrected.image_column]
        added = [each for each in self._shared if each not in old.columns]
        self._columns = [*old.columns, *added]

    def rows(
        self, corrections: Mapping[str, _Correction], old_names: Mapping[str, str]
    ) -> Iterator[Sequence[Sequence[str]]]:
        """Yield the header, then the old rows or what replaces them, then new images."""
        yield [self._columns]
        waiting = dict(corrections)
        old_rows = load_rows(self._old.annotations, [ANNOTATION_COLUMN])
        for row in tqdm(old_rows, "merge", unit=" rows", disable=None, leave=False):
            name = old_names.get(row.cells[self._old.image_column])
            if name is None:
                items = cell_to_items(row.cells[ANNOTATION_COLUMN])
                self._count([] if isinstance(items, Reason) else items)
                yield [[row.cells.get(column, "") for column in self._columns]]
            elif name in waiting:
                yield from self._corrected_rows(name, waiting.pop(name))
        for name, correction in waiting.items():
            yield from self._corrected_rows(name, correction)

    def _corrected_rows(
        self, name: str, correction: _Correction
    ) -> Iterator[Sequence[Sequence[str]]]:
        if correction.first_old is None:
            rows = [mark_items(items) for items in correction.items]
            self._merge.new_objects.update(
                label for items in correction.items for label in items_to_labels(items)
            )
        else:
            rows, changes = correct_items(correction.old_items, correction.items)
            self._merge.changes.update(changes)
            if changes.is_any:
                self._merge.images[name] = changes
        for row, items in zip(correction.rows, rows, strict=True):
            self._count(items)
            self._merge.unknown_labels.update(
                label for label in items_to_labels(items) if self._matcher.class_id(label) is None
            )
            yield [self._row_to_cells(name, row, items, correction.first_old)]

    def _count(self, items: Sequence[Any]) -> None:
        self._merge.rows += 1
        self._merge.touches.update(
            item_to_last_touch(item) for item in items if isinstance(item, Mapping)
        )

    def _row_to_cells(
        self, name: str, row: Row, items: Sequence[Any], old_row: Row | None
    ) -> list[str]:
        """Return a corrected row; what it does not say the old row says, but not who drew it."""
        cells = {
            column: value
            for column, value in (old_row.cells if old_row else {}).items()
            if column.strip().lower() not in ANNOTATOR_COLUMNS
        }
        cells |= {column: row.cells[column] for column in self._shared}
        cells[self._old.image_column] = name
        try:
            # NaN is no JSON, but what the checks of a cell expect from those who write it.
            cells[ANNOTATION_COLUMN] = json.dumps({"identifications": items})
        except (TypeError, ValueError) as error:
            raise _row_error(self._corrected, row, f"an object that is no JSON: {error}") from None
        return [cells.get(column, "") for column in self._columns]


def _copy_images(
    origins: Mapping[str, tuple[ExportTable, str]], folder: Path, merge: Merge
) -> None:
    """Copy the files of images that lie in the folders.

    Raises:
        InputError: None of them is there, or one would take the place of another.
    """
    files = {name: origin for name, origin in origins.items() if not is_url(name)}
    for name, (table, source) in tqdm(
        files.items(), "copy", unit=" images", disable=None, leave=False
    ):
        try:
            data = table.load_image(source)
        except InputError as error:
            merge.missing[name] = str(error)
            continue
        target = folder / name
        # Two paths may lead to one file.
        if target.exists() and target.read_bytes() != data:
            raise InputError(
                f"{table.folder}: the image '{name}' would replace another file of the merged "
                "export; give it another name, in annotations.csv, too"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        # Nobody reads here before the whole folder is renamed.
        target.write_bytes(data)
    if files and len(merge.missing) == len(files):
        name, why = next(iter(merge.missing.items()))
        raise InputError(
            f"{files[name][0].folder}: none of the {len(files)} images that its annotations.csv "
            f"names is there ('{name}': {why}); name the export's own folder, with its images, "
            "and give fetch's index.csv by --index"
        )
