"""What is reported of results: metrics, curves, tables, text and images."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rhymes.coco.files import image_to_name
from rhymes.detections.detections import annotations_to_detections, detections_to_coco
from rhymes.metrics.confusion import BACKGROUND, OTHER, Confusion, ImageScore
from rhymes.metrics.evaluation import (
    SHOWN_CLASSES,
    Evaluation,
    Thresholds,
    confusion_to_counts,
    confusion_to_rows,
    evaluate_results,
    evaluation_to_class_curves,
    evaluation_to_metrics,
    save_evaluation,
    save_results,
    scores_to_curve,
)
from rhymes.metrics.evaluation_report import (
    DrawnImage,
    draw_comparison,
    evaluation_to_headline,
    evaluation_to_markdown,
)
from tests.support.coco_factory import box_to_polygon, boxes_to_coco

pytestmark = pytest.mark.usefixtures("coco_metrics")

THRESHOLDS = Thresholds(image_score=0.5, confusion_score=0.5, confusion_iou=0.5)
HERE, THERE = [10, 10, 40, 40], [100, 10, 80, 80]


def make_ground_truth(
    *objects: tuple[int, int, list[float]], classes: tuple[str, ...]
) -> dict[str, Any]:
    """A COCO dataset of (image, class, box) in two images."""
    return boxes_to_coco(objects, classes, images=2)


def found(image: int, class_id: int, box: list[float], score: float) -> dict[str, Any]:
    annotation = {"bbox": box, "category_id": class_id, "segmentation": [box_to_polygon(box)]}
    detections = annotations_to_detections([annotation], 640, 480)
    return detections_to_coco(detections, image)[0] | {"score": score}


def evaluate(masks: bool = True, classes: tuple[str, ...] = ("A", "B|C", "D.E")) -> Evaluation:
    """Of class A one of two is found, the other is taken for the second; the third is not there."""
    ground_truth = make_ground_truth((1, 1, HERE), (2, 1, HERE), (2, 2, THERE), classes=classes)
    results = [found(1, 1, HERE, 0.9), found(2, 2, HERE, 0.8), found(2, 2, THERE, 0.7)]
    return evaluate_results(ground_truth, results, masks, THRESHOLDS)


class TestMetrics:
    def test_of_boxes_and_masks(self) -> None:
        metrics = evaluation_to_metrics(evaluate())
        ap_a, ap_b = (
            51 / 101,
            0.5,
        )  # A: full precision up to recall 0.5; B: a false positive first
        assert (metrics["images"], metrics["objects"]) == (2, 3)
        assert metrics["AP"] == metrics["mask_AP"] == pytest.approx((ap_a + ap_b) / 2, abs=1e-6)
        assert metrics["AP_large"] is None
        assert metrics["classes"]["A"] == {
            "AP": round(ap_a, 6),
            "AP50": round(ap_a, 6),
            "mask_AP": round(ap_a, 6),
            "mask_AP50": round(ap_a, 6),
            "objects": 2,
        }
        assert metrics["classes"]["D.E"]["AP"] is None
        assert {"AR_100", "AR_small", "mask_AR_1", "mask_AP75"} <= metrics.keys()

    def test_of_boxes_alone(self) -> None:
        metrics = evaluation_to_metrics(evaluate(masks=False))
        assert not [name for name in metrics if "mask" in name]
        assert metrics["classes"]["A"].keys() == {"AP", "AP50", "objects"}

    @pytest.mark.parametrize("masks", [False, True])
    def test_of_nothing_are_null(self, masks: bool) -> None:
        metrics = evaluation_to_metrics(
            evaluate_results(make_ground_truth(classes=("A",)), [], masks, THRESHOLDS)
        )
        assert metrics["AP"] is None
        assert metrics["objects"] == 0
        json.dumps(metrics, allow_nan=False)


class TestCurves:
    def test_mean_has_101_recalls(self) -> None:
        rows = list(scores_to_curve(evaluate().boxes))
        assert len(rows) == 101
        assert rows[0] == {"recall": 0.0, "iou50": 0.75, "iou75": 0.75}
        assert rows[-1] == {"recall": 1.0, "iou50": 0.25, "iou75": 0.25}

    def test_undefined_has_none(self) -> None:
        nothing = evaluate_results(make_ground_truth(classes=("A",)), [], False, THRESHOLDS)
        assert list(scores_to_curve(nothing.boxes)) == []
        assert list(scores_to_curve(nothing.masks)) == []
        assert list(evaluation_to_class_curves(nothing)) == []

    def test_each_class_in_the_ground_truth_has_its_own(self) -> None:
        rows = list(evaluation_to_class_curves(evaluate()))
        assert {(row["kind"], row["class"], row["iou"]) for row in rows} == {
            (kind, name, iou)
            for kind in ("box", "mask")
            for name in ("A", "B|C")
            for iou in (0.5, 0.75)
        }
        assert len(rows) == 8 * 101


class TestConfusion:
    def test_rows_are_objects_and_counts_are_pairs(self) -> None:
        counted = evaluate().confusion
        pairs = [("A", "A"), ("A", "B|C"), ("B|C", "B|C")]
        assert [tuple(row.values()) for row in confusion_to_rows(counted)] == pairs
        assert [tuple(row.values()) for row in confusion_to_counts(counted)] == [
            (*pair, 1) for pair in pairs
        ]

    def test_of_many_classes_rows_are_of_the_most_confused(self) -> None:
        names = tuple(f"DISH_{i}" for i in range(278))
        counts = np.eye(279, dtype=np.int64)
        counts[range(40), range(1, 41)] = 2
        counts[7, 9] = 5
        rows = list(confusion_to_rows(Confusion((*names, BACKGROUND), counts)))
        shown = {str(name) for row in rows for name in row.values()}
        assert len(shown) == SHOWN_CLASSES + 2
        assert shown - set(names) == {OTHER, BACKGROUND}
        assert rows.count({"actual": "DISH_7", "predicted": "DISH_9"}) == 5
        assert len(rows) == counts.sum()


def test_files_are_complete_whatever_there_is(tmp_path: Path) -> None:
    for name, evaluation in (
        ("all", evaluate()),
        ("boxes", evaluate(masks=False)),
        ("nothing", evaluate_results(make_ground_truth(classes=("A",)), [], True, THRESHOLDS)),
    ):
        save_evaluation(tmp_path / name, evaluation)
        files = sorted(path.name for path in (tmp_path / name / "plots").iterdir())
        assert files == [
            "class_precision_recall.csv",
            "confusion.csv",
            "confusion_counts.csv",
            "mask_precision_recall.csv",
            "precision_recall.csv",
        ]
    with (tmp_path / "all/plots/precision_recall.csv").open(newline="") as file:
        assert next(csv.DictReader(file)) == {"recall": "0.0", "iou50": "0.75", "iou75": "0.75"}
    assert (
        tmp_path / "boxes/plots/mask_precision_recall.csv"
    ).read_text() == "recall,iou50,iou75\n"


@pytest.mark.parametrize("results", [[], [found(1, 1, HERE, 0.9), found(2, 1, HERE, 0.8)]])
def test_results_are_json_a_line_each(tmp_path: Path, results: list[Any]) -> None:
    save_results(tmp_path / "r.json", results)
    text = (tmp_path / "r.json").read_text()
    assert json.loads(text) == results
    assert len(text.splitlines()) == (len(results) + 2 if results else 1)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        pytest.param("https://cdn.example/a/b%20c.jpg?sig=a/b", "b c.jpg", id="URL with a query"),
        pytest.param("images/é 1?.png", "é 1?.png", id="path"),
        pytest.param(None, "0a.jpg", id="no source"),
    ],
)
def test_name_of_an_image(source: str | None, name: str) -> None:
    assert image_to_name({"file_name": "0a.jpg", "source": source}) == name


class TestReport:
    def test_says_what_matters(self) -> None:
        evaluation = evaluate()
        drawn = [DrawnImage("images/1_a.png", "a.jpg", evaluation.ranking[0])]
        text = evaluation_to_markdown(evaluation, drawn)
        assert "2 images with 3 objects of 2 of 3 classes." in text
        assert "| AP at IoU 0.50 | 0.502 | 0.502 |" in text
        assert (
            "**2 of 3 objects detected** with their class (true positives), 1 with another class, "
            "0 missed (false negatives); 0 false positives."
        ) in text
        assert "| A | B\\|C | 1 |" in text
        assert (
            "1. [a.jpg](images/1_a.png): "
            "F1 0.50, 1 true positive, 1 false negative, 1 false positive"
        ) in text
        classes = [line for line in text.splitlines() if line.startswith(("| A |", "| B", "| D"))]
        assert classes[:3] == [
            "| B\\|C | 1 | 0.500 | 0.500 | 0.500 | 0.500 | 0.500 | 1.000 |",
            "| A | 2 | 0.505 | 0.505 | 0.505 | 0.505 | 1.000 | 0.500 |",
            "| D.E | 0 | n/a | n/a | n/a | n/a | n/a | n/a |",
        ]

    def test_headline(self) -> None:
        figures = "AP 0.502, AP50 0.502"
        assert evaluation_to_headline(evaluate(masks=False)) == f"2 images, 3 objects: {figures}"
        assert evaluation_to_headline(evaluate()).endswith(
            f"{figures}, mask AP 0.502, mask AP50 0.502"
        )

    def test_of_boxes_alone_has_no_masks(self) -> None:
        assert "mask" not in evaluation_to_markdown(evaluate(masks=False), [])

    def test_of_nothing_says_so(self) -> None:
        nothing = evaluate_results(make_ground_truth(classes=("A",)), [], True, THRESHOLDS)
        text = evaluation_to_markdown(nothing, [])
        assert "| AP at IoU 0.50 | n/a | n/a |" in text
        assert "Nothing." in text
        assert "## Images" not in text


class TestComparison:
    PANEL = 720

    def draw(self, fn: tuple[int, ...], fp: tuple[int, ...]) -> tuple[Any, Any]:
        """Two objects in the ground truth; the first is found, the second with too low a score."""
        annotations = make_ground_truth((1, 1, HERE), (1, 2, THERE), classes=("A", "B"))[
            "annotations"
        ]
        both = annotations_to_detections(annotations, 640, 480)
        detections = dataclasses.replace(both, scores=np.array([0.9, 0.3], np.float32))
        drawn = np.asarray(
            draw_comparison(
                Image.new("RGB", (640, 480), (128, 128, 128)),
                "a.jpg",
                annotations,
                detections,
                ImageScore(1, (), fn, fp),
                {1: "A", 2: "B"},
                0.5,
            )
        )[80:]
        return drawn[:, 12 : 12 + self.PANEL], drawn[:, 24 + self.PANEL : 24 + 2 * self.PANEL]

    def test_ground_truth_is_whole_and_detections_are_sure(self) -> None:
        left, right = self.draw((), ())
        second = (slice(30, 90), slice(140, 180))  # within the object, away from its label
        assert (left[second] != 128).any()
        assert (right[second] == 128).all()

    def test_false_negatives_are_marked_left_and_false_positives_right(self) -> None:
        left, right = self.draw((), ())
        left_fn, right_fn = self.draw((2,), ())
        assert (left_fn != left).any()
        assert (right_fn == right).all()
        left_fp, right_fp = self.draw((), (0,))
        assert (left_fp == left).all()
        assert (right_fp != right).any()
