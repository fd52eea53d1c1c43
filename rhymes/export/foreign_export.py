"""Another tool's export -> annotations.csv and categories.csv, as the platform would write them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from rhymes.common.csv import rows_to_csv, save_rows
from rhymes.common.errors import InputError
from rhymes.export.categories import COLUMN as CATEGORY_COLUMN
from rhymes.export.cells import ANNOTATION_COLUMN
from rhymes.export.dialects import polygons
from rhymes.export.export_folder import ExportFolder
from rhymes.export.format import AnnotatedImage, Collected
from rhymes.export.formats import FoundFormat

ANNOTATIONS, CATEGORIES, SPLITS = "annotations.csv", "categories.csv", "splits.csv"
ORIGIN_COLUMN, ANNOTATOR_COLUMN = "origin", "annotator"

# A file may mix boxes and outlines whatever its image column is.
_COLUMNS = (polygons.DIALECT.image_column, ANNOTATION_COLUMN, ORIGIN_COLUMN, ANNOTATOR_COLUMN)


@dataclass(frozen=True)
class ForeignExport:
    """What became of a folder.

    Attributes:
        rows: How many rows were written.
        splits: Split -> how many images the folder's own split puts there.
        notes: What the format holds that the CSV files do not, a sentence each.
    """

    rows: int
    splits: dict[str, int]
    notes: tuple[str, ...]


def convert_foreign_export(
    folder: ExportFolder, found: FoundFormat, categories: str, out: Path
) -> ForeignExport:
    """Write an export's CSV files.

    annotations.csv has a row for each image and annotation result, with the file and entry that it
    comes from in `origin` and who drew it in `annotator`. categories.csv has the classes in the
    order of their ids; where the folder has a CSV of classes, that counts, to train on a subset.
    splits.csv, where the folder tells train, val and test, pins each image to its split: a file
    to copy to data/splits.csv, of which the stage coco takes pins.

    Args:
        folder: The folder.
        found: Its format.
        categories: The name of a CSV of classes that may lie in the folder.
        out: An existing folder.

    Raises:
        InputError: A file cannot be read; or there is no image, or no class.
    """
    collected = Collected()
    splits: dict[str, str] = {}
    rows = 0
    with (out / ANNOTATIONS).open("w", encoding="utf-8", newline="\n") as file:
        file.write(rows_to_csv([_COLUMNS]))
        images = found.format.read(folder, found.files, collected)
        for image in tqdm(images, desc=found.format.name, unit=" images", disable=None):
            name, *cells = map(_encodable, _image_to_row(image))
            file.write(rows_to_csv([(name, *cells)]))
            rows += 1
            # An image that stands in two splits is in none by the folder's word.
            if image.split and splits.setdefault(name, image.split) != image.split:
                splits[name] = ""
    if not rows:
        raise InputError(f"{folder.root}: {found.reason}, but it names no image")
    _save_categories(folder, collected, categories, out / CATEGORIES)
    if torn := sum(not split for split in splits.values()):
        collected.notes["images in more than one split of the folder, pinned to none"] += torn
    pinned = {image: split for image, split in splits.items() if split}
    if pinned:
        save_rows(out / SPLITS, ("image", "split"), sorted(pinned.items()))
    return ForeignExport(rows, _count(pinned), tuple(_notes_to_sentences(collected)))


def _encodable(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON can escape: no file has such a name."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _image_to_row(image: AnnotatedImage) -> tuple[str, str, str, str]:
    # NaN is no JSON, but what the checks of a cell expect from those who write it.
    cell = "" if image.items is None else json.dumps({"identifications": image.items})
    return image.image, cell, image.origin, image.annotator


def _save_categories(folder: ExportFolder, collected: Collected, wanted: str, path: Path) -> None:
    if wanted in folder.files:
        path.write_bytes(folder.load_bytes(wanted))
        note = f"classes in the annotations, of which those count that {wanted} names"
        collected.notes[note] += len(collected.classes)
        return
    if not collected.classes:
        raise InputError(f"{folder.root}: no object there has a class")
    for name in collected.classes:
        # Half a surrogate pair, which JSON can escape and UTF-8 cannot encode.
        if any("\ud800" <= character <= "\udfff" for character in name):
            raise InputError(
                f"{folder.root}: the class name {name!r} holds no character; rename it"
            )
    save_rows(path, (CATEGORY_COLUMN,), ((name,) for name in collected.classes))


def _count(pinned: dict[str, str]) -> dict[str, int]:
    values = list(pinned.values())
    return {split: values.count(split) for split in ("train", "val", "test") if split in values}


def _notes_to_sentences(collected: Collected) -> Iterator[str]:
    for note, number in sorted(collected.notes.items()):
        yield f"{note}: {number}"
