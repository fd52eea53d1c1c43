"""Average precision of many resamples of the test images, by COCO's definition.

Which images a test split holds is chance. The bootstrap repeats that chance: it draws as many
images from the split as it has, with replacement, and measures again (Efron and Tibshirani, An
Introduction to the Bootstrap, 1993). Objects of one image are drawn together, as they are alike.

Detections are matched with objects once, for that does not depend on other images. A resample is
then a weight for each image, how often it was drawn, and AP is accumulated with these weights for
many resamples at once: the precision so far is the weight of the true positives over
the weight of all. That equals scoring a dataset in which images stand as often as their weights,
each under an id of its own beside the others, where the scores within an image differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from rhymes.metrics.catalogue import IouType
from rhymes.metrics.scoring import RECALLS, Coco, Result, coco_evaluation

_BORROWED = 4


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval; all None where it is undefined, or has no interval.

    Attributes:
        value: As measured.
        low: Lower end of the interval.
        high: Upper end.
    """

    value: float | None
    low: float | None
    high: float | None


def percentile_interval(
    value: float, resampled: NDArray[np.float64], confidence: float
) -> Estimate:
    """The interval that holds the middle `confidence` of the resampled figures.

    Args:
        value: As measured; NaN is undefined.
        resampled: float64 [resamples]; NaN where a resample has no figure.
        confidence: 0 to 1.
    """
    defined = resampled[~np.isnan(resampled)]
    if np.isnan(value) or not defined.size:
        return Estimate(nan_to_none(value), None, None)
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Estimate(float(value), float(low), float(high))


def joint_intervals(
    values: NDArray[np.float64],
    resampled: NDArray[np.float64],
    images: NDArray[np.int64],
    confidence: float,
) -> list[Estimate]:
    """Intervals that hold all together with `confidence`, by the bootstrap's greatest deviation.

    Of 40 classes compared one by one at 95 %, two differ by chance. So each deviation of a
    resample from what was measured is divided by its class's standard error, and the intervals are
    as many standard errors wide as the greatest deviation over all classes stays below in
    `confidence` of the resamples (Westfall and Young, Resampling-Based Multiple Testing, 1993).

    Args:
        values: float64 [classes], as measured; NaN is undefined.
        resampled: float64 [resamples, classes]; NaN where a resample lacks the class.
        images: int64 [classes], images with objects of the class.
        confidence: 0 to 1.
    """
    known = ~np.isnan(values) & ~np.isnan(resampled).all(axis=0)
    errors = np.zeros(len(values))
    if known.any():
        own = np.nanstd(resampled[:, known], axis=0)
        errors[known] = _moderate_errors(own, images[known])
    moving = errors > 0
    deviations = np.abs(resampled[:, moving] - values[moving]) / errors[moving]
    # A resample without a class says nothing about it.
    greatest = np.nan_to_num(deviations, nan=0.0).max(axis=1, initial=0.0)
    reach = np.quantile(greatest, confidence) * errors if len(greatest) else errors
    return [
        Estimate(float(value), float(value - wide), float(value + wide))
        if is_known
        else Estimate(nan_to_none(value), None, None)
        for value, wide, is_known in zip(values, reach, known, strict=True)
    ]


def _moderate_errors(own: NDArray[np.float64], images: NDArray[np.int64]) -> NDArray[np.float64]:
    """Let rare classes borrow from all how much an image's result varies.

    The bootstrap of one image does not vary, and that of two or three says little of how much it
    should. So each class's variance between images is averaged with that of all classes, which
    counts as `_BORROWED` more images (Smyth, Linear Models and Empirical Bayes Methods, 2004).

    Args:
        own: float64 [classes], standard errors by the bootstrap.
        images: int64 [classes], images with objects of the class, 1 or more.
    """
    # The bootstrap's variance is the biased one, over n instead of n - 1 images.
    squares = (images * own) ** 2
    of_all = squares.sum() / max((images - 1).sum(), 1)
    variances = (squares + _BORROWED * of_all) / (images - 1 + _BORROWED)
    moderated: NDArray[np.float64] = np.sqrt(variances / images)
    return moderated


def nan_to_none(value: float) -> float | None:
    """None in place of NaN."""
    return None if np.isnan(value) else float(value)


_ALL_AREAS = [0.0, 1e10]
_MAX_DETECTIONS = 100
# Values of an array of [resamples, detections] that are worked on at a time: 32 MB of float64.
_CHUNK = 1 << 22


@dataclass(frozen=True, eq=False)
class ClassMatches:
    """Detections of one class in all images, the best first.

    Attributes:
        images: int64 [detections], the index of each one's image.
        is_right: bool [10 IoUs, detections], whether it is a true positive.
        objects: int64 [images], objects in the ground truth.
    """

    images: NDArray[np.int64]
    is_right: NDArray[np.bool_]
    objects: NDArray[np.int64]


Precisions = Mapping[str, NDArray[np.float64]]
"""Average precisions by a metric's name, float64 [resamples, classes]; NaN where a resample has no
object of the class."""


