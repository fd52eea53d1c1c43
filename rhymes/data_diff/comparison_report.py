"""The report of a comparison of two data versions: Markdown, and a mapping for JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rhymes.coco.conversion_report import MEANINGS
from rhymes.coco.splits import SPLITS
from rhymes.common.markdown import rows_to_table, text_to_cell
from rhymes.common.text import count_to_text, list_first
from rhymes.data_diff.data_comparison import ClassChange, ClassCounts, Comparison, split_counts
from rhymes.data_diff.distributions import compare_distributions
from rhymes.data_diff.image_labels import ImageLabels
from rhymes.data_diff.label_changes import LabelChanges
from rhymes.export.annotations import Reason
from rhymes.versions.data_version import DataVersion

_LISTED = 10


def comparison_to_findings(
    old: DataVersion, new: DataVersion, comparison: Comparison
) -> Iterator[str]:
    """Yield a sentence a finding, the gravest first."""
    yield from _changed_split(comparison)
    for change in comparison.class_changes:
        yield _class_change_to_text(change, comparison)
    yield from _categories(comparison)
    yield from _ids(comparison)
    yield from _images(comparison)
    yield from compare_distributions(comparison.old, comparison.new, comparison.renames).findings()
    yield from _drops(old, new)


def dropped_counts(version: DataVersion) -> dict[str, int]:
    """Reason -> how many rows or objects it took; empty where the version has no report."""
    dropped = (version.report or {}).get("dropped")
    if not isinstance(dropped, Mapping):
        return {}
    return {
        str(reason): each["count"]
        for reason, each in dropped.items()
        if isinstance(each, Mapping) and isinstance(each.get("count"), int)
    }


def _changed_split(comparison: Comparison) -> Iterator[str]:
    ways = Counter((pair.old.split, pair.new.split) for pair in comparison.changed_split)
    if not ways:
        return
    listed = ", ".join(f"{before} -> {after}: {n}" for (before, after), n in sorted(ways.items()))
    count = ways.total()
    text = f"**{count_to_text(count, 'image is', 'images are')} in another split** ({listed})."
    leaked = sum(n for (before, after), n in ways.items() if before == "train" and after != "train")
    if leaked:
        text += (
            f" A model trained on the old version has seen {leaked} of those that are now held "
            "out: its figures on the new version are too good."
        )
    yield (
        f"{text} To keep images where they were: put the old version's splits.csv in "
        "data/splits.csv, and next time run `make keep-splits` before the export changes."
    )


def _class_change_to_text(change: ClassChange, comparison: Comparison) -> str:
    objects = count_to_text(change.objects, "object", "objects")
    names = list_first([f"'{name}'" for name in change.new], _LISTED)
    if change.is_rename:
        ids = {name: number for number, name in comparison.new.names.items()}
        stays = change.new[0] not in comparison.moved_ids
        number = f"; its id is still {ids[change.new[0]]}" if stays else ""
        return f"The class '{change.old}' is now called {names} ({objects}{number})."
    verb = "was merged into" if len(change.new) == 1 else "was divided into"
    return f"The class '{change.old}' is gone: it {verb} {names} ({objects})."


def _categories(comparison: Comparison) -> Iterator[str]:
    told = {change.old for change in comparison.class_changes} | set(comparison.renames.values())
    old, new = comparison.old.names.values(), comparison.new.names.values()
    for title, names, counts in (
        ("New", [name for name in new if name not in old], "new"),
        ("Gone", [name for name in old if name not in new], "old"),
    ):
        listed = [
            f"'{name}' ({getattr(comparison.classes[name], counts).total()} objects)"
            for name in names
            if name not in told
        ]
        if listed:
            what = "class" if len(listed) == 1 else "classes"
            yield f"{title} {what}: {list_first(listed, _LISTED)}."


def _ids(comparison: Comparison) -> Iterator[str]:
    if moved := comparison.moved_ids:
        ids = [f"'{name}' {old} -> {new}" for name, (old, new) in moved.items()]
        listed = list_first(ids, _LISTED)
        yield (
            f"{count_to_text(len(moved), 'class has', 'classes have')} "
            f"another id: {listed}. Ids follow "
            "the order of the categories CSV, and a model knows its classes by id: one trained on "
            "the old version must be read with that version's label map. New classes at the end "
            "of the CSV leave the ids as they are."
        )


def _images(comparison: Comparison) -> Iterator[str]:
    if replaced := comparison.replaced:
        count = count_to_text(len(replaced), "image has", "images have")
        yield (
            f"{count} other bytes under the same name: "
            f"{list_first([pair.new.name for pair in replaced], _LISTED)}. "
            "Pins of the old bytes' hash do not hold them in their split."
        )
    if renamed := comparison.renamed:
        count = count_to_text(len(renamed), "image has", "images have")
        yield f"{count} the same bytes under another name."


def _drops(old: DataVersion, new: DataVersion) -> Iterator[str]:
    before, after = dropped_counts(old), dropped_counts(new)
    if not before or not after:
        return
    for reason in Reason:
        count, more = after.get(reason, 0), after.get(reason, 0) - before.get(reason, 0)
        if more > 0:
            yield (
                f"{more} more than before dropped as `{reason}` ({count} in all); the new "
                "version's report.md says which rows."
            )


def comparison_to_markdown(old: DataVersion, new: DataVersion, comparison: Comparison) -> str:
    """Return the report: first what needs a look, then tables, then names of images."""
    findings = [f"- {text_to_cell(each)}" for each in comparison_to_findings(old, new, comparison)]
    parts = [
        f"# Data: from {text_to_cell(old.name)} to {text_to_cell(new.name)}\n",
        _summary(comparison),
    ]
    for title, body in (
        ("To look at", "\n".join(findings)),
        ("Images of each split", _splits_table(comparison)),
        ("Objects of each class", _classes_table(comparison)),
        ("Objects of each class in each split", _class_splits_table(comparison)),
        ("Relabelled objects", _relabelled_table(comparison)),
        ("What the conversion dropped", _drops_table(old, new)),
        ("Images", "\n".join(_image_lines(comparison))),
    ):
        if body:
            parts.append(f"\n## {title}\n\n{body}")
    return "\n".join(parts) + "\n"


def comparison_to_value(
    old: DataVersion, new: DataVersion, comparison: Comparison
) -> dict[str, Any]:
    """Return the whole comparison as JSON can hold it: nothing is shortened."""
    pairs = comparison.images.pairs
    return {
        "old": old.name,
        "new": new.name,
        "findings": list(comparison_to_findings(old, new, comparison)),
        "splits": split_counts(comparison),
        "classes": {n: _counts_to_value(each) for n, each in comparison.classes.items()},
        "class_changes": [each._asdict() for each in comparison.class_changes],
        "moved_ids": {name: list(ids) for name, ids in comparison.moved_ids.items()},
        "relabelled": [
            {"from": before, "to": after, "objects": each.objects, "images": each.images}
            for (before, after), each in comparison.relabelled.items()
        ],
        "dropped": {"old": dropped_counts(old), "new": dropped_counts(new)},
        "images": {
            "added": [_image_to_value(image) for image in comparison.images.added],
            "removed": [_image_to_value(image) for image in comparison.images.removed],
            "changed_split": [
                _image_to_value(p.new) | {"from": p.old.split} for p in pairs if p.has_changed_split
            ],
            "replaced": [
                _image_to_value(p.new) | {"from": p.old.file_name} for p in pairs if p.is_replaced
            ],
            "renamed": [
                _image_to_value(p.new) | {"from": p.old.source} for p in pairs if p.is_renamed
            ],
            "relabelled": [
                _image_to_value(pair.new) | _labels_to_value(labels)
                for pair, labels in comparison.changed()
            ],
        },
    }


def _counts_to_value(counts: ClassCounts) -> dict[str, Any]:
    by_split = {
        side: {split: getattr(counts, side)[split] for split in SPLITS} for side in ("old", "new")
    }
    return vars(counts) | by_split


def _image_to_value(image: ImageLabels) -> dict[str, Any]:
    return {"image": image.source, "file_name": image.file_name, "split": image.split}


def _labels_to_value(labels: LabelChanges) -> dict[str, Any]:
    return {
        **{name: dict(getattr(labels, name)) for name in ("added", "removed", "redrawn")},
        "relabelled": [
            {"from": before, "to": after, "objects": count}
            for (before, after), count in labels.relabelled.items()
        ],
    }


def _summary(comparison: Comparison) -> str:
    images, classes = comparison.images, list(comparison.classes.values())
    changed = comparison.changed()
    old, new = (sum(getattr(each, side).total() for each in classes) for side in ("old", "new"))
    total = {
        name: sum(getattr(each, name) for each in classes)
        for name in ("in_added_images", "in_removed_images", "added", "removed", "redrawn")
    }
    relabelled = sum(each.objects for each in comparison.relabelled.values())
    text = (
        f"- Images: {len(comparison.old.images)} -> {len(comparison.new.images)}: "
        f"{len(images.added)} added, {len(images.removed)} removed; of those in both "
        f"{len(changed)} with other objects, {len(comparison.changed_split)} in another split.\n"
        f"- Objects: {old} -> {new}: {total['in_added_images']} on added images, "
        f"{total['in_removed_images']} on removed ones; on images in both {total['added']} added, "
        f"{total['removed']} removed, {total['redrawn']} redrawn, {relabelled} relabelled."
    )
    if _is_same(comparison):
        text += "\n- Images, splits, objects and classes are the same."
    return text


def _is_same(comparison: Comparison) -> bool:
    found = (
        comparison.images.added, comparison.images.removed, comparison.changed(),
        comparison.class_changes, comparison.changed_split, comparison.replaced, comparison.renamed,
    )  # fmt: skip
    return not any(found) and comparison.old.names == comparison.new.names


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return rows_to_table(header, rows, is_padded=True)


def _counts_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table without the columns that are 0 in every row; "before" and "now" stay."""
    kept = [
        index
        for index, title in enumerate(header)
        if title in ("before", "now") or any(row[index] != 0 for row in rows)
    ]
    return _table(
        [header[index] for index in kept], [[row[index] for index in kept] for row in rows]
    )


