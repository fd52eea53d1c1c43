"""Uncertainty sampling: which images would teach the model most if an annotator saw them.

The measure is the 1-vs-2 margin of Brust, Käding and Denzler, "Active Learning for Deep Object
Detection" (VISAPP 2019, arXiv:1809.09875): an object counts (1 - (p1 - p2))^2, where p1 and p2 are
the scores of its two likeliest classes, and an image counts as much as its most uncertain object.
They find that the sum over all objects does best in that paper, and ascribe it to its choice of
images with many objects. That is a bias towards crowded images, which cost an annotator more
each, so here the sum only decides between images of the same maximum.

A detector gives one class and score for each box instead of all scores, so two things are added:

- The background is a class, of score 1 - p1: a single box of score 0.5 is as uncertain as can be,
  one of 0.95 or of 0.05 is not.
- Boxes that overlap are views of one object, whatever their classes, as suppression within each
  class leaves them: the best score of another class among them is a candidate for p2. Two classes
  of 0.9 in one place are as uncertain as one of 0.5.

An image in which nothing at all was found counts 0 and comes last: a detector is not unsure of
what it did not see. Such images are worth a look for what was missed, but nothing here can tell.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rhymes.detections.detections import Detections
from rhymes.detections.matching import box_ious

_SAME_OBJECT = 0.5  # IoU from which on two boxes show one object


@dataclass(frozen=True, order=True)
class Uncertainty:
    """Of an image; greater is more uncertain.

    Attributes:
        highest: of its objects, 0 to 1.
        total: sum over its objects; counts among images of the same `highest`.
    """

    highest: float = 0.0
    total: float = 0.0


def detections_to_uncertainty(detections: Detections) -> Uncertainty:
    """Measure an image by all that was found in it, the unlikely included.

    Detections below the score from which on objects are shown belong here: one of 0.45 that is
    left out at 0.5 is what an annotator should look at.
    """
    values = [_margin_to_uncertainty(*pair) for pair in _objects(detections)]
    return Uncertainty(max(values, default=0.0), math.fsum(values))


def _objects(detections: Detections) -> Iterator[tuple[float, float]]:
    """Yield for each object its best score and the best one of another class, 0 without."""
    overlapping = _overlaps(detections)
    free = np.ones(len(detections), np.bool_)
    for i in range(len(detections)):  # the best first
        if not free[i]:
            continue
        members = overlapping[i] & free
        free &= ~members
        others = detections.scores[members & (detections.class_ids != detections.class_ids[i])]
        yield float(detections.scores[i]), float(others.max(initial=0))


def _overlaps(detections: Detections) -> NDArray[np.bool_]:
    """Say which boxes show one object: bool [n, n], each box with itself."""
    overlaps: NDArray[np.bool_] = box_ious(detections, detections) >= _SAME_OBJECT
    return overlaps | np.eye(len(detections), dtype=np.bool_)


def _margin_to_uncertainty(first: float, second: float) -> float:
    """Return (1 - (p1 - p2))^2 for the scores of two classes and the background's, 0 to 1."""
    likeliest, next_likeliest, _ = sorted((first, second, 1 - first), reverse=True)
    return (1 - (likeliest - next_likeliest)) ** 2


def most_uncertain_first(uncertainties: Sequence[Uncertainty]) -> list[int]:
    """Return the indices of the images in the order to look at them; ties keep their order."""
    indices = range(len(uncertainties))
    return sorted(indices, key=lambda index: uncertainties[index], reverse=True)
