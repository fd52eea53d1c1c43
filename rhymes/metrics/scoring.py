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
from typing import Any, Literal

import hotcoco
import numpy as np
from numpy.typing import NDArray

from rhymes.common.errors import InputError

Kind = Literal["bbox", "segm"]
Coco = Mapping[str, Any]
Result = Mapping[str, Any]

# Axes of COCO's arrays: IoU 0.50, 0.55, ... 0.95; recall 0, 0.01, ... 1; areas; detections a class.
_IOU50, _IOU75 = 0, 5
_AREAS = {"all": 0, "small": 1, "medium": 2, "large": 3}
_MAX_DETECTIONS = {1: 0, 10: 1, 100: 2}
RECALLS = np.linspace(0, 1, 101)
"""Where COCO reads precision off a curve."""

HEADLINE = ("AP", "AP50", "mask_AP", "mask_AP50")
"""The few figures that are shown wherever there is room for a few."""


@dataclass(frozen=True)
class ClassScore:
    """One class: average precisions as fractions (None: no such object), and how many objects."""

    ap: float | None
    ap50: float | None
    objects: int


@dataclass(frozen=True, eq=False)
class Scores:
    """What COCO says about a set of results.

    Attributes:
        summary: AP, AP50, AP75, AP_small, AP_medium, AP_large, AR_1, AR_10, AR_100, AR_small,
            AR_medium, AR_large; fractions of 0 to 1, None where the ground truth has no such
            object.
        classes: By class name, in the order of their ids.
        precision50: float64 [101, classes], precision at recall 0, 0.01, ... 1 with IoU 0.50;
            -1 for classes that the ground truth lacks.
        precision75: The same with IoU 0.75.
    """

    summary: dict[str, float | None]
    classes: dict[str, ClassScore]
    precision50: NDArray[np.float64]
    precision75: NDArray[np.float64]


def score(ground_truth: Coco, results: Sequence[Result], kind: Kind) -> Scores:
    """Score results against a COCO dataset.

    Args:
        ground_truth: A COCO dataset without crowds.
        results: COCO results; of masks (`segm`) the areas are those of the masks.
        kind: `bbox` compares boxes, `segm` masks.

    Raises:
        InputError: masks are asked for and an object of the ground truth has none.
        ValueError: a result names an image or class that the ground truth lacks, or has no mask.
    """
    evaluation = coco_evaluation(ground_truth, results, kind)
    evaluation.evaluate()
    evaluation.accumulate()
    arrays: dict[str, Any] = evaluation.eval or {}
    precision = np.asarray(arrays["precision"])  # [IoU, recall, class, area, detections]
    recall = np.asarray(arrays["recall"])  # [IoU, class, area, detections]
    every = _AREAS["all"], _MAX_DETECTIONS[100]
    return Scores(
        summary=_summary(precision, recall),
        classes=_class_scores(ground_truth, precision[..., *every]),
        precision50=precision[_IOU50, :, :, *every],
        precision75=precision[_IOU75, :, :, *every],
    )


def coco_evaluation(ground_truth: Coco, results: Sequence[Result], kind: Kind) -> hotcoco.COCOeval:
    """Prepare hotcoco's evaluation; its detections are numbered from 1 as `results` has them."""
    compared = "segmentation" if kind == "segm" else "bbox"
    _check_results(ground_truth, results, compared)
    if kind == "segm":
        _check_ground_truth_masks(ground_truth)
    # With a bbox beside the mask, loadRes takes the box's area to tell small from large.
    keys = "image_id", "category_id", "score", compared
    dataset = hotcoco.COCO(
        {key: ground_truth[key] for key in ("images", "annotations", "categories")}
    )
    detected = dataset.load_res([{key: result[key] for key in keys} for result in results])
    return hotcoco.COCOeval(dataset, detected, kind)


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


def _summary(
    precision: NDArray[np.float64], recall: NDArray[np.float64]
) -> dict[str, float | None]:
    best = precision[..., _MAX_DETECTIONS[100]]
    by_area = {name: best[..., area] for name, area in _AREAS.items()}
    return {
        "AP": _mean(by_area["all"]),
        "AP50": _mean(by_area["all"][_IOU50]),
        "AP75": _mean(by_area["all"][_IOU75]),
        **{f"AP_{size}": _mean(by_area[size]) for size in ("small", "medium", "large")},
        **{
            f"AR_{most}": _mean(recall[:, :, _AREAS["all"], place])
            for most, place in _MAX_DETECTIONS.items()
        },
        **{
            f"AR_{size}": _mean(recall[:, :, _AREAS[size], _MAX_DETECTIONS[100]])
            for size in ("small", "medium", "large")
        },
    }


def _class_scores(ground_truth: Coco, precision: NDArray[np.float64]) -> dict[str, ClassScore]:
    """Scores by class from precision [IoU, recall, class]; COCO orders classes by id."""
    objects = Counter(annotation["category_id"] for annotation in ground_truth["annotations"])
    return {
        category["name"]: ClassScore(
            ap=_mean(precision[:, :, place]),
            ap50=_mean(precision[_IOU50, :, place]),
            objects=objects[category["id"]],
        )
        for place, category in enumerate(sorted(ground_truth["categories"], key=itemgetter("id")))
    }


def _mean(values: NDArray[np.float64]) -> float | None:
    """The mean of what is defined (COCO writes -1 for the rest), None where nothing is."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else None


def mean_precision(precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Precision [101, classes] -> its mean [101] over the classes that occur; NaN if none does."""
    present = precision[:, (precision > -1).all(axis=0)]
    return present.mean(axis=1) if present.size else np.full(len(precision), np.nan)


def metrics_to_headline(metrics: Mapping[str, float | None]) -> dict[str, float | None]:
    """The few of all figures that tell experiments apart at a glance, as `dvc exp show` lists."""
    return {name: metrics[name] for name in HEADLINE if name in metrics}


def summaries_to_metrics(boxes: Scores, masks: Scores | None) -> dict[str, float | None]:
    """Name the figures of boxes `AP`, `AP50`, ... and those of masks `mask_AP`, ..."""
    of_masks = masks.summary if masks else {}
    return boxes.summary | {f"mask_{name}": value for name, value in of_masks.items()}