def _splits_table(comparison: Comparison) -> str:
    header = ("split", "before", "removed", "to other splits", "from other splits", "added", "now")
    rows = [(split, *counts.values()) for split, counts in split_counts(comparison).items()]
    return _counts_table(header, rows)


def _classes_table(comparison: Comparison) -> str:
    header = (
        "class", "before", "on removed images", "on added images", "removed", "added",
        "relabelled from", "relabelled to", "now", "redrawn",
    )  # fmt: skip
    rows = [
        (
            name, each.old.total(), each.in_removed_images, each.in_added_images, each.removed,
            each.added, each.relabelled_from, each.relabelled_to, each.new.total(), each.redrawn,
        )
        for name, each in _titled_classes(comparison)
    ]  # fmt: skip
    return _counts_table(header, rows)


def _titled_classes(comparison: Comparison) -> Iterator[tuple[str, ClassCounts]]:
    were = {after: before for before, after in comparison.renames.items()}
    for name, counts in comparison.classes.items():
        yield (f"{name} (was {were[name]})" if name in were else name), counts


def _class_splits_table(comparison: Comparison) -> str:
    rows = [
        (name, *(_change(each.old[split], each.new[split]) for split in SPLITS))
        for name, each in _titled_classes(comparison)
    ]
    return _table(("class", *SPLITS), rows)


