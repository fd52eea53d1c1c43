"""How good detections are, by COCO's definition (https://cocodataset.org/#detection-eval).

hotcoco computes it: pycocotools' numbers, a hundred times as fast. Nothing is printed, and nothing
here needs TensorFlow.

Of each image and class, COCO counts the 100 best detections. An image with more objects of
one class than that cannot reach a recall of 1; the definition is kept all the same, so that the
numbers mean what they mean elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import hotcoco
import numpy as np
from numpy.typing import NDArray

from rhymes.common.errors import InputError
from rhymes.metrics.catalogue import (
    ALL_AREAS,
    IOU50,
    IOU75,
    MAX_DETECTIONS,
    CocoArrays,
    IouType,
    metric_key,
    metrics,
)

Coco = Mapping[str, Any]
Result = Mapping[str, Any]

RECALLS = np.linspace(0, 1, 101)
"""Where COCO reads precision off a curve."""


@dataclass(frozen=True)
class ClassScore:
    """One class.

    Attributes:
        values: The headline metrics by name, None where the ground truth has no such object.
        objects: How many the ground truth has.
    """

    values: dict[str, float | None]
    objects: int


@dataclass(frozen=True, eq=False)
class Scores:
    """What COCO says about a set of results.

    Attributes:
        summary: The metrics of `rhymes.metrics.catalogue` by name, None where the ground truth
            has no such object.
        classes: By class name, in the order of their ids.
        precision50: float64 [101, classes], precision at recall 0, 0.01, ... 1 with IoU 0.50;
            -1 for classes that the ground truth lacks.
        precision75: The same with IoU 0.75.
    """

    summary: dict[str, float | None]
    classes: dict[str, ClassScore]
    precision50: NDArray[np.float64]
    precision75: NDArray[np.float64]


def score(ground_truth: Coco, results: Sequence[Result], iou_type: IouType) -> Scores:
    """Score results against a COCO dataset.

    Args:
        ground_truth: A COCO dataset without crowds.
        results: COCO results; of masks (`segm`) the areas are those of the masks.
        iou_type: `bbox` compares boxes, `segm` masks.

    Raises:
        InputError: masks are asked for and an object of the ground truth has none.
        ValueError: a result names an image or class that the ground truth lacks, or has no mask.
    """
    evaluation = coco_evaluation(ground_truth, results, iou_type)
    evaluation.evaluate()
    evaluation.accumulate()
    accumulated: dict[str, Any] = evaluation.eval or {}
    arrays = CocoArrays(np.asarray(accumulated["precision"]), np.asarray(accumulated["recall"]))
    return Scores(
        summary={metric.name: metric.compute(arrays) for metric in metrics(iou_type)},
        classes=_class_scores(ground_truth, arrays, iou_type),
        precision50=arrays.precision[IOU50, :, :, ALL_AREAS, MAX_DETECTIONS],
        precision75=arrays.precision[IOU75, :, :, ALL_AREAS, MAX_DETECTIONS],
    )


def coco_evaluation(
    ground_truth: Coco, results: Sequence[Result], iou_type: IouType
) -> hotcoco.COCOeval:
    """Prepare hotcoco's evaluation; its detections are numbered from 1 as `results` has them."""
    compared = "segmentation" if iou_type == "segm" else "bbox"
    _check_results(ground_truth, results, compared)
    if iou_type == "segm":
        _check_ground_truth_masks(ground_truth)
    # With a bbox beside the mask, loadRes takes the box's area to tell small from large.
    keys = "image_id", "category_id", "score", compared
    dataset = hotcoco.COCO(
        {key: ground_truth[key] for key in ("images", "annotations", "categories")}
    )
    detected = dataset.load_res([{key: result[key] for key in keys} for result in results])
    return hotcoco.COCOeval(dataset, detected, iou_type)


def _check_results(ground_truth: Coco, results: Sequence[Result], compared: str) -> None:
    images = {image["id"] for image in ground_truth["images"]}
    categories = {category["id"] for category in ground_truth["categories"]}
    for i, result in enumerate(results):
        if result["image_id"] not in images:
            raise ValueError(f"result {i}: the ground truth has no image {result['image_id']}")
        if result["category_id"] not in categories:
            raise ValueError(
                f"result {i}: the ground truth has no category {result['category_id']}"
            )
        if compared not in result:
            raise ValueError(f"result {i} has no {compared}")


def _check_ground_truth_masks(ground_truth: Coco) -> None:
    bare = sum(
        1 for annotation in ground_truth["annotations"] if not annotation.get("segmentation")
    )
    if bare:
        raise InputError(
            f"masks cannot be scored: {bare} of {len(ground_truth['annotations'])} objects of "
            "the ground truth have a box only; annotate polygons or train a model without masks"
        )


def _class_scores(
    ground_truth: Coco, arrays: CocoArrays, iou_type: IouType
) -> dict[str, ClassScore]:
    """Scores by class; COCO orders classes by id."""
    objects = Counter(annotation["category_id"] for annotation in ground_truth["annotations"])
    shown = metrics(iou_type, is_headline=True)
    return {
        category["name"]: ClassScore(
            values={metric.name: metric.compute(arrays.of_class(index)) for metric in shown},
            objects=objects[category["id"]],
        )
        for index, category in enumerate(sorted(ground_truth["categories"], key=itemgetter("id")))
    }


def mean_precision(precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Precision [101, classes] -> its mean [101] over the classes that occur; NaN if none does."""
    present = precision[:, (precision > -1).all(axis=0)]
    return present.mean(axis=1) if present.size else np.full(len(precision), np.nan)


def metrics_to_headline(values: Mapping[str, float | None]) -> dict[str, float | None]:
    """The few of all figures that tell experiments apart at a glance, as `dvc exp show` lists."""
    return {
        metric.key: values[metric.key]
        for metric in metrics(is_headline=True)
        if metric.key in values
    }


def summaries_to_metrics(boxes: Scores, masks: Scores | None) -> dict[str, float | None]:
    """Name the figures of boxes `AP`, `AP50`, ... and those of masks `mask_AP`, ..."""
    scored: dict[IouType, Scores | None] = {"bbox": boxes, "segm": masks}
    return {
        metric_key(name, iou_type): value
        for iou_type, scores in scored.items()
        if scores
        for name, value in scores.summary.items()
    }
