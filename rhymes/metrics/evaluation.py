"""All that is reported about a detector's results on a split: figures, tables and curves.

Pure functions from the ground truth and the results; no TensorFlow, no file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rhymes.common.csv import save_rows
from rhymes.common.files import save_json, save_text
from rhymes.metrics.catalogue import DIGITS, IouType, metric_key, rounded
from rhymes.metrics.confusion import Confusion, ImageScore, confusion, image_scores
from rhymes.metrics.scoring import (
    RECALLS,
    Coco,
    Result,
    Scores,
    mean_precision,
    metrics_to_headline,
    score,
    summaries_to_metrics,
)

Row = dict[str, str | int | float]

SHOWN_CLASSES = 30
"""Classes of a confusion matrix that is to be looked at."""

CURVE_COLUMNS = ("recall", "iou50", "iou75")
CLASS_CURVE_COLUMNS = ("kind", "class", "iou", "recall", "precision")
CONFUSION_COLUMNS = ("actual", "predicted")
COUNT_COLUMNS = ("actual", "predicted", "count")


@dataclass(frozen=True)
class Thresholds:
    """What counts as a true positive where a decision is needed; average precision needs none.

    Attributes:
        image_score: Minimum score of a detection in the ranking and the images.
        confusion_score: Minimum score of a detection in the confusion matrix.
        confusion_iou: Minimum IoU of a pair in the confusion matrix.
    """

    image_score: float
    confusion_score: float
    confusion_iou: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Everything known about results on a split.

    Attributes:
        thresholds: What it was made with.
        images: Number of images.
        objects: Number of objects in the ground truth.
        boxes: Scores of the boxes.
        masks: Scores of the masks, None for a model without.
        confusion: Of the boxes.
        ranking: The images, the worst first.
    """

    thresholds: Thresholds
    images: int
    objects: int
    boxes: Scores
    masks: Scores | None
    confusion: Confusion
    ranking: list[ImageScore]

    def scores(self) -> dict[IouType, Scores]:
        """Scores of what the model gives."""
        return {"bbox": self.boxes, **({"segm": self.masks} if self.masks else {})}

    def class_values(self, name: str) -> dict[str, float | None]:
        """The headline metrics of a class, by key."""
        return {
            metric_key(metric, iou_type): value
            for iou_type, scores in self.scores().items()
            for metric, value in scores.classes[name].values.items()
        }


def evaluate_results(
    ground_truth: Coco, results: Sequence[Result], masks: bool, thresholds: Thresholds
) -> Evaluation:
    """Score, confuse and rank.

    Args:
        ground_truth: A COCO dataset.
        results: COCO results.
        masks: Whether the model gives masks (results may be empty, so they cannot tell).
        thresholds: Where a decision is needed.
    """
    return Evaluation(
        thresholds=thresholds,
        images=len(ground_truth["images"]),
        objects=len(ground_truth["annotations"]),
        boxes=score(ground_truth, results, "bbox"),
        masks=score(ground_truth, results, "segm") if masks else None,
        confusion=confusion(
            ground_truth, results, thresholds.confusion_score, thresholds.confusion_iou
        ),
        ranking=image_scores(ground_truth, results, thresholds.image_score),
    )


def evaluation_to_metrics(evaluation: Evaluation) -> dict[str, Any]:
    """The figures, nested: `AP`, ..., `mask_AP`, ..., `classes` by name; None is undefined."""
    return {
        "images": evaluation.images,
        "objects": evaluation.objects,
        **_all_rounded(summaries_to_metrics(evaluation.boxes, evaluation.masks)),
        "classes": {
            name: {**_all_rounded(evaluation.class_values(name)), "objects": measured.objects}
            for name, measured in evaluation.boxes.classes.items()
        },
    }


def _all_rounded(values: Mapping[str, float | None]) -> dict[str, float | None]:
    return {key: rounded(value) for key, value in values.items()}


def scores_to_curve(scores: Scores | None) -> Iterator[Row]:
    """The mean precision of the classes by recall, at two IoUs; nothing where it is undefined."""
    if scores is None:
        return
    means = mean_precision(scores.precision50), mean_precision(scores.precision75)
    if np.isnan(means[0]).any():
        return
    for point in zip(RECALLS, *means, strict=True):
        yield {
            column: round(float(value), DIGITS)
            for column, value in zip(CURVE_COLUMNS, point, strict=True)
        }


def evaluation_to_class_curves(evaluation: Evaluation) -> Iterator[Row]:
    """Precision by recall of each class in the ground truth, of boxes and masks, at two IoUs."""
    for kind, scores in (("box", evaluation.boxes), ("mask", evaluation.masks)):
        if scores is None:
            continue
        for index, name in enumerate(scores.classes):
            for iou, precision in ((0.5, scores.precision50), (0.75, scores.precision75)):
                if precision[0, index] < 0:
                    continue
                for recall, value in zip(RECALLS, precision[:, index], strict=True):
                    yield {
                        "kind": kind,
                        "class": name,
                        "iou": iou,
                        "recall": round(float(recall), DIGITS),
                        "precision": round(float(value), DIGITS),
                    }


def confusion_to_rows(counted: Confusion) -> Iterator[Row]:
    """One row an object, as DVC's template `confusion` wants it (it counts them itself)."""
    for actual, predicted, count in counted.most_confused(SHOWN_CLASSES).pairs():
        for _ in range(count):
            yield {"actual": actual, "predicted": predicted}


def confusion_to_counts(counted: Confusion) -> Iterator[Row]:
    """One row a pair of classes that occurs, of all classes."""
    for actual, predicted, count in counted.pairs():
        yield {"actual": actual, "predicted": predicted, "count": count}


def save_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Write `metrics.json`, `headline.json` and the tables of `plots/`.

    Every table is written, with its header alone where there is nothing: DVC's plots name them.
    """
    metrics = evaluation_to_metrics(evaluation)
    save_json(folder / "metrics.json", metrics)
    save_json(folder / "headline.json", {"test": metrics_to_headline(metrics)})
    tables: dict[str, tuple[Sequence[str], Iterable[Row]]] = {
        "precision_recall": (CURVE_COLUMNS, scores_to_curve(evaluation.boxes)),
        "mask_precision_recall": (CURVE_COLUMNS, scores_to_curve(evaluation.masks)),
        "class_precision_recall": (CLASS_CURVE_COLUMNS, evaluation_to_class_curves(evaluation)),
        "confusion": (CONFUSION_COLUMNS, confusion_to_rows(evaluation.confusion)),
        "confusion_counts": (COUNT_COLUMNS, confusion_to_counts(evaluation.confusion)),
    }
    for name, (columns, rows) in tables.items():
        cells = ([row[column] for column in columns] for row in rows)
        save_rows(folder / "plots" / f"{name}.csv", columns, cells)


def save_results(path: Path, results: Sequence[Mapping[str, Any]]) -> None:
    """Write COCO results, one a line."""
    lines = ",\n".join(json.dumps(result, allow_nan=False) for result in results)
    save_text(path, f"[\n{lines}\n]\n" if results else "[]\n")
