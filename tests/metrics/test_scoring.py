"""COCO's numbers against pycocotools' own, and by hand where pycocotools has no answer."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from rhymes.common.errors import InputError
from rhymes.detections.detections import annotations_to_detections, detections_to_coco
from rhymes.metrics.catalogue import IouType
from rhymes.metrics.scoring import mean_precision, score
from tests.support.coco_factory import box_to_polygon, boxes_to_coco

pytestmark = pytest.mark.usefixtures("coco_metrics")

SUMMARY = (
    "AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large",
    "AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large",
)  # fmt: skip


def make_ground_truth(
    *objects: tuple[int, int, list[float]], images: int = 2, classes: int = 3
) -> dict[str, Any]:
    """A COCO dataset of (image, class, [x, y, w, h]) with classes C1, C2, ..."""
    return boxes_to_coco(objects, [f"C{i}" for i in range(1, classes + 1)], images)


def result(
    image: int, class_id: int, box: list[float], confidence: float, ground_truth: dict[str, Any]
) -> dict[str, Any]:
    """A COCO result whose mask is its box."""
    size = next(image_ for image_ in ground_truth["images"] if image_["id"] == image)
    annotation = {"bbox": box, "category_id": class_id, "segmentation": [box_to_polygon(box)]}
    found = annotations_to_detections([annotation], size["width"], size["height"])
    return detections_to_coco(found, image)[0] | {"score": confidence}


def random_case(
    seed: int, *, objects: int = 12, classes: int = 4, images: int = 6
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Objects of all sizes, and results that are moved, doubled, invented or mistaken."""
    rng = np.random.default_rng(seed)

    def box() -> list[float]:
        w, h = np.exp(rng.uniform(np.log(6), np.log(250), 2))
        return [float(v) for v in (rng.uniform(0, 640 - w), rng.uniform(0, 480 - h), w, h)]

    placed = [
        (image, int(rng.integers(1, classes)), box())  # the last class is not in the ground truth
        for image in range(1, images)  # nor has the last image any object
        for _ in range(rng.integers(0, 2 * objects))
    ]
    ground_truth = make_ground_truth(*placed, images=images, classes=classes)
    results = []
    for image, class_id, (x, y, w, h) in placed:
        for _ in range(rng.integers(0, 3)):
            dx, dy = rng.normal(0, 0.08, 2) * (w, h)
            moved = [max(x + dx, 0), max(y + dy, 0), w, h]
            taken_for = class_id if rng.random() < 0.8 else int(rng.integers(1, classes + 1))
            results.append(result(image, taken_for, moved, round(rng.random(), 2), ground_truth))
    for _ in range(objects):
        image, class_id = int(rng.integers(1, images + 1)), int(rng.integers(1, classes + 1))
        results.append(result(image, class_id, box(), round(rng.random(), 3), ground_truth))
    return ground_truth, results


