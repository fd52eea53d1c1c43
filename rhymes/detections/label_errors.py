"""Likely label errors: where a confident detector contradicts the ground truth, worst first.

The kinds are those of ObjectLab (Tkachenko, Thyagarajan and Mueller, 2023, arXiv:2309.00832):
overlooked, swapped and badly located objects; to them come objects in the ground truth of which the
model sees nothing at all. A suspicion is no probability: it puts the places in the order in which
they are worth a look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from rhymes.coco.files import CocoAnnotation, CocoImage, image_to_name
from rhymes.coco.label_map import class_name
from rhymes.common.csv import escape_formula, rows_to_csv
from rhymes.detections.detections import Detections, annotations_to_detections
from rhymes.detections.matching import IOU, Matching, box_ious, match_detections

MIN_SCORE = 0.5
"""Of a detection that is believed against the ground truth."""

# Boxes that overlap less do not show the same object.
_TOUCHING = 0.1

COLUMNS = (
    "suspicion", "image", "problem", "label", "model_label", "model_score",
    "x", "y", "width", "height", "annotation_id",
)  # fmt: skip


class Problem(StrEnum):
    """What seems wrong with the ground truth."""

    MISSING = "object without a label"
    SWAPPED = "label of another class"
    MISPLACED = "box in the wrong place"
    UNSEEN = "label without an object"


@dataclass(frozen=True)
class LabelError:
    """A place in the ground truth that is worth a look.

    Attributes:
        image_id: Of the image.
        image: Its name, as its users know it.
        problem: What seems wrong.
        annotation_id: Of the label in question; None where one is missing.
        box: x, y, width, height in pixels: of the label, or of the detection where it is missing.
        label: Its class id; None where one is missing.
        model_label: Class id of the detection that contradicts; None where there is none.
        score: Of that detection.
        suspicion: 0 to 1, by which the list is ordered.
    """

    image_id: int
    image: str
    problem: Problem
    annotation_id: int | None
    box: tuple[float, float, float, float]
    label: int | None
    model_label: int | None
    score: float | None
    suspicion: float


@dataclass(frozen=True, eq=False)
class PredictedImage:
    """An image with its ground truth and all detections of a model, of whatever score."""

    image: CocoImage
    annotations: Sequence[CocoAnnotation]
    detections: Detections


def find_label_errors(
    images: Iterable[PredictedImage], *, min_score: float = MIN_SCORE
) -> list[LabelError]:
    """List what the model contradicts, the most suspicious first.

    Args:
        images: To judge.
        min_score: Of a detection that is believed against the ground truth.
    """
    true_positives: Counter[int] = Counter()
    objects: Counter[int] = Counter()
    errors: list[LabelError] = []
    for judged in images:
        image = _MatchedImage(judged, min_score)
        objects.update(image.ground_truth.class_ids.tolist())
        true_positives.update(
            int(image.ground_truth.class_ids[pair.left]) for pair in image.matching.same
        )
        errors += image.errors()
    # A class that the model hardly ever detects proves nothing by a false negative.
    recalls = {class_id: true_positives[class_id] / count for class_id, count in objects.items()}
    weighed = (
        replace(error, suspicion=recalls[error.label])
        if error.problem == Problem.UNSEEN and error.label is not None
        else error
        for error in errors
    )
    return sorted(weighed, key=lambda error: -error.suspicion)


class _MatchedImage:
    """One image, matched with all detections, and with those that are believed."""

    def __init__(self, judged: PredictedImage, min_score: float) -> None:
        self._judged = judged
        image = judged.image
        self.ground_truth = annotations_to_detections(
            judged.annotations, image["width"], image["height"]
        )
        self._all = judged.detections
        self._ious = box_ious(self.ground_truth, self._all)
        self.matching = match_detections(self.ground_truth, self._all)
        self._believed: Matching = match_detections(self.ground_truth, self._all.above(min_score))

    def errors(self) -> Iterator[LabelError]:
        yield from self._swapped()
        yield from self._without_label()
        yield from self._unseen()

    def _swapped(self) -> Iterator[LabelError]:
        for pair in self._believed.confused:
            score = float(self._all.scores[pair.right])
            # What the model itself says for the label's own class at that place.
            own = self._own_score(pair.left)
            if own < score:
                yield self._of_ground_truth(
                    Problem.SWAPPED, pair.left, pair.right, score * (1 - own)
                )

    def _own_score(self, index: int) -> float:
        is_own = (self._all.class_ids == self.ground_truth.class_ids[index]) & (
            self._ious[index] >= IOU
        )
        return float(self._all.scores[is_own].max(initial=0))

    def _without_label(self) -> Iterator[LabelError]:
        for right in self._believed.right_only:
            score = float(self._all.scores[right])
            ious = self._ious[:, right]
            if not ious.size or np.max(ious) < _TOUCHING:
                yield self._of_detection(right, score)
                continue
            left = int(np.argmax(ious))
            is_free = left in self._believed.left_only
            if is_free and self.ground_truth.class_ids[left] == self._all.class_ids[right]:
                yield self._of_ground_truth(
                    Problem.MISPLACED, left, right, score * (1 - float(ious[left]))
                )
            elif ious[left] < IOU:
                yield self._of_detection(right, score * (1 - float(ious[left])))
            # Else it is one more box on an object that has its label.

    def _unseen(self) -> Iterator[LabelError]:
        for left in range(len(self.ground_truth)):
            if self._ious[left].max(initial=0) < _TOUCHING:
                yield self._of_ground_truth(Problem.UNSEEN, left, None, 0.0)

    def _of_ground_truth(
        self, problem: Problem, left: int, right: int | None, suspicion: float
    ) -> LabelError:
        annotation = self._judged.annotations[left]
        x, y, width, height = annotation["bbox"]
        return LabelError(
            self._judged.image["id"],
            image_to_name(self._judged.image),
            problem,
            annotation["id"],
            (x, y, width, height),
            annotation["category_id"],
            None if right is None else int(self._all.class_ids[right]),
            None if right is None else float(self._all.scores[right]),
            suspicion,
        )

    def _of_detection(self, right: int, suspicion: float) -> LabelError:
        xmin, ymin, xmax, ymax = self._all.boxes[right].tolist()
        return LabelError(
            self._judged.image["id"],
            image_to_name(self._judged.image),
            Problem.MISSING,
            None,
            (xmin, ymin, xmax - xmin, ymax - ymin),
            None,
            int(self._all.class_ids[right]),
            float(self._all.scores[right]),
            suspicion,
        )


def label_errors_to_csv(errors: Iterable[LabelError], names: Mapping[int, str]) -> str:
    """Write the list for annotators: a header, one row a place, numbers rounded to read them.

    A name that a spreadsheet would run begins with an apostrophe.

    Args:
        errors: In the order of the rows.
        names: Class names by id.
    """
    return rows_to_csv([COLUMNS, *(_error_to_row(error, names) for error in errors)])


def _error_to_row(error: LabelError, names: Mapping[int, str]) -> list[Any]:
    return [
        f"{error.suspicion:.3f}",
        escape_formula(error.image),
        str(error.problem),
        "" if error.label is None else escape_formula(class_name(names, error.label)),
        "" if error.model_label is None else escape_formula(class_name(names, error.model_label)),
        "" if error.score is None else f"{error.score:.3f}",
        *(f"{value:.1f}" for value in error.box),
        "" if error.annotation_id is None else error.annotation_id,
    ]