def draw_weights(images: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """Draw resamples of images: int64 [resamples, images], how often each image was drawn."""
    if not images:
        return np.zeros((resamples, 0), np.int64)
    return np.random.default_rng(seed).multinomial(
        images, np.full(images, 1 / images), size=resamples
    )


def results_to_matches(
    ground_truth: Coco, results: Sequence[Result], iou_type: IouType
) -> list[ClassMatches]:
    """Match detections with objects in each image.

    Args:
        ground_truth: A COCO dataset without crowds.
        results: COCO results.
        iou_type: `bbox` compares boxes, `segm` masks.

    Returns:
        One for each class in the order of their ids; images are in the order of their ids.

    Raises:
        InputError: masks are asked for and an object of the ground truth has none.
    """
    indices = {number: index for index, number in enumerate(sorted(_ids(ground_truth["images"])))}
    objects = Counter(
        (each["category_id"], each["image_id"]) for each in ground_truth["annotations"]
    )
    matched_by_class: dict[int, list[Any]] = {
        number: [] for number in sorted(_ids(ground_truth["categories"]))
    }
    for matched in _evaluate(ground_truth, results, iou_type):
        matched_by_class[matched["category_id"]].append(matched)
    matches = []
    for class_id, of_images in matched_by_class.items():
        counts = np.zeros(len(indices), np.int64)
        for image_id, index in indices.items():
            counts[index] = objects[class_id, image_id]
        matches.append(_join(of_images, indices, counts))
    return matches


def _ids(records: Sequence[dict[str, Any]]) -> list[int]:
    return [record["id"] for record in records]


def _evaluate(
    ground_truth: Coco, results: Sequence[Result], iou_type: IouType
) -> list[dict[str, Any]]:
    """COCO's matches, one an image and class with detections or objects; of all areas."""
    evaluation = coco_evaluation(ground_truth, results, iou_type)
    evaluation.params.area_rng, evaluation.params.area_rng_lbl = [_ALL_AREAS], ["all"]
    evaluation.params.max_dets = [_MAX_DETECTIONS]
    evaluation.evaluate()
    return [matched for matched in evaluation.eval_imgs if matched is not None]


def _join(
    of_images: list[dict[str, Any]], indices: dict[int, int], objects: NDArray[np.int64]
) -> ClassMatches:
    """Put one class's images together; equal scores stay in the order of images, as in COCO."""
    of_images = sorted(
        (matched for matched in of_images if matched["dtScores"]), key=itemgetter("image_id")
    )
    if not of_images:
        return ClassMatches(np.zeros(0, np.int64), np.zeros((10, 0), np.bool_), objects)
    scores = np.concatenate([matched["dtScores"] for matched in of_images])
    images = np.repeat(
        [indices[matched["image_id"]] for matched in of_images],
        [len(matched["dtScores"]) for matched in of_images],
    )
    is_right = np.concatenate([np.asarray(m["dtMatched"], np.bool_) for m in of_images], axis=1)
    order = np.argsort(-scores, kind="stable")
    return ClassMatches(images[order], is_right[:, order], objects)


def measure(
    matches: Sequence[ClassMatches],
    weights: NDArray[np.int64],
    ious: Mapping[str, slice],
    progress: str | None = None,
) -> Precisions:
    """Measure average precisions of each class in each resample.

    Args:
        matches: Of each class.
        weights: int64 [resamples, images]; a row of ones is the split itself.
        ious: For each metric's name, those of the 10 IoUs that it is the mean over.
        progress: Title of a progress bar; none is shown without.
    """
    shape = len(weights), len(matches)
    precisions = {name: np.full(shape, np.nan) for name in ious}
    hidden = True if progress is None else None
    for index, of_class in enumerate(tqdm(matches, progress, unit="class", disable=hidden)):
        step = max(_CHUNK // max(len(of_class.images), 1), 1)
        for start in range(0, len(weights), step):
            rows = slice(start, start + step)
            by_iou = _class_precisions(of_class, weights[rows])
            for name, averaged in ious.items():
                precisions[name][rows, index] = by_iou[:, averaged].mean(axis=1)
    return precisions


def _class_precisions(matches: ClassMatches, weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """AP of one class at each IoU: [resamples, 10 IoUs]; NaN in resamples without an object.

    Precision rises only at true positives, so only there the curve is computed. Each of them
    stands for the recalls of COCO's 101 that it is the first to reach, and has there the
    greatest precision from itself on.
    """
    objects = weights @ matches.objects
    reported = np.cumsum(weights[:, matches.images], axis=1)
    precisions = np.zeros((len(weights), len(matches.is_right)))
    for iou, is_right in enumerate(matches.is_right):
        indices = np.flatnonzero(is_right)
        true_positives = np.cumsum(weights[:, matches.images[indices]], axis=1)
        precision = true_positives / np.maximum(reported[:, indices], 1)
        greatest = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        recall = true_positives / np.maximum(objects, 1)[:, None]
        reached = np.diff(np.searchsorted(RECALLS, recall, side="right"), axis=1, prepend=0)
        precisions[:, iou] = (greatest * reached).sum(axis=1) / len(RECALLS)
    precisions[objects == 0] = np.nan
    return precisions


def class_mean(precisions: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean [resamples] over the classes that a resample has; NaN where it has none."""
    present = ~np.isnan(precisions)
    counts = present.sum(axis=1)
    sums = np.where(present, precisions, 0).sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
