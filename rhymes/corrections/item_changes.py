"""What people made of the objects of an image: item by item, with who last touched each."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rhymes.data_diff.label_changes import LabelledObjects, match_objects
from rhymes.export.annotations import LastTouch
from rhymes.export.categories import normalised
from rhymes.export.cells import LAST_TOUCH_KEY, item_to_label, item_to_last_touch
from rhymes.export.dialects import item_type_to_dialect
from rhymes.export.geometry import Shape

SCORE_KEY = "proba"

# Tools that store whole pixels move an edge by half of one; a person moves it further.
_ROUNDED = 0.5 + 1e-6

# No image is larger, so that shapes are cut at its left and its top alone, on both sides alike.
_LARGEST = 1_000_000


@dataclass
class ItemChanges:
    """Counts of objects, by the name of their class.

    Attributes:
        confirmed: that are as they were.
        moved: drawn anew.
        relabelled: old and new class -> objects, moved or not.
        removed: that no corrected row has any more.
        added: that the old rows lack.
        unreadable: items that have no label or no outline, kept as they are.
    """

    confirmed: Counter[str] = field(default_factory=Counter)
    moved: Counter[str] = field(default_factory=Counter)
    relabelled: Counter[tuple[str, str]] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    added: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0

    @property
    def is_any(self) -> bool:
        """Whether an object is not as it was."""
        return any((self.moved, self.relabelled, self.removed, self.added))

    def update(self, other: ItemChanges) -> None:
        """Add what was counted elsewhere."""
        for name in ("confirmed", "moved", "relabelled", "removed", "added"):
            getattr(self, name).update(getattr(other, name))
        self.unreadable += other.unreadable


@dataclass(frozen=True)
class _Object:
    """An item that can be read, its label and its shape."""

    item: Mapping[Any, Any]
    label: str
    shape: Shape

    @property
    def score(self) -> float | None:
        score = self.item.get(SCORE_KEY)
        return float(score) if isinstance(score, (int, float)) else None

    @property
    def touch(self) -> LastTouch:
        return item_to_last_touch(self.item)


def correct_items(
    old: Sequence[Any], rows: Sequence[Sequence[Any]]
) -> tuple[list[list[Any]], ItemChanges]:
    """Find what became of an image's objects, and mark each by who last touched it.

    An object that a person left as it was is the model's where it was, and confirmed. One that a
    person moved or named otherwise is that person's, and loses the model's score. An item that
    differs from all old ones and has another score than they is a newer model's.

    Args:
        old: The items of the image's old rows.
        rows: Those of each of its corrected rows.

    Returns:
        The rows' items, as they are to be written, and what changed.
    """
    before = list(_readable(old))
    changes = ItemChanges()
    corrected = []
    kept: set[int] = set()
    for row in rows:
        items, found = _correct_row(before, row, changes)
        corrected.append(items)
        kept |= found
    changes.removed.update(each.label for i, each in enumerate(before) if i not in kept)
    return corrected, changes


def mark_items(items: Sequence[Any]) -> list[Any]:
    """Write into each item of a new image who last touched it, by its own word."""
    return [
        {**item, LAST_TOUCH_KEY: str(item_to_last_touch(item))}
        if isinstance(item, Mapping)
        else item
        for item in items
    ]


def items_to_labels(items: Sequence[Any]) -> list[str]:
    """Return the labels of the items that can be read."""
    return [each.label for each in _readable(items)]


def _correct_row(
    before: Sequence[_Object], row: Sequence[Any], changes: ItemChanges
) -> tuple[list[Any], set[int]]:
    """Return a row's items marked, and which of the old objects it has."""
    after = list(_readable(row))
    matching = match_objects(_to_labelled(before), _to_labelled(after))
    touches: dict[int, LastTouch] = {}
    pairs = [*matching.same, *matching.redrawn, *matching.relabelled]
    pairs += _same_score(before, after, matching.removed, matching.added)
    for i, j in pairs:
        was, now = before[i], after[j]
        is_alike = was.label == now.label and _is_rounded(was.shape, now.shape)
        touches[j] = _confirmed(was) if is_alike else _changed(was, now)
        if is_alike:
            changes.confirmed[now.label] += 1
        elif was.label == now.label:
            changes.moved[now.label] += 1
        else:
            changes.relabelled[was.label, now.label] += 1
    scores = {each.score for each in before} - {None}
    for j, each in enumerate(after):
        if j not in touches:
            changes.added[each.label] += 1
            touches[j] = LastTouch.PERSON if each.score in scores else each.touch
    marked = {id(each.item): touches[j] for j, each in enumerate(after)}
    changes.unreadable += len(row) - len(after)
    items = [_mark(item, marked[id(item)]) if id(item) in marked else item for item in row]
    return items, {i for i, _ in pairs}


def _mark(item: Mapping[Any, Any], touch: LastTouch) -> dict[Any, Any]:
    kept = {k: v for k, v in item.items() if k != SCORE_KEY or touch is not LastTouch.PERSON}
    return {**kept, LAST_TOUCH_KEY: str(touch)}


def _confirmed(was: _Object) -> LastTouch:
    return LastTouch.PERSON if was.touch is LastTouch.PERSON else LastTouch.CONFIRMED


def _changed(was: _Object, now: _Object) -> LastTouch:
    """Whose an object is that differs from the old one: its score may have come along with it."""
    is_newer = now.score is not None and now.score != was.score
    return now.touch if is_newer else LastTouch.PERSON


def _same_score(
    before: Sequence[_Object],
    after: Sequence[_Object],
    removed: Sequence[int],
    added: Sequence[int],
) -> list[tuple[int, int]]:
    """Pair what a person moved so far that it no longer overlaps: a model's score tells it."""
    old, new = (
        {score: index for index in indices if (score := side[index].score) is not None}
        for side, indices in ((before, removed), (after, added))
    )
    counts = Counter(before[i].score for i in removed) + Counter(after[j].score for j in added)
    return [(i, new[score]) for score, i in old.items() if score in new and counts[score] == 2]


def _readable(items: Sequence[Any]) -> Iterator[_Object]:
    for item in items:
        if not isinstance(item, Mapping):
            continue
        dialect, label = item_type_to_dialect(item.get("type")), item_to_label(item)
        if dialect is None or label is None:
            continue
        shape = dialect.data_to_shape(item.get("data"), _LARGEST, _LARGEST)
        if isinstance(shape, Shape):
            yield _Object(item, normalised(label), shape)


def _to_labelled(objects: Sequence[_Object]) -> LabelledObjects:
    boxes = np.array([each.shape.bbox for each in objects], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    outlines = [zlib.crc32(repr(each.shape.rings).encode()) for each in objects]
    return LabelledObjects(
        [each.label for each in objects], boxes, np.array(outlines, np.int64).reshape(-1)
    )


def _is_rounded(one: Shape, other: Shape) -> bool:
    """Whether two shapes are the same but for coordinates rounded to whole pixels."""
    if [len(ring) for ring in one.rings] != [len(ring) for ring in other.rings]:
        return False
    if one.rings:
        return _is_near(*([n for ring in shape.rings for n in ring] for shape in (one, other)))
    # Some tools round a box's size, others its far corner.
    return _is_near(one.bbox, other.bbox) or _is_near(_to_corners(one), _to_corners(other))


def _is_near(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(abs(a - b) <= _ROUNDED for a, b in zip(one, other, strict=True))


def _to_corners(shape: Shape) -> tuple[float, float, float, float]:
    x, y, width, height = shape.bbox
    return x, y, x + width, y + height
