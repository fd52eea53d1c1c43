"""A candidate's figures with their intervals, alone and against the published version's.

Both are measured on the candidate's ground truth, so a label that was corrected since counts for
both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhymes.coco.files import Coco
from rhymes.metrics.bootstrap import (
    ClassMatches,
    Estimate,
    Precisions,
    class_mean,
    draw_weights,
    joint_intervals,
    measure,
    nan_to_none,
    percentile_interval,
    results_to_matches,
)
from rhymes.metrics.catalogue import IOU_TYPES, IouType, metric_key, metrics, rounded
from rhymes.metrics.gate import (
    METRIC,
    Bootstrap,
    ClassDifference,
    Comparison,
    Decision,
    Difference,
    Measured,
)
from rhymes.metrics.scoring import Result
from rhymes.versions.published import Published, published_to_results


def gate_to_json(
    decision: Decision,
    measured: Measured,
    comparison: Comparison | None,
    model: Mapping[str, Any],
    published: Published | None,
) -> dict[str, Any]:
    """All of it, for programs: `rhymes.registry.publish` and the page.

    Args:
        decision: Of the gate.
        measured: The candidate by itself.
        comparison: None where nothing is published.
        model: `version`, `identity` and `test_sha256`, reports/evaluate/model.json.
        published: What it was compared with.
    """
    return {
        "passed": decision.passed,
        "reasons": list(decision.reasons),
        "notes": list(decision.notes),
        **{key: model[key] for key in ("version", "identity", "test_sha256")},
        "baseline": published
        and {"version": published.version, "tag": published.tag, "identity": published.identity},
        "images": comparison
        and {
            "compared": comparison.images,
            "candidate_only": comparison.candidate_only,
            "baseline_only": comparison.baseline_only,
        },
        "figures": {name: _estimate(value) for name, value in measured.figures.items()},
        "differences": comparison
        and {name: _difference(value) for name, value in comparison.figures.items()},
        "classes": comparison
        and {name: _class_difference(value) for name, value in comparison.classes.items()},
    }


def gate_to_metrics(decision: Decision, comparison: Comparison | None) -> dict[str, Any]:
    """The few figures that `dvc exp show` puts beside others."""
    changes = comparison.figures if comparison else {}
    return {
        "gate_passed": decision.passed,
        **{f"{name}_change": rounded(each.change.value) for name, each in changes.items()},
    }


def _estimate(estimate: Estimate) -> dict[str, float | None]:
    return {
        "value": rounded(estimate.value),
        "low": rounded(estimate.low),
        "high": rounded(estimate.high),
    }


def _difference(difference: Difference) -> dict[str, float | None]:
    return {
        "candidate": rounded(difference.candidate),
        "baseline": rounded(difference.baseline),
        **_estimate(difference.change),
    }


def _class_difference(of_class: ClassDifference) -> dict[str, Any]:
    return {
        "images": of_class.images,
        **{figure: _difference(value) for figure, value in of_class.figures.items()},
    }


def measure_candidate(
    ground_truth: Coco, results: Sequence[Result], bootstrap: Bootstrap
) -> Measured:
    """Measure a candidate on its test split.

    Args:
        ground_truth: The test split.
        results: COCO results on it.
        bootstrap: For the intervals.
    """
    figures: dict[str, Estimate] = {}
    classes: dict[str, dict[str, Estimate]] = {name: {} for name in _class_names(ground_truth)}
    weights = _draw(ground_truth, bootstrap)
    for iou_type in IOU_TYPES if _have_masks(results) else IOU_TYPES[:1]:
        matches = results_to_matches(ground_truth, results, iou_type)
        value, resampled = _measure(matches, weights, iou_type, "measure")
        for name in value:
            figures[metric_key(name, iou_type)] = percentile_interval(
                class_mean(value[name])[0], class_mean(resampled[name]), bootstrap.confidence
            )
        for index, class_name in enumerate(classes):
            classes[class_name][metric_key(METRIC, iou_type)] = percentile_interval(
                value[METRIC][0, index],
                resampled[METRIC][:, index],
                bootstrap.confidence,
            )
    return Measured(figures, classes)


def compare(
    ground_truth: Coco, results: Sequence[Result], published: Published, bootstrap: Bootstrap
) -> Comparison:
    """Compare a candidate with the published version, image by image.

    Args:
        ground_truth: The candidate's test split.
        results: The candidate's COCO results on it.
        published: The published version's detections on its own.
        bootstrap: For the intervals.
    """
    names = _class_names(ground_truth)
    common = _common_ground_truth(ground_truth, published)
    ours = _of_common(common, results)
    theirs = _of_common(common, published_to_results(published, ground_truth))
    has_masks = _have_masks(ours) and _have_masks(theirs)
    matches = {
        iou_type: [results_to_matches(common, side, iou_type) for side in (ours, theirs)]
        for iou_type in (IOU_TYPES if has_masks else IOU_TYPES[:1])
    }
    weights = _draw(common, bootstrap)
    figures: dict[str, Difference] = {}
    by_class: dict[str, list[Difference]] = {}
    images = np.array([np.count_nonzero(each.objects) for each in matches["bbox"][0]], np.int64)
    for iou_type, sides in matches.items():
        measured = [_measure(side, weights, iou_type, "compare") for side in sides]
        figures |= _overall_differences(iou_type, measured, bootstrap.confidence)
        by_class[metric_key(METRIC, iou_type)] = _class_differences(
            measured, images, bootstrap.confidence
        )
    known = {image["file_name"] for image in ground_truth["images"]}
    return Comparison(
        images=len(common["images"]),
        candidate_only=len(ground_truth["images"]) - len(common["images"]),
        baseline_only=len(set(published.images) - known),
        figures=figures,
        classes={
            name: ClassDifference(
                images=int(images[index]),
                figures={figure: changes[index] for figure, changes in by_class.items()},
            )
            for index, name in enumerate(_class_names(common))
        },
        new_classes=tuple(name for name in names if name not in published.classes),
        gone_classes=tuple(name for name in published.classes if name not in names),
        masks_of_one=_masks_of_one(results, published),
    )


def _class_names(ground_truth: Mapping[str, Any]) -> list[str]:
    """In the order of their ids, as `results_to_matches` has them."""
    return [
        each["name"] for each in sorted(ground_truth["categories"], key=lambda each: each["id"])
    ]


def _have_masks(results: Iterable[Mapping[str, Any]]) -> bool:
    return any("segmentation" in result for result in results)


def _masks_of_one(results: Sequence[Result], published: Published) -> str:
    theirs = any(
        detection.counts is not None
        for image in published.images.values()
        for of_class in image.detections.values()
        for detection in of_class
    )
    if theirs == _have_masks(results):
        return ""
    return "the published version" if theirs else "the candidate"


def _common_ground_truth(ground_truth: Coco, published: Published) -> dict[str, Any]:
    """The images and classes of the ground truth that the published version has seen and knows."""
    categories = [each for each in ground_truth["categories"] if each["name"] in published.classes]
    images = [each for each in ground_truth["images"] if each["file_name"] in published.images]
    kept = {"categories": categories, "images": images}
    return {**kept, "annotations": _of_common(kept, ground_truth["annotations"])}


def _of_common(common: Mapping[str, Any], records: Sequence[Any]) -> list[Any]:
    images = {image["id"] for image in common["images"]}
    classes = {category["id"] for category in common["categories"]}
    return [
        record
        for record in records
        if record["image_id"] in images and record["category_id"] in classes
    ]


def _draw(ground_truth: Mapping[str, Any], bootstrap: Bootstrap) -> NDArray[np.int64]:
    return draw_weights(len(ground_truth["images"]), bootstrap.resamples, bootstrap.seed)


def _measure(
    matches: Sequence[ClassMatches],
    weights: NDArray[np.int64],
    iou_type: IouType,
    progress: str,
) -> tuple[Precisions, Precisions]:
    """Measure the split itself, and its resamples: the headline metrics that have an interval."""
    itself = np.ones((1, weights.shape[1]), np.int64)
    ious = {
        metric.name: metric.average_over
        for metric in metrics(iou_type, is_headline=True)
        if metric.average_over is not None
    }
    title = f"{progress} {metric_key(METRIC, iou_type)}"
    return measure(matches, itself, ious), measure(matches, weights, ious, title)


def _overall_differences(
    iou_type: IouType, measured: Sequence[tuple[Precisions, Precisions]], confidence: float
) -> dict[str, Difference]:
    (ours, our_resamples), (theirs, their_resamples) = measured
    differences: dict[str, Difference] = {}
    for name in ours:
        our_value, their_value = class_mean(ours[name])[0], class_mean(theirs[name])[0]
        differences[metric_key(name, iou_type)] = Difference(
            nan_to_none(our_value),
            nan_to_none(their_value),
            percentile_interval(
                our_value - their_value,
                class_mean(our_resamples[name]) - class_mean(their_resamples[name]),
                confidence,
            ),
        )
    return differences


def _class_differences(
    measured: Sequence[tuple[Precisions, Precisions]],
    images: NDArray[np.int64],
    confidence: float,
) -> list[Difference]:
    (ours, our_resamples), (theirs, their_resamples) = (
        [precisions[METRIC] for precisions in side] for side in measured
    )
    changes = joint_intervals(
        ours[0] - theirs[0], our_resamples - their_resamples, images, confidence
    )
    return [
        Difference(nan_to_none(our_value), nan_to_none(their_value), change)
        for our_value, their_value, change in zip(ours[0], theirs[0], changes, strict=True)
    ]
