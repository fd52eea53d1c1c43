"""Where a detector errs: which class it takes for which, and in which images.

Both count detections above a score that the user chooses, unlike average precision, which counts
all. Boxes are compared, for models with masks too.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhymes.metrics.scoring import Coco, Result, coco_evaluation

BACKGROUND = "(background)"
"""Stands for a missing partner: of an object not found, or of a detection that finds nothing."""

OTHER = "(other)"
"""Stands for the classes that a smaller matrix does not show one by one."""


@dataclass(frozen=True, eq=False)
class Confusion:
    """Which class was taken for which.

    Attributes:
        names: The classes in the order of their ids, then `BACKGROUND`.
        counts: int64 [classes + 1, classes + 1]: rows are the ground truth, columns the prediction.
            The last row holds detections that find nothing, the last column objects not found.
    """

    names: tuple[str, ...]
    counts: NDArray[np.int64]

    def pairs(self) -> list[tuple[str, str, int]]:
        """Each ground truth, prediction and count that occurs, in the order of the matrix."""
        return [
            (self.names[row], self.names[column], int(self.counts[row, column]))
            for row, column in np.argwhere(self.counts)
        ]

    def most_confused(self, limit: int) -> Confusion:
        """A matrix that can be looked at: the classes with most errors, the rest as `OTHER`."""
        classes = len(self.names) - 1
        if classes <= limit:
            return self
        wrong = self.counts - np.diag(np.diag(self.counts))
        errors = (wrong.sum(axis=0) + wrong.sum(axis=1))[:classes]
        shown = np.sort(np.argsort(-errors, kind="stable")[:limit])
        group = np.full(classes + 1, limit)
        group[shown] = np.arange(limit)
        group[-1] = limit + 1
        counts = np.zeros((limit + 2, limit + 2), np.int64)
        np.add.at(counts, (group[:, None], group), self.counts)
        return Confusion((*(self.names[i] for i in shown), OTHER, BACKGROUND), counts)

    def errors(self) -> list[tuple[str, str, int]]:
        """The pairs that differ, the most frequent first."""
        return sorted(
            (pair for pair in self.pairs() if pair[0] != pair[1]), key=lambda pair: -pair[2]
        )


@dataclass(frozen=True)
class ImageScore:
    """How one image went.

    Attributes:
        image_id: Of the ground truth.
        found: Ids of the annotations whose object was found, with its right class.
        missed: Ids of the annotations whose object was not.
        invented: Places, among the results of this image, of those that find no object of
            their class.
    """

    image_id: int
    found: tuple[int, ...]
    missed: tuple[int, ...]
    invented: tuple[int, ...]

    @property
    def errors(self) -> int:
        """Objects missed and invented; one with the wrong class is both."""
        return len(self.missed) + len(self.invented)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 where nothing was to find or found."""
        return 2 * len(self.found) / (2 * len(self.found) + self.errors) if self.errors else 1.0


def confusion(ground_truth: Coco, results: Sequence[Result], score: float, iou: float) -> Confusion:
    """Pair each image's detections with its objects, whatever their classes, and count.

    The best detection chooses first: of the objects still free it takes the one with the
    greatest IoU, if that is at least `iou`.

    Args:
        ground_truth: A COCO dataset.
        results: COCO results.
        score: Least score of a detection that counts.
        iou: Least IoU of a pair.
    """
    chosen = [result for result in results if result["score"] >= score]
    matrix = coco_evaluation(ground_truth, chosen, "bbox").confusion_matrix(
        iou_thr=iou, max_det=max(len(chosen), 1)
    )
    return Confusion((*matrix["cat_names"], BACKGROUND), matrix["matrix"].astype(np.int64))


def image_scores(ground_truth: Coco, results: Sequence[Result], score: float) -> list[ImageScore]:
    """Score each image of the ground truth by itself, the worst first.

    A detection finds an object by COCO's rule: of the same class, IoU of at least 0.5.

    Args:
        ground_truth: A COCO dataset.
        results: COCO results.
        score: Least score of a detection that counts.
    """
    seen: Counter[int] = Counter()
    chosen: list[Result] = []
    places: list[int] = []
    for result in results:
        if result["score"] >= score:
            chosen.append(result)
            places.append(seen[result["image_id"]])
        seen[result["image_id"]] += 1
    evaluation = coco_evaluation(ground_truth, chosen, "bbox")
    evaluation.params.max_dets = [max(len(chosen), 1)]  # crowded images hold more than COCO's 100
    evaluation.evaluate()
    status: dict[str, Any] = evaluation.image_diagnostics(iou_thr=0.5)
    found: dict[int, list[int]] = defaultdict(list)
    missed: dict[int, list[int]] = defaultdict(list)
    invented: dict[int, list[int]] = defaultdict(list)
    for annotation in ground_truth["annotations"]:
        matched = status["gt_status"].get(annotation["id"]) == "matched"
        (found if matched else missed)[annotation["image_id"]].append(annotation["id"])
    for number, (result, place) in enumerate(zip(chosen, places, strict=True), start=1):
        if status["dt_status"].get(number) != "tp":
            invented[result["image_id"]].append(place)
    scores = [
        ImageScore(image["id"], *(tuple(kept[image["id"]]) for kept in (found, missed, invented)))
        for image in ground_truth["images"]
    ]
    return sorted(scores, key=lambda image: (image.f1, -image.errors, image.image_id))
