"""Changes of labels in an image: objects added, removed, redrawn and relabelled."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
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


Names = Mapping[int, str]


def compare_labels(
    old: ImageLabels, new: ImageLabels, old_names: Names, new_names: Names
) -> LabelChanges:
    """Find the objects of the old version in the new one.

    Objects at the very same index belong together first, those of the same class before others;
    what is left is matched as detections are (`rhymes.detections.matching`): IoU of the boxes from
    0.5, within classes, then across them. An image that came back in another size is compared as
    if it had been scaled.

    Args:
        old: The image in the old version.
        new: The same in the new one.
        old_names: Class names of the old version by id.
        new_names: Those of the new one.
    """
    changes = LabelChanges()
    numbers: dict[str, int] = {}
    left, right = (
        _Side(
            [names[number] for number in image.class_ids.tolist()],
            np.array(
                [
                    numbers.setdefault(names[number], len(numbers))
                    for number in image.class_ids.tolist()
                ],
                np.int32,
            ),
            image.boxes,
            image.outlines,
        )
        for image, names in ((old, old_names), (new, new_names))
    )
    is_scaled = (old.width, old.height) != (new.width, new.height)
    if is_scaled:
        right.boxes = right.boxes * ([old.width / new.width, old.height / new.height] * 2)
    else:
        _pair_identical(left, right, changes, by_class=True)
        _pair_identical(left, right, changes, by_class=False)
    _pair_by_overlap(left, right, changes, is_scaled=is_scaled)
    changes.removed.update(left.classes[index] for index in left.free)
    changes.added.update(right.classes[index] for index in right.free)
    return changes


class _Side:
    """The objects of one version, and which of them have no partner yet."""

    def __init__(
        self,
        classes: list[str],
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


def _pair_identical(left: _Side, right: _Side, changes: LabelChanges, *, by_class: bool) -> None:
    """Pair objects of the very same box and outline."""
    waiting: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for index, key in zip(left.free, left.keys(by_class=by_class), strict=True):
        waiting[key].append(index)
    taken: tuple[set[int], set[int]] = set(), set()
    for index, key in zip(right.free, right.keys(by_class=by_class), strict=True):
        if not waiting.get(key):
            continue
        partner = waiting[key].pop(0)
        taken[0].add(partner)
        taken[1].add(index)
        if by_class:
            changes.same[right.classes[index]] += 1
        else:
            changes.relabelled[left.classes[partner], right.classes[index]] += 1
    left.take(taken[0])
    right.take(taken[1])


def _pair_by_overlap(left: _Side, right: _Side, changes: LabelChanges, *, is_scaled: bool) -> None:
    """Pair what is left by the overlap of the boxes."""
    if not left.free or not right.free:
        return
    # Its import takes seconds, and where images were added or removed nobody needs it.
    from rhymes.detections.matching import match_boxes

    matching = match_boxes(
        (left.boxes[left.free], left.numbers[left.free]),
        (right.boxes[right.free], right.numbers[right.free]),
    )
    for pair in matching.same:
        is_same = is_scaled and pair.iou >= _SAME_IN_ANOTHER_SIZE
        (changes.same if is_same else changes.redrawn)[right.classes[right.free[pair.right]]] += 1
    for pair in matching.confused:
        classes = left.classes[left.free[pair.left]], right.classes[right.free[pair.right]]
        changes.relabelled[classes] += 1
    pairs = (*matching.same, *matching.confused)
    left.take({left.free[pair.left] for pair in pairs})
    right.take({right.free[pair.right] for pair in pairs})