def pycocotools_evaluation(
    ground_truth: dict[str, Any], results: list[Any], kind: IouType
) -> COCOeval:
    with contextlib.redirect_stdout(io.StringIO()):
        dataset = COCO()
        dataset.dataset = {**ground_truth, "info": {}}
        dataset.createIndex()
        if kind == "segm":  # as Detectron2 does, so that areas are those of the masks
            results = [{k: v for k, v in r.items() if k != "bbox"} for r in results]
        evaluation = COCOeval(dataset, dataset.loadRes(results), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def or_minus_one(values: Any) -> list[float]:
    return [-1 if value is None else value for value in values]


@pytest.mark.parametrize("kind", ["bbox", "segm"])
@pytest.mark.parametrize(
    "case",
    [
        pytest.param({"seed": 1}, id="random 1"),
        pytest.param({"seed": 2}, id="random 2"),
        pytest.param(
            {"seed": 3, "classes": 9, "objects": 2}, id="classes lacking in the ground truth"
        ),
        pytest.param({"seed": 4, "images": 2, "objects": 160}, id="more than 100 an image"),
        pytest.param({"seed": 5, "images": 1}, id="no ground truth but detections"),
    ],
)
def test_equals_pycocotools(case: dict[str, Any], kind: IouType) -> None:
    ground_truth, results = random_case(**case)
    scores = score(ground_truth, results, kind)
    expected = pycocotools_evaluation(ground_truth, results, kind)
    assert tuple(scores.summary) == SUMMARY
    assert or_minus_one(scores.summary.values()) == pytest.approx(expected.stats, abs=1e-6)
    for place, measured in enumerate(scores.classes.values()):
        precision = expected.eval["precision"][:, :, place, 0, 2]
        for value, theirs in (
            (measured.values["AP"], precision),
            (measured.values["AP50"], precision[0]),
        ):
            defined = theirs[theirs > -1]
            assert or_minus_one([value])[0] == pytest.approx(
                defined.mean() if defined.size else -1, abs=1e-6
            )
    np.testing.assert_allclose(
        scores.precision50, expected.eval["precision"][0, :, :, 0, 2], atol=1e-6
    )
    np.testing.assert_allclose(
        scores.precision75, expected.eval["precision"][5, :, :, 0, 2], atol=1e-6
    )


def test_random_cases_are_neither_perfect_nor_hopeless() -> None:
    summary = score(*random_case(1), "bbox").summary
    assert all(value is not None and 0.01 < value < 0.99 for value in summary.values())


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_ground_truth_as_result_is_perfect(kind: IouType) -> None:
    ground_truth = make_ground_truth(
        (1, 1, [10, 10, 60, 50]), (1, 2, [200, 50, 100, 100]), (2, 1, [5, 5, 20, 20])
    )
    results = [
        result(a["image_id"], a["category_id"], a["bbox"], 0.9, ground_truth)
        for a in ground_truth["annotations"]
    ]
    scores = score(ground_truth, results, kind)
    assert scores.summary["AP"] == pytest.approx(1)
    assert scores.classes["C1"].values["AP50"] == pytest.approx(1)
    assert [measured.objects for measured in scores.classes.values()] == [2, 1, 0]
    assert scores.classes["C3"].values["AP"] is None


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_nothing_found_is_zero(kind: IouType) -> None:
    scores = score(make_ground_truth((1, 1, [10, 10, 60, 50])), [], kind)
    assert scores.summary["AP"] == 0
    assert scores.summary["AR_100"] == 0
    assert scores.summary["AP_small"] is None
    assert scores.classes["C1"].values["AP"] == 0


@pytest.mark.parametrize("images", [0, 2])
@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_no_ground_truth_is_undefined(kind: IouType, images: int) -> None:
    scores = score(make_ground_truth(images=images), [], kind)
    assert set(scores.summary.values()) == {None}
    assert {measured.values["AP"] for measured in scores.classes.values()} == {None}
    assert np.isnan(mean_precision(scores.precision50)).all()


def test_by_hand() -> None:
    """Two objects; found: one exactly, then an invention, then the other with IoU 0.6."""
    ground_truth = make_ground_truth((1, 1, [0, 0, 100, 100]), (2, 1, [0, 0, 100, 100]), classes=1)
    found = [(1, [0, 0, 100, 100], 0.9), (1, [300, 300, 50, 50], 0.8), (2, [0, 0, 60, 100], 0.7)]
    results = [result(image, 1, box, confidence, ground_truth) for image, box, confidence in found]
    scores = score(ground_truth, results, "bbox")
    # At recall up to 0.5 (51 of 101 points) precision is 1, then 2/3.
    assert scores.summary["AP50"] == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)
    assert scores.summary["AP75"] == pytest.approx(51 / 101)
    # Up to IoU 0.60 (three of ten thresholds) both are found, above it one.
    assert scores.summary["AR_100"] == pytest.approx((3 * 1 + 7 * 0.5) / 10)
    curve = mean_precision(scores.precision50)
    assert curve[[0, 50, 51, 100]] == pytest.approx([1, 1, 2 / 3, 2 / 3])


def test_mask_scores_take_the_masks_area() -> None:
    """A thin L in a large box is a small object."""
    outline = [[0.0, 0, 200, 0, 200, 2, 2, 2, 2, 200, 0, 200]]
    ground_truth = make_ground_truth((1, 1, [0, 0, 200, 200]), classes=1)
    ground_truth["annotations"][0] |= {"segmentation": outline, "area": 796.0}
    annotation = {"bbox": [0, 0, 200, 200], "category_id": 1, "segmentation": outline}
    results = detections_to_coco(annotations_to_detections([annotation], 640, 480), 1)
    assert score(ground_truth, results, "segm").summary["AP_small"] == pytest.approx(1)


def test_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    score(*random_case(1), "segm")
    assert capfd.readouterr() == ("", "")


def test_ground_truth_without_masks_is_an_error_for_masks_only() -> None:
    ground_truth = make_ground_truth((1, 1, [10, 10, 60, 50]), (1, 1, [90, 10, 60, 50]))
    del ground_truth["annotations"][1]["segmentation"]
    score(ground_truth, [], "bbox")
    with pytest.raises(InputError, match="1 of 2 objects of the ground truth have a box only"):
        score(ground_truth, [], "segm")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"image_id": 9}, "result 0: the ground truth has no image 9", id="image"),
        pytest.param(
            {"category_id": 0}, "result 0: the ground truth has no category 0", id="category"
        ),
        pytest.param({"segmentation": None}, "result 0 has no segmentation", id="mask"),
    ],
)
def test_results_of_something_else_are_errors(change: dict[str, Any], message: str) -> None:
    ground_truth = make_ground_truth((1, 1, [10, 10, 60, 50]))
    changed = result(1, 1, [10, 10, 60, 50], 0.5, ground_truth) | change
    changed = {key: value for key, value in changed.items() if value is not None}
    with pytest.raises(ValueError, match=message):
        score(ground_truth, [changed], "segm")
