"""A candidate's figures with their intervals, alone and against what the published version found.

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
    percentile_interval,
    results_to_matches,
)
from rhymes.metrics.gate import (
    Bootstrap,
    ClassDifference,
    Comparison,
    Decision,
    Difference,
    Measured,
)
from rhymes.metrics.scoring import Kind, Result
from rhymes.versions.published import Published, published_to_results

_DIGITS = 6


def gate_to_json(
    decision: Decision,
    measured: Measured,
    comparison: Comparison | None,
    model: Mapping[str, Any],
    published: Published | None,
) -> dict[str, Any]:
    """Everything that was found, for programs: `rhymes.registry.publish` and the page.

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
        **{f"{name}_change": _rounded(each.change.value) for name, each in changes.items()},
    }


def _estimate(estimate: Estimate) -> dict[str, float | None]:
    return {
        "value": _rounded(estimate.value),
        "low": _rounded(estimate.low),
        "high": _rounded(estimate.high),
    }


def _difference(difference: Difference) -> dict[str, float | None]:
    return {
        "candidate": _rounded(difference.candidate),
        "baseline": _rounded(difference.baseline),
        **_estimate(difference.change),
    }


def _class_difference(of_class: ClassDifference) -> dict[str, Any]:
    return {
        "images": of_class.images,
        **{figure: _difference(value) for figure, value in of_class.figures.items()},
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


_KINDS: tuple[tuple[str, Kind], ...] = (("", "bbox"), ("mask_", "segm"))


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
    for prefix, kind in _KINDS if _have_masks(results) else _KINDS[:1]:
        matches = results_to_matches(ground_truth, results, kind)
        value, resampled = _measure(matches, weights, f"measure {prefix}AP")
        for name, of_split, of_resamples in _overall(prefix, value, resampled):
            figures[name] = percentile_interval(of_split[0], of_resamples, bootstrap.confidence)
        for place, name in enumerate(classes):
            classes[name][f"{prefix}AP"] = percentile_interval(
                value.ap[0, place], resampled.ap[:, place], bootstrap.confidence
            )
    return Measured(figures, classes)


def compare(
    ground_truth: Coco, results: Sequence[Result], published: Published, bootstrap: Bootstrap
) -> Comparison:
    """Compare a candidate with the published version, image by image.

    Args:
        ground_truth: The candidate's test split.
        results: The candidate's COCO results on it.
        published: What the published version found in its own.
        bootstrap: For the intervals.
    """
    names = _class_names(ground_truth)
    common = _common_ground_truth(ground_truth, published)
    ours = _of_common(common, results)
    theirs = _of_common(common, published_to_results(published, ground_truth))
    matches = {
        prefix: (results_to_matches(common, ours, kind), results_to_matches(common, theirs, kind))
        for prefix, kind in (_KINDS if _have_masks(ours) and _have_masks(theirs) else _KINDS[:1])
    }
    weights = _draw(common, bootstrap)
    figures: dict[str, Difference] = {}
    by_class: dict[str, list[Difference]] = {}
    images = np.array([np.count_nonzero(each.objects) for each in matches[""][0]], np.int64)
    for prefix, sides in matches.items():
        measured = [_measure(side, weights, f"compare {prefix}AP") for side in sides]
        figures |= _overall_differences(prefix, measured, bootstrap.confidence)
        by_class[f"{prefix}AP"] = _class_differences(measured, images, bootstrap.confidence)
    known = {image["file_name"] for image in ground_truth["images"]}
    return Comparison(
        images=len(common["images"]),
        candidate_only=len(ground_truth["images"]) - len(common["images"]),
        baseline_only=len(set(published.images) - known),
        figures=figures,
        classes={
            name: ClassDifference(
                images=int(images[place]),
                figures={figure: changes[place] for figure, changes in by_class.items()},
            )
            for place, name in enumerate(_class_names(common))
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
        found.counts is not None
        for image in published.images.values()
        for of_class in image.detections.values()
        for found in of_class
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
    matches: Sequence[ClassMatches], weights: NDArray[np.int64], progress: str
) -> tuple[Precisions, Precisions]:
    """Measure the split itself, and its resamples."""
    itself = np.ones((1, weights.shape[1]), np.int64)
    return measure(matches, itself), measure(matches, weights, progress)


def _overall(
    prefix: str, value: Precisions, resampled: Precisions
) -> list[tuple[str, NDArray[np.float64], NDArray[np.float64]]]:
    return [
        (f"{prefix}AP", class_mean(value.ap), class_mean(resampled.ap)),
        (f"{prefix}AP50", class_mean(value.ap50), class_mean(resampled.ap50)),
    ]


def _overall_differences(
    prefix: str, measured: Sequence[tuple[Precisions, Precisions]], confidence: float
) -> dict[str, Difference]:
    ours, theirs = (_overall(prefix, *side) for side in measured)
    return {
        name: Difference(
            _defined(our_value[0]),
            _defined(their_value[0]),
            percentile_interval(
                our_value[0] - their_value[0], our_resamples - their_resamples, confidence
            ),
        )
        for (name, our_value, our_resamples), (_, their_value, their_resamples) in zip(
            ours, theirs, strict=True
        )
    }


def _class_differences(
    measured: Sequence[tuple[Precisions, Precisions]],
    images: NDArray[np.int64],
    confidence: float,
) -> list[Difference]:
    (ours, our_resamples), (theirs, their_resamples) = measured
    changes = joint_intervals(
        ours.ap[0] - theirs.ap[0], our_resamples.ap - their_resamples.ap, images, confidence
    )
    return [
        Difference(_defined(our_value), _defined(their_value), change)
        for our_value, their_value, change in zip(ours.ap[0], theirs.ap[0], changes, strict=True)
    ]


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
