"""What a conversion noticed that its user should look at -> sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rhymes.coco.conversion_tally import Tally
from rhymes.coco.splits import SPLITS
from rhymes.export.categories import LabelMatcher

_LISTED = 10
_LABELS_COMPARED = 50


@dataclass(slots=True)
class ExportImage:
    """A distinct image of an export.

    Attributes:
        source: its name in the CSV.
        sha256: of its file's bytes.
        width: pixels.
        height: pixels.
        rows: the number of each of its rows and where the spool has the row's annotations.
        class_ids: of its objects, sorted.
        broken: whether an entry was dropped that stood for an object.
    """

    source: str
    sha256: str
    width: int
    height: int
    rows: tuple[tuple[int, int], ...] = ()
    class_ids: tuple[int, ...] = ()
    broken: bool = False


def conversion_to_warnings(
    tally: Tally,
    matcher: LabelMatcher,
    images: Sequence[ExportImage],
    missing_pins: Sequence[str],
    fractions: tuple[float, float, float],
) -> list[str]:
    """Return one sentence a kind of finding; what is dropped is in the table of reasons."""
    return [
        *_split_warnings(tally, fractions),
        *_class_warnings(tally),
        *_image_warnings(images),
        *_label_warnings(tally, matcher),
        *_pin_warnings(missing_pins),
    ]


def why_nothing_is_left(tally: Tally) -> str:
    """Explain that a conversion kept no object: most often the two CSV files do not match."""
    lines = [
        f"no object is left of {tally.items_read} in {tally.rows_read} rows:",
        *tally.reason_lines(tuple(tally.rows)),
    ]
    if labels := tally.unknown_labels.most_common(5):
        found = ", ".join(f"'{label}' ({count})" for label, count in labels)
        lines.append(f"  most frequent labels in annotations.csv: {found}")
        lines.append(f"  classes in categories.csv: {_list(tally.names)}")
    return "\n".join(lines)


def _split_warnings(tally: Tally, fractions: tuple[float, float, float]) -> Iterator[str]:
    for split, fraction in zip(SPLITS, fractions, strict=True):
        if fraction > 0 and not tally.images[split]:
            yield f"There is no image in {split}: the export has too few groups of images."


def _class_warnings(tally: Tally) -> Iterator[str]:
    counts = {
        name: {split: tally.classes[split][class_id] for split in SPLITS}
        for class_id, name in enumerate(tally.names, start=1)
    }
    absent = [name for name, count in counts.items() if not any(count.values())]
    if absent:
        yield f"{_count(absent, 'class has', 'classes have')} no object at all: {_list(absent)}."
    for split in SPLITS:
        lacking = [n for n, count in counts.items() if not count[split] and n not in absent]
        if lacking and tally.images[split]:
            what = "cannot be learned" if split == "train" else "cannot be measured there"
            yield (
                f"{_count(lacking, 'class has', 'classes have')} no object in {split} "
                f"and {what}: {_list(lacking)}."
            )


def _image_warnings(images: Sequence[ExportImage]) -> Iterator[str]:
    if bare := [image.source for image in images if image.broken and not image.class_ids]:
        yield (
            f"{_count(bare, 'image has', 'images have')} lost every object to bad data and would "
            f"teach that there is nothing to see: {_list(bare)}."
        )
    hashes = Counter(image.sha256 for image in images)
    if twins := [image.source for image in images if hashes[image.sha256] > 1]:
        yield (
            f"{len(twins)} images have the same bytes as another one under a different name; "
            f"each counts, in the same split: {_list(twins)}."
        )
    if shared := [image.source for image in images if len(image.rows) > 1]:
        yield (
            f"{_count(shared, 'image stands', 'images stand')} in several rows, which are merged; "
            "if several people drew the same objects, they are there more than once unless their "
            f"outlines are equal: {_list(shared)}."
        )


def _label_warnings(tally: Tally, matcher: LabelMatcher) -> Iterator[str]:
    pairs = [
        f"'{label}' ({count}) like '{similar}'"
        for label, count in tally.unknown_labels.most_common(_LABELS_COMPARED)
        if (similar := matcher.similar(label))
    ]
    if pairs:
        yield (
            f"{_count(pairs, 'label is', 'labels are')} no class but may be a misspelling of one: "
            f"{_list(pairs)}."
        )


def _pin_warnings(missing: Sequence[str]) -> Iterator[str]:
    if missing:
        yield (
            f"{_count(missing, 'group is', 'groups are')} pinned in splits.csv but not in the "
            "export, and stay pinned; if coco.group_pattern was changed, their images were split "
            f"anew under other keys: {_list(missing)}."
        )


def _count(found: Sequence[object], one: str, many: str) -> str:
    return f"{len(found)} {one if len(found) == 1 else many}"


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_LISTED])
    return shown if len(names) <= _LISTED else f"{shown} and {len(names) - _LISTED} more"
