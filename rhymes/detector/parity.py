"""Parity of two models' outputs for an image: detections paired, differences measured.

One network run in two ways (as a frozen graph and eagerly, say) gives the same numbers up to
rounding. Rounding can let two detections with nearly equal scores swap, and let one whose
score lies on the edge of being kept fall out; so detections are paired by what they say, not by
their index, and both cases are counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhymes.common.errors import InputError
from rhymes.detections.detections import BOXES, CLASSES, COUNT, MASKS, SCORES, Detections
from rhymes.detections.masks import MaskCrop

_FINEST = -7
"""float32 has no finer steps near 1 than about 1e-7, so smaller differences say nothing."""


@dataclass(frozen=True)
class ImageOutputs:
    """What one side gives for one image.

    Attributes:
        boxes: float [n, 4], fractions of the image's sides.
        scores: float [n].
        classes: float [n].
        masks: n masks, probabilities [h, w] or crops; None where the model gives none.
        max_detections: how many there is room for; those of the lowest scores fall out.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.float32]
    masks: Sequence[MaskCrop] | NDArray[np.float32] | None
    max_detections: int


def outputs_to_image_outputs(outputs: Mapping[str, NDArray[Any]]) -> ImageOutputs:
    """Take the detections out of a model's outputs for one image, padding left out.

    Raises:
        InputError: an output is missing, or there are several images.
    """
    missing = {BOXES, SCORES, CLASSES, COUNT} - set(outputs)
    if missing:
        raise InputError(f"the model gives no {min(missing)}; it gives {', '.join(outputs)}")
    if outputs[COUNT].shape != (1,):
        raise InputError(f"{COUNT}: expected one image, got shape {list(outputs[COUNT].shape)}")
    n = int(outputs[COUNT][0])
    boxes, scores, classes = (outputs[name][0, :n] for name in (BOXES, SCORES, CLASSES))
    masks = outputs[MASKS][0, :n] if MASKS in outputs else None
    return ImageOutputs(boxes, scores, classes, masks, outputs[SCORES].shape[1])


def detections_to_image_outputs(detections: Detections, max_detections: int) -> ImageOutputs:
    """Take the detections as a client has them; `max_detections` is the model's."""
    sides = np.array([detections.width, detections.height] * 2, np.float32)
    return ImageOutputs(
        detections.boxes / sides,
        detections.scores,
        detections.class_ids.astype(np.float32),
        detections.masks,
        max_detections,
    )


@dataclass
class Parity:
    """How far two sides are apart, over images.

    Attributes:
        tolerance: the largest difference allowed.
        images: how many were compared.
        detections: of the expected side.
        moved: detections that have another index.
        borderline: detections that only one side has, for their score lies on the edge.
        differences: output -> the largest difference. Of boxes as fractions of the image, of
            masks as probabilities, of cut masks as the share of pixels that differ.
    """

    tolerance: float
    images: int = 0
    detections: int = 0
    moved: int = 0
    borderline: int = 0
    differences: dict[str, float] = field(default_factory=dict)

    def add(self, other: Parity) -> None:
        """Count another comparison in."""
        self.images += other.images
        self.detections += other.detections
        self.moved += other.moved
        self.borderline += other.borderline
        for name, difference in other.differences.items():
            self.note(name, difference)

    def note(self, name: str, difference: float) -> None:
        """Keep a difference where it is the largest so far."""
        self.differences[name] = max(self.differences.get(name, 0.0), difference)

    def worst(self) -> tuple[str, float] | None:
        """The output that differs most, and by how much, where it is more than allowed."""
        name = max(self.differences, key=lambda each: self.differences[each], default=None)
        if name is None or self.differences[name] <= self.tolerance:
            return None
        return name, self.differences[name]


def compare_outputs(
    expected: ImageOutputs, actual: ImageOutputs, tolerance: float, threshold: float = 0.0
) -> Parity:
    """Compare what two sides give for one image.

    Args:
        expected: one side.
        actual: the other.
        tolerance: up to which difference of box and score two detections are one.
        threshold: the score below which the model drops detections. A detection that one side
            alone has is borderline when its score is not above this, or above the lowest score of
            the other side where that one has no room left, by more than the tolerance.
    """
    parity = Parity(tolerance, images=1, detections=len(expected.scores))
    pairs, moved = _pair(expected, actual, tolerance)
    parity.moved = moved
    rows = _left_over(pairs, 0, expected, actual, tolerance, threshold)
    columns = _left_over(pairs, 1, actual, expected, tolerance, threshold)
    parity.borderline = (
        len(expected.scores) + len(actual.scores) - 2 * len(pairs) - len(rows) - len(columns)
    )
    # Those are no pairs, but by the difference between them a reader sees what is wrong.
    pairs += zip(rows, columns, strict=False)
    parity.note(COUNT, abs(len(rows) - len(columns)))
    for name, values, others in (
        (BOXES, expected.boxes, actual.boxes),
        (SCORES, expected.scores, actual.scores),
        (CLASSES, expected.classes, actual.classes),
    ):
        parity.note(name, max((_distance(values[i], others[j]) for i, j in pairs), default=0.0))
    if expected.masks is not None and actual.masks is not None:
        one, two = expected.masks, actual.masks
        parity.note(MASKS, max((_distance(one[i], two[j]) for i, j in pairs), default=0.0))
    elif expected.masks is not actual.masks:
        parity.note(MASKS, math.inf)
    return parity


