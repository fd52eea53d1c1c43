"""splits.csv: which images keep their split, told by name, by content, or by their group.

Names change when a host does, and bytes change when somebody else recompresses them or writes
other metadata, so a pin has both, and any of them suffices.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from rhymes.coco.files import source_to_name
from rhymes.coco.splits import SPLITS, ImageGroup, SplitImage
from rhymes.common.csv import load_columns, load_rows, save_rows
from rhymes.common.errors import InputError
from rhymes.common.text import count_to_text, list_first
from rhymes.export.fetched import IndexedImage

COLUMNS = ("image", "split", "group", "original_sha256", "pixels_sha256")

_NAMING = tuple(column for column in COLUMNS if column != "split")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LISTED = 5


@dataclass(frozen=True, slots=True)
class Pin:
    """A row of splits.csv; an empty text says nothing.

    Attributes:
        image: its name in the export.
        split: train, val or test.
        group: the key by which it is joined with others. In a file written by hand it may also be
            an image's name, or the SHA-256 of its bytes or pixels.
        original_sha256: of the image's bytes as they came.
        pixels_sha256: of its upright pixels.
        row: in the file, as a spreadsheet counts.
    """

    image: str
    split: str
    group: str = ""
    original_sha256: str = ""
    pixels_sha256: str = ""
    row: int = 0

    def cells(self) -> Iterator[tuple[str, str]]:
        """Yield what names the image, or its group: column and text."""
        for column in _NAMING:
            if text := getattr(self, column):
                yield column, text


def load_pins(path: Path) -> list[Pin]:
    """Read a splits.csv: the column split, and at least one of those that name an image.

    Raises:
        InputError: the file cannot be read, a row names nothing, what names an image is given two
            splits, or a split has another name; with the row.
    """
    columns = load_columns(path)
    if "split" not in columns or not set(_NAMING).intersection(columns):
        raise InputError(
            f"{path}: row 1: needs a column 'split' and at least one of {', '.join(_NAMING)}; "
            f"the header has {', '.join(columns)}"
        )
    pins: list[Pin] = []
    known: dict[tuple[str, str], Pin] = {}
    for row in load_rows(path):
        cells = {column: row.cells.get(column, "") for column in _NAMING}
        pin = Pin(split=row.cells["split"].strip(), row=row.number, **cells)
        if not any(cells.values()):
            raise InputError(f"{path}: row {row.number}: all of {', '.join(_NAMING)} are empty")
        if pin.split not in SPLITS:
            raise InputError(
                f"{path}: row {row.number}: split '{pin.split}'; "
                f"it must be one of {', '.join(SPLITS)}"
            )
        for cell in pin.cells():
            if (other := known.setdefault(cell, pin)).split != pin.split:
                raise InputError(
                    f"{path}: row {row.number}: {cell[0]} '{cell[1]}' is in {other.split} by row "
                    f"{other.row} and in {pin.split} here; delete one of the two"
                )
        pins.append(pin)
    return pins


def save_pins(path: Path, pins: Iterable[Pin]) -> None:
    """Write a splits.csv, sorted by name, so that a version control diff shows what is new."""
    cells = attrgetter(*COLUMNS)
    save_rows(path, COLUMNS, map(cells, sorted(pins, key=cells)))


@dataclass(frozen=True)
class PinnedGroups:
    """What pins say of an export.

    Attributes:
        splits: position of a group -> position in `SPLITS`, where it is pinned.
        missing: pins that name nothing in the export.
        lost: names of images without a pin that missing pins had, in another folder or host.
    """

    splits: dict[int, int]
    missing: tuple[Pin, ...]
    lost: tuple[str, ...]


def pin_groups(
    path: Path, pins: Sequence[Pin], images: Sequence[SplitImage], groups: Sequence[ImageGroup]
) -> PinnedGroups:
    """Find the groups that are pinned.

    Args:
        path: of splits.csv, for errors.
        pins: from `load_pins`.
        images: of the export.
        groups: of these images.

    Raises:
        InputError: one group is pinned to several splits; or most pins have lost their images,
            which are still there, as far as one can tell.
    """
    by_cell = {cell: pin for pin in reversed(pins) for cell in pin.cells()}
    splits: dict[int, int] = {}
    present: set[tuple[str, str]] = set()
    conflicts: list[str] = []
    for number, group in enumerate(groups):
        found = [cell for cell in _group_to_cells(group, images) if cell in by_cell]
        by_split = {by_cell[cell].split: cell for cell in reversed(found)}
        if len(by_split) > 1:
            first = [by_split[split] for split in SPLITS if split in by_split]
            conflicts.append(_conflict_to_text([(by_cell[cell], *cell) for cell in first]))
        elif by_split:
            splits[number] = SPLITS.index(next(iter(by_split)))
        present.update(found)
    if conflicts:
        raise InputError(_conflicts_to_text(path, conflicts))
    missing = tuple(pin for pin in pins if present.isdisjoint(pin.cells()))
    free = [i for number, group in enumerate(groups) if number not in splits for i in group.images]
    lost = _find_lost(missing, [images[index] for index in free])
    if 2 * len(missing) > len(pins) and 2 * len(free) > len(images):
        _check_lost(path, pins, missing, lost)
    return PinnedGroups(splits, missing, lost)


def _group_to_cells(group: ImageGroup, images: Sequence[SplitImage]) -> Iterator[tuple[str, str]]:
    for key in group.keys:
        yield "group", key
    for index in group.images:
        for file in images[index].files:
            yield from _file_to_cells(file)


def _file_to_cells(file: IndexedImage) -> Iterator[tuple[str, str]]:
    yield "image", file.source
    yield "original_sha256", file.original_sha256
    yield "pixels_sha256", file.pixels_sha256
    for text in (file.source, *file.content_hashes):
        yield "group", text


def _conflict_to_text(found: Sequence[tuple[Pin, str, str]]) -> str:
    return ", but ".join(
        f"row {pin.row} has {column} '{text}' in {pin.split}" for pin, column, text in found
    )


def _conflicts_to_text(path: Path, conflicts: Sequence[str]) -> str:
    listed = "\n".join(f"  {conflict}" for conflict in conflicts[:_LISTED])
    more = f"\n  ... and {len(conflicts) - _LISTED} more" if len(conflicts) > _LISTED else ""
    return (
        f"{path}: {count_to_text(len(conflicts), 'group')} of images that belong together (one "
        "image under several names, copies, or equal keys) would leak from one split into "
        f"another:\n{listed}{more}\n"
        "Where a name was given to another image since, empty the cell in the column image (in an "
        "older file delete the row), so that the content decides. Where images are copies of each "
        "other, give all of them the same split."
    )


def _find_lost(missing: Sequence[Pin], free: Sequence[SplitImage]) -> tuple[str, ...]:
    """Find images without a pin that have the file name of a pin without an image."""
    pinned = Counter(
        source_to_name(text)
        for pin in missing
        for text in [pin.image or pin.group]
        if text and not _SHA256.fullmatch(text)
    )
    names = Counter(source_to_name(file.source) for image in free for file in image.files)
    # A name such as 0001.jpg, which stands in many folders, tells nothing.
    return tuple(sorted(n for n, count in names.items() if count == 1 == pinned[n]))


def _check_lost(
    path: Path, pins: Sequence[Pin], missing: Sequence[Pin], lost: Sequence[str]
) -> None:
    head = f"{path}: {len(missing)} of {len(pins)} pins name no image of the export"
    if 2 * len(lost) > len(missing):
        raise InputError(
            f"{head}, but {len(lost)} of its images without a pin have the same file names "
            f"({', '.join(lost[:_LISTED])}): they lie in another folder or on another host now, "
            "and their bytes and pixels have changed. Replace in the column image the part of the "
            "names that changed, so that they keep their splits; if they are other images, delete "
            "the rows of the old ones."
        )
    hashes = [pin for pin in missing if not pin.image and _SHA256.fullmatch(pin.group)]
    if 2 * len(hashes) > len(missing):
        raise InputError(
            f"{head}, and most of these are hashes alone, of files that were encoded otherwise "
            "(another fetch.jpeg_quality, another version of Pillow, or recompressed where they "
            "came from). Restore the settings with which these pins were made, convert, and pin "
            "again by `make keep-splits`, which now writes names and original bytes as well; if "
            "the export has other images now, delete the rows."
        )


def pins_to_keep(
    pins: Sequence[Pin],
    images: Sequence[SplitImage],
    splits: Sequence[int],
    keys: Mapping[str, str],
) -> list[Pin]:
    """Return the pins of a whole export, and the earlier ones that say something more.

    Args:
        pins: the earlier ones.
        images: of the export.
        splits: of each image its position in `SPLITS`.
        keys: name of an image -> its group's key, as `group_images` had them.
    """
    found = [
        Pin(
            file.source, SPLITS[split], keys.get(file.source, ""),
            file.original_sha256, file.pixels_sha256,
        )
        for image, split in zip(images, splits, strict=True)
        for file in image.files
    ]  # fmt: skip
    earlier = {cell for pin in pins for cell in pin.cells()}
    said = earlier.intersection(
        cell for image in images for file in image.files for cell in _file_to_cells(file)
    ).union(("group", key) for key in keys.values())
    return found + [pin for pin in pins if not said.issuperset(pin.cells())]


def pin_warnings(pinned: PinnedGroups) -> Iterator[str]:
    """Warn of pins without images, and of images that may have lost theirs."""
    if pinned.missing:
        names = [next(text for _, text in pin.cells()) for pin in pinned.missing]
        what = count_to_text(len(names), "image or group is", "images or groups are")
        yield (
            f"{what} pinned in splits.csv but not in the export, and stay pinned: "
            f"{list_first(names, _LISTED)}."
        )
    if pinned.lost:
        what = count_to_text(len(pinned.lost), "image has", "images have")
        yield (
            f"{what} no pin but the file name of a pinned one that is not in the export, and may "
            "be in another split than before; if they are the same images, replace the part of "
            f"their names that changed in data/splits.csv: {list_first(pinned.lost, _LISTED)}."
        )
