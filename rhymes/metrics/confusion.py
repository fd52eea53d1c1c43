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
"""Stands for a missing partner: of a false negative, or of a false positive."""

OTHER = "(other)"
"""Stands for the classes that a smaller matrix does not show one by one."""


@dataclass(frozen=True, eq=False)
class Confusion:
    """Which class was taken for which.

    Attributes:
        names: The classes in the order of their ids, then `BACKGROUND`.
        counts: int64 [classes + 1, classes + 1]: rows are the ground truth, columns the prediction.
            The last row holds false positives, the last column false negatives.
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
        tp: True positives: ids of the annotations that a detection of their class matches.
        fn: False negatives: ids of the other annotations.
        fp: False positives: indices, among the results of this image, of the detections that
            match no object of their class.
    """

    image_id: int
    tp: tuple[int, ...]
    fn: tuple[int, ...]
    fp: tuple[int, ...]

    @property
    def errors(self) -> int:
        """False negatives and false positives; an object with the wrong class is both."""
        return len(self.fn) + len(self.fp)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 where there is no object and no detection."""
        return 2 * len(self.tp) / (2 * len(self.tp) + self.errors) if self.errors else 1.0


def confusion(ground_truth: Coco, results: Sequence[Result], score: float, iou: float) -> Confusion:
    """Pair each image's detections with its objects, whatever their classes, and count.

    The best detection chooses first: of the objects still free it takes the one with the
    greatest IoU, if that is at least `iou`.

    Args:
        ground_truth: A COCO dataset.
        results: COCO results.
        score: Minimum score of a detection that counts.
        iou: Minimum IoU of a pair.
    """
    chosen = [result for result in results if result["score"] >= score]
    matrix = coco_evaluation(ground_truth, chosen, "bbox").confusion_matrix(
        iou_thr=iou, max_det=max(len(chosen), 1)
    )
    return Confusion((*matrix["cat_names"], BACKGROUND), matrix["matrix"].astype(np.int64))


def image_scores(ground_truth: Coco, results: Sequence[Result], score: float) -> list[ImageScore]:
    """Score each image of the ground truth by itself, the worst first.

    A detection matches an object by COCO's rule: of the same class, IoU of at least 0.5.

    Args:
        ground_truth: A COCO dataset.
        results: COCO results.
        score: Minimum score of a detection that counts.
    """
    seen: Counter[int] = Counter()
    chosen: list[Result] = []
    indices: list[int] = []
    for result in results:
        if result["score"] >= score:
            chosen.append(result)
            indices.append(seen[result["image_id"]])
        seen[result["image_id"]] += 1
    evaluation = coco_evaluation(ground_truth, chosen, "bbox")
    evaluation.params.max_dets = [max(len(chosen), 1)]  # crowded images hold more than COCO's 100
    evaluation.evaluate()
    status: dict[str, Any] = evaluation.image_diagnostics(iou_thr=0.5)
    tp: dict[int, list[int]] = defaultdict(list)
    fn: dict[int, list[int]] = defaultdict(list)
    fp: dict[int, list[int]] = defaultdict(list)
    for annotation in ground_truth["annotations"]:
        matched = status["gt_status"].get(annotation["id"]) == "matched"
        (tp if matched else fn)[annotation["image_id"]].append(annotation["id"])
    for number, (result, index) in enumerate(zip(chosen, indices, strict=True), start=1):
        if status["dt_status"].get(number) != "tp":
            fp[result["image_id"]].append(index)
    scores = [
        ImageScore(image["id"], *(tuple(kept[image["id"]]) for kept in (tp, fn, fp)))
        for image in ground_truth["images"]
    ]
    return sorted(scores, key=lambda image: (image.f1, -image.errors, image.image_id))
