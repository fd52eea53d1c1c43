"""What a merge did, as a text for the terminal and as merge.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from rhymes.common.markdown import rows_to_table, text_to_cell
from rhymes.common.text import count_to_text, list_first
from rhymes.corrections.image_pairs import Found
from rhymes.corrections.item_changes import ItemChanges
from rhymes.corrections.merging import Merge
from rhymes.export.annotations import LastTouch

_LISTED = 5
_COLUMNS = ("confirmed", "moved", "relabelled from", "relabelled to", "removed", "added")


def merge_to_text(merge: Merge) -> str:
    """Return the report for a terminal: findings, objects by class, who last touched what."""
    parts = [_summary(merge)]
    if findings := list(merge_to_findings(merge)):
        parts.append("\n".join(f"- {text_to_cell(each)}" for each in findings))
    if rows := [(name, *counts.values()) for name, counts in _classes(merge).items()]:
        parts.append(rows_to_table(("class", *_COLUMNS, "on new images"), rows, is_padded=True))
    if relabelled := _relabelled(merge.changes):
        rows = [(each["from"], each["to"], each["objects"]) for each in relabelled]
        parts.append(rows_to_table(("relabelled from", "to", "objects"), rows, is_padded=True))
    return "\n\n".join(parts) + "\n"


def _summary(merge: Merge) -> str:
    found = {each: len(names) for each, names in merge.found.items()}
    old = sum(found.values()) - found[Found.NEW]
    touches = ", ".join(
        f"{merge.touches[touch]} {words}"
        for touch, words in (
            (LastTouch.PERSON, "a person's"),
            (LastTouch.CONFIRMED, "a model's that a person confirmed"),
            (LastTouch.MODEL, "a model's that nobody looked at"),
        )
    )
    return (
        f"{count_to_text(old, 'image')} of {merge.old_images} corrected "
        f"({found[Found.BY_SOURCE]} found by name, {found[Found.BY_CONTENT]} by content, "
        f"{found[Found.BY_FILE_NAME]} by the file's name alone), {found[Found.NEW]} new, "
        f"{len(merge.unannotated)} not annotated.\n"
        f"{merge.touches.total()} objects in {count_to_text(merge.rows, 'row')}: {touches}."
    )


def merge_to_findings(merge: Merge) -> Iterator[str]:
    """Yield a sentence a finding that needs a look."""
    if merge.new_classes:
        yield (
            f"{count_to_text(len(merge.new_classes), 'new class', 'new classes')} at the end of "
            f"categories.csv: {list_first(merge.new_classes, _LISTED)}."
        )
    if merge.unknown_labels:
        listed = [f"'{label}' ({count})" for label, count in merge.unknown_labels.most_common()]
        yield (
            f"{count_to_text(len(listed), 'label')} of corrected objects in no categories.csv, so "
            f"that they are not trained on: {list_first(listed, _LISTED)}."
        )
    if merge.other_bytes:
        what = count_to_text(len(merge.other_bytes), "corrected image has", "corrected images have")
        images = list_first(merge.other_bytes, _LISTED)
        yield f"{what} other bytes than the old one, which stays: {images}."
    if by_name := merge.found[Found.BY_FILE_NAME]:
        listed = [f"{source} = {name}" for source, name in by_name.items()]
        yield (
            f"{count_to_text(len(by_name), 'image was', 'images were')} found by the file's name "
            f"alone; check that they are the same: {list_first(listed, _LISTED)}."
        )
    if merge.unannotated:
        what = count_to_text(len(merge.unannotated), "image that", "images that")
        yield f"{what} nobody annotated: old rows stay: {list_first(merge.unannotated, _LISTED)}."
    if merge.changes.unreadable:
        what = count_to_text(merge.changes.unreadable, "corrected item")
        yield f"{what} without a label or an outline, kept as they are; stage coco says why."
    if merge.missing:
        listed = [f"{name} ({why})" for name, why in merge.missing.items()]
        yield (
            f"{count_to_text(len(merge.missing), 'image has', 'images have')} no file: "
            f"{list_first(listed, _LISTED)}."
        )


def _classes(merge: Merge) -> dict[str, dict[str, int]]:
    """Class -> what became of its objects; by name."""
    changes = merge.changes
    left, arrived = Counter[str](), Counter[str]()
    for (old, new), count in changes.relabelled.items():
        left[old] += count
        arrived[new] += count
    columns = dict(
        zip(
            _COLUMNS,
            (changes.confirmed, changes.moved, left, arrived, changes.removed, changes.added),
            strict=True,
        )
    )
    columns["on new images"] = merge.new_objects
    names = sorted({name for counts in columns.values() for name in counts})
    return {name: {title: columns[title][name] for title in columns} for name in names}


def _relabelled(changes: ItemChanges) -> list[dict[str, Any]]:
    ranked = sorted(changes.relabelled.items(), key=lambda each: (-each[1], each[0]))
    return [{"from": old, "to": new, "objects": count} for (old, new), count in ranked]


def merge_to_value(merge: Merge) -> dict[str, Any]:
    """Return merge.json's value, in which nothing is shortened."""
    return {
        "images": {
            "old": merge.old_images,
            **{str(found): names for found, names in merge.found.items()},
            "other_bytes": merge.other_bytes,
            "unannotated": merge.unannotated,
            "missing": merge.missing,
        },
        "classes": _to_keys(_classes(merge)),
        "relabelled": _relabelled(merge.changes),
        "new_classes": list(merge.new_classes),
        "unknown_labels": dict(merge.unknown_labels.most_common()),
        "unreadable": merge.changes.unreadable,
        "last_touch": {str(touch): merge.touches[touch] for touch in LastTouch},
        "changed_images": {name: _changes(each) for name, each in merge.images.items()},
        "findings": list(merge_to_findings(merge)),
    }


def _to_keys(classes: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    return {
        name: {title.replace(" ", "_"): count for title, count in counts.items()}
        for name, counts in classes.items()
    }


def _changes(changes: ItemChanges) -> dict[str, Any]:
    return {
        **{name: dict(getattr(changes, name)) for name in _COUNTED if getattr(changes, name)},
        **({"relabelled": _relabelled(changes)} if changes.relabelled else {}),
    }


_COUNTED = ("confirmed", "moved", "removed", "added")
