"""Changes of labels in an image: objects added, removed, redrawn and relabelled."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rhymes.data_diff.image_labels import ImageLabels

# The same object in an image of another size: rounding to pixels moves its edges a little.
_SAME_IN_ANOTHER_SIZE = 0.9


@dataclass(frozen=True)
class LabelChanges:
    """How the objects of an image changed; classes are named.

    Attributes:
        added: Class -> objects that have no partner in the old version.
        removed: Class -> objects that have none in the new one.
        redrawn: Class -> objects with another box or outline.
        relabelled: Old and new class -> objects, redrawn or not.
        same: Class -> objects that did not change.
    """

    added: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    redrawn: Counter[str] = field(default_factory=Counter)
    relabelled: Counter[tuple[str, str]] = field(default_factory=Counter)
    same: Counter[str] = field(default_factory=Counter)

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return bool(self.added or self.removed or self.redrawn or self.relabelled)


@dataclass(frozen=True, eq=False)
class LabelledObjects:
    """The objects of an image in one version.

    Attributes:
        classes: name of each object's class.
        boxes: float64 [n, 4]: xmin, ymin, xmax, ymax in pixels.
        outlines: int64 [n]: a checksum of each object's polygons, 0 for a box.
    """

    classes: Sequence[str]
    boxes: NDArray[np.float64]
    outlines: NDArray[np.int64]


IndexPairs = Sequence[tuple[int, int]]
"""Indices of an object in the old version and in the new one."""


@dataclass(frozen=True)
class ObjectMatching:
    """Which objects of an image are the same in two versions.

    Attributes:
        same: of one class, and of the very same outline.
        redrawn: of one class, with another outline.
        relabelled: of two classes, redrawn or not.
        removed: indices in the old version alone.
        added: indices in the new version alone.
    """

    same: IndexPairs
    redrawn: IndexPairs
    relabelled: IndexPairs
    removed: Sequence[int]
    added: Sequence[int]


Names = Mapping[int, str]


def compare_labels(
    old: ImageLabels, new: ImageLabels, old_names: Names, new_names: Names
) -> LabelChanges:
    """Count what became of the objects of the old version, see `match_objects`.

    Args:
        old: The image in the old version.
        new: The same in the new one.
        old_names: Class names of the old version by id.
        new_names: Those of the new one.
    """
    left, right = (
        LabelledObjects(
            [names[number] for number in image.class_ids.tolist()], image.boxes, image.outlines
        )
        for image, names in ((old, old_names), (new, new_names))
    )
    is_scaled = (old.width, old.height) != (new.width, new.height)
    scale = (old.width / new.width, old.height / new.height) if is_scaled else None
    matching = match_objects(left, right, scale)
    return LabelChanges(
        added=Counter(right.classes[index] for index in matching.added),
        removed=Counter(left.classes[index] for index in matching.removed),
        redrawn=Counter(right.classes[index] for _, index in matching.redrawn),
        relabelled=Counter((left.classes[i], right.classes[j]) for i, j in matching.relabelled),
        same=Counter(right.classes[index] for _, index in matching.same),
    )


def match_objects(
    old: LabelledObjects, new: LabelledObjects, scale: tuple[float, float] | None = None
) -> ObjectMatching:
    """Find the objects of the old version in the new one.

    Objects at the very same place belong together first, those of the same class before others;
    what is left is matched as detections are (`rhymes.detections.matching`): IoU of the boxes from
    0.5, within classes, then across them. An image that came back in another size is compared as
    if it had been scaled.

    Args:
        old: The objects in the old version.
        new: Those in the new one.
        scale: Width and height of the old image over those of the new one, where they differ.
    """
    numbers: dict[str, int] = {}
    left, right = (
        _Side(
            each.classes,
            np.array([numbers.setdefault(name, len(numbers)) for name in each.classes], np.int32),
            each.boxes,
            each.outlines,
        )
        for each in (old, new)
    )
    same: list[tuple[int, int]] = []
    relabelled: list[tuple[int, int]] = []
    if scale:
        right.boxes = right.boxes * (list(scale) * 2)
    else:
        same += _pair_identical(left, right, by_class=True)
        relabelled += _pair_identical(left, right, by_class=False)
    overlapping, confused = _pair_by_overlap(left, right)
    is_same = _SAME_IN_ANOTHER_SIZE if scale else math.inf
    same += [(i, j) for i, j, iou in overlapping if iou >= is_same]
    return ObjectMatching(
        same,
        [(i, j) for i, j, iou in overlapping if iou < is_same],
        [*relabelled, *confused],
        left.free,
        right.free,
    )


class _Side:
    """The objects of one version, and which of them have no partner yet."""

    def __init__(
        self,
        classes: Sequence[str],
        numbers: NDArray[np.int32],
        boxes: NDArray[np.float64],
        outlines: NDArray[np.int64],
    ) -> None:
        self.classes = classes
        self.numbers = numbers
        self.boxes = boxes
        self.outlines = outlines
        self.free = list(range(len(classes)))

    def keys(self, *, by_class: bool) -> list[tuple[object, ...]]:
        """For each free object its box and outline, and its class."""
        boxes = self.boxes.tolist()
        outlines = self.outlines.tolist()
        return [
            (*boxes[index], outlines[index], self.classes[index] if by_class else "")
            for index in self.free
        ]

    def take(self, indices: set[int]) -> None:
        self.free = [index for index in self.free if index not in indices]


def _pair_identical(left: _Side, right: _Side, *, by_class: bool) -> list[tuple[int, int]]:
    """Pair objects of the very same box and outline."""
    waiting: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for index, key in zip(left.free, left.keys(by_class=by_class), strict=True):
        waiting[key].append(index)
    pairs: list[tuple[int, int]] = []
    for index, key in zip(right.free, right.keys(by_class=by_class), strict=True):
        if waiting.get(key):
            pairs.append((waiting[key].pop(0), index))
    _take(left, right, pairs)
    return pairs


def _pair_by_overlap(
    left: _Side, right: _Side
) -> tuple[list[tuple[int, int, float]], list[tuple[int, int]]]:
    """Pair what is left by the overlap of the boxes: those of one class with IoU, and others."""
    if not left.free or not right.free:
        return [], []
    # Its import takes seconds, and where images were added or removed nobody needs it.
    from rhymes.detections.matching import match_boxes

    matching = match_boxes(
        (left.boxes[left.free], left.numbers[left.free]),
        (right.boxes[right.free], right.numbers[right.free]),
    )
    same = [(left.free[pair.left], right.free[pair.right], pair.iou) for pair in matching.same]
    confused = [(left.free[pair.left], right.free[pair.right]) for pair in matching.confused]
    _take(left, right, [*((i, j) for i, j, _ in same), *confused])
    return same, confused


def _take(left: _Side, right: _Side, pairs: IndexPairs) -> None:
    left.take({i for i, _ in pairs})
    right.take({j for _, j in pairs})
