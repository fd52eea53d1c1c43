"""Objects of two sides of an image paired: ground truth and detections, or two models.

Objects are paired by their boxes, first within classes as COCO's evaluation does (the best of the
right side chooses first, the greatest IoU among those still free; cocoapi, `COCOeval.evaluateImg`),
then, of what is left, across classes: an apple taken for a pear is one disagreement, not two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_masks

from rhymes.detections.detections import Detections

IOU = 0.5
"""By which COCO's AP50 takes two boxes for the same object."""

Boxes = tuple[NDArray[Any], NDArray[Any]]
"""Corners, float [n, 4], and classes, int [n]."""


@dataclass(frozen=True)
class Pair:
    """The same object on both sides.

    Attributes:
        left: Its index on the left.
        right: Its index on the right.
        iou: Of its boxes.
    """

    left: int
    right: int
    iou: float


@dataclass(frozen=True)
class Matching:
    """Which objects are the same.

    Attributes:
        same: Pairs of one class.
        confused: Pairs of different classes.
        left_only: Indices of those on the left without a partner.
        right_only: Indices of those on the right without a partner.
    """

    same: tuple[Pair, ...]
    confused: tuple[Pair, ...]
    left_only: tuple[int, ...]
    right_only: tuple[int, ...]

    @property
    def differences(self) -> int:
        """Objects on which the sides differ."""
        return len(self.confused) + len(self.left_only) + len(self.right_only)


def box_ious(left: Detections, right: Detections) -> NDArray[np.float64]:
    """IoU of each box on the left with each on the right: float64 [left, right]."""
    return _ious(left.boxes, right.boxes)


def _ious(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.float64]:
    if not len(left) or not len(right):
        return np.zeros((len(left), len(right)))
    no_crowds = np.zeros(len(right), np.uint8)
    ious = coco_masks.iou(_to_bboxes(left), _to_bboxes(right), no_crowds)
    # What differs by the last digits of its float64 alone is equal.
    rounded: NDArray[np.float64] = np.asarray(ious, np.float32).astype(np.float64)
    return rounded


def _to_bboxes(corners: NDArray[Any]) -> NDArray[np.float64]:
    """xmin, ymin, xmax, ymax -> COCO's x, y, width, height: float64 [n, 4]."""
    wide = corners.astype(np.float64)
    return np.concatenate([wide[:, :2], wide[:, 2:] - wide[:, :2]], axis=1)


def match_detections(left: Detections, right: Detections, *, iou: float = IOU) -> Matching:
    """Pair the objects of two sides of one image.

    Args:
        left: Ground truth, or one model's detections.
        right: Detections, the best first.
        iou: Minimum IoU of a pair.

    Raises:
        ValueError: the sides are of images of different sizes.
    """
    if (left.width, left.height) != (right.width, right.height):
        raise ValueError(
            f"expected one image on both sides, got {left.width} x {left.height} and "
            f"{right.width} x {right.height} pixels"
        )
    return match_boxes((left.boxes, left.class_ids), (right.boxes, right.class_ids), iou=iou)


def match_boxes(left: Boxes, right: Boxes, *, iou: float = IOU) -> Matching:
    """Pair boxes of one image as `match_detections` does.

    Args:
        left: xmin, ymin, xmax, ymax of each: float [n, 4]; and its class: int [n].
        right: The same of the other side.
        iou: Minimum IoU of a pair.
    """
    (left_boxes, left_classes), (right_boxes, right_classes) = left, right
    ious = _ious(left_boxes, right_boxes)
    is_same = left_classes[:, None] == right_classes[None, :]
    free = np.ones(len(left_boxes), np.bool_), np.ones(len(right_boxes), np.bool_)
    same = tuple(_pair(np.where(is_same, ious, 0), free, iou))
    confused = tuple(_pair(ious, free, iou))
    left_only, right_only = (tuple(np.flatnonzero(side).tolist()) for side in free)
    return Matching(same, confused, left_only, right_only)


def _pair(
    ious: NDArray[np.float64], free: tuple[NDArray[np.bool_], NDArray[np.bool_]], min_iou: float
) -> Iterator[Pair]:
    """Pair what is free, the right side choosing in its order; mark it as taken."""
    free_left, free_right = free
    for right in np.flatnonzero(free_right):
        candidates = np.where(free_left, ious[:, right], -1.0)
        if not candidates.size or candidates.max() < min_iou:
            continue
        # Of equal ones COCO takes the last.
        left = candidates.size - 1 - int(np.argmax(candidates[::-1]))
        free_left[left] = free_right[right] = False
        yield Pair(left, int(right), float(candidates[left]))