def _pair(
    expected: ImageOutputs, actual: ImageOutputs, tolerance: float
) -> tuple[list[tuple[int, int]], int]:
    """Pair detections of one class whose boxes and scores agree; say how many have moved.

    Those that agree index by index stay paired, so that none of two equal ones counts as moved.
    """
    pairs = [
        (i, i)
        for i in range(min(len(expected.scores), len(actual.scores)))
        if _cost(expected, i, actual)[i] <= tolerance
    ]
    placed = {i for i, _ in pairs}
    free = [j for j in range(len(actual.scores)) if j not in placed]
    moved = 0
    for i in range(len(expected.scores)):
        if i in placed or not free:
            continue
        costs = _cost(expected, i, actual)[free]
        best = int(np.argmin(costs))
        if costs[best] <= tolerance:
            pairs.append((i, free.pop(best)))
            moved += 1
    return pairs, moved


def _cost(expected: ImageOutputs, i: int, actual: ImageOutputs) -> NDArray[np.float64]:
    """How far detection i is from each of the other side's; infinite for another class or NaN."""
    boxes = np.abs(actual.boxes.astype(np.float64) - expected.boxes[i]).max(axis=1, initial=0.0)
    scores = np.abs(actual.scores.astype(np.float64) - expected.scores[i])
    costs = np.where(actual.classes == expected.classes[i], np.maximum(boxes, scores), np.inf)
    return np.nan_to_num(costs, nan=np.inf, posinf=np.inf)


def _left_over(
    pairs: Sequence[tuple[int, int]],
    side: int,
    own: ImageOutputs,
    other: ImageOutputs,
    tolerance: float,
    threshold: float,
) -> list[int]:
    """Indices of one side's detections that have no partner and are not borderline."""
    paired = {pair[side] for pair in pairs}
    is_full = 0 < other.max_detections <= len(other.scores)
    edge = float(np.min(other.scores)) if is_full else threshold
    return [
        i
        for i in range(len(own.scores))
        if i not in paired and not own.scores[i] <= edge + tolerance
    ]


def _distance(expected: Any, actual: Any) -> float:
    """The largest difference of values; NaN is as far from anything as can be."""
    if isinstance(expected, MaskCrop):
        return _crops_to_distance(expected, actual)
    if np.shape(expected) != np.shape(actual):
        return math.inf
    distance = float(np.abs(np.asarray(expected, np.float64) - actual).max(initial=0.0))
    return math.inf if math.isnan(distance) else distance


def _crops_to_distance(expected: MaskCrop, actual: MaskCrop) -> float:
    """The pixels that are in one of two masks only, as a share of those in any."""
    right = max(crop.x + crop.pixels.shape[1] for crop in (expected, actual))
    bottom = max(crop.y + crop.pixels.shape[0] for crop in (expected, actual))
    x, y = min(expected.x, actual.x), min(expected.y, actual.y)
    one, two = np.zeros((2, bottom - y, right - x), np.bool_)
    for crop, whole in ((expected, one), (actual, two)):
        height, width = crop.pixels.shape
        whole[crop.y - y : crop.y - y + height, crop.x - x : crop.x - x + width] = crop.pixels
    either = int(np.count_nonzero(one | two))
    return int(np.count_nonzero(one ^ two)) / either if either else 0.0


def difference_to_bound(difference: float) -> float | None:
    """The power of ten, 1e-7 at least, that a difference does not exceed; None if it is infinite.

    The last digits of a difference depend on the machine, the power of ten hardly does, and so a
    report has the same bytes when it is made again.
    """
    if not math.isfinite(difference):
        return None
    exponent = _FINEST if difference == 0 else max(_FINEST, math.ceil(math.log10(difference)))
    return float(f"1e{exponent}")