def _change(before: int, after: int) -> str:
    return str(after) if before == after else f"{before} -> {after}"


def _relabelled_table(comparison: Comparison) -> str:
    rows = [
        (before, after, each.objects, each.images)
        for (before, after), each in comparison.relabelled.items()
    ]
    return _table(("from", "to", "objects", "images"), rows) if rows else ""


def _drops_table(old: DataVersion, new: DataVersion) -> str:
    counts = {version.name: dropped_counts(version) for version in (old, new)}
    if missing := [name for name, found in counts.items() if not found]:
        return f"Not compared: {' and '.join(map(text_to_cell, missing))} without report.json."
    before, after = dropped_counts(old), dropped_counts(new)
    rows = [
        (f"`{reason}`", before.get(reason, 0), after.get(reason, 0), MEANINGS[reason])
        for reason in Reason
        if before.get(reason, 0) or after.get(reason, 0)
    ]
    if not rows:
        return "Nothing, in either version."
    return _table(("reason", "before", "now", "what it is"), rows)


def _image_lines(comparison: Comparison) -> Iterator[str]:
    images = comparison.images
    for title, names in (
        ("added", [f"{image.name} ({image.split})" for image in images.added]),
        ("removed", [f"{image.name} ({image.split})" for image in images.removed]),
        (
            "in another split",
            [f"{p.new.name} ({p.old.split} -> {p.new.split})" for p in comparison.changed_split],
        ),
        (
            "with other objects",
            [f"{p.new.name} ({_labels_to_text(each)})" for p, each in comparison.changed()],
        ),
    ):
        if names:
            more = f", and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
            yield f"- {len(names)} {title}: {text_to_cell(', '.join(names[:_LISTED]))}{more}"


def _labels_to_text(labels: LabelChanges) -> str:
    parts = [f"{count} {before} -> {after}" for (before, after), count in labels.relabelled.items()]
    for name in ("added", "removed", "redrawn"):
        counts: Counter[str] = getattr(labels, name)
        parts += [f"{count} {class_name} {name}" for class_name, count in counts.items()]
    return "; ".join(parts)
