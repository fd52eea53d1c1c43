"""The list of metrics, and that a row in it is all that a new metric needs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.experiments import Experiment, experiments_to_table
from app.metrics import compare_metrics
from rhymes.metrics import catalogue
from rhymes.metrics.catalogue import CocoArrays, find_metric, metrics
from rhymes.metrics.evaluation import Evaluation, Thresholds, evaluate_results, save_evaluation
from rhymes.metrics.evaluation_report import evaluation_to_headline, evaluation_to_markdown
from rhymes.metrics.gate import Bootstrap
from rhymes.metrics.gate_measuring import measure_candidate
from rhymes.registry.provenance import provenance_to_message
from tests.support.detection_factory import detect, make_split

pytestmark = pytest.mark.usefixtures("coco_metrics")

SPLIT = make_split(1, images=12)
RESULTS = detect(SPLIT, 2)


def evaluate() -> Evaluation:
    return evaluate_results(SPLIT, RESULTS, False, Thresholds(0.5, 0.5, 0.5))


def recall_of_halves(arrays: CocoArrays) -> float | None:
    """Recall at IoU 0.50: no mean of precisions, so that the gate has no interval for it."""
    recall = arrays.recall[catalogue.IOU50, :, catalogue.ALL_AREAS, catalogue.MAX_DETECTIONS]
    return float(recall[recall > -1].mean()) if (recall > -1).any() else None


RECALL = replace(
    find_metric("AR_100"), name="R50", title="half recall", sentence="recall at IoU 0.50",
    compute=recall_of_halves, is_headline=True,
)  # fmt: skip
AP90 = replace(
    find_metric("AP50"), name="AP90", title="AP90", sentence="AP at IoU 0.90",
    compute=lambda arrays: find_metric("AP50").compute(
        CocoArrays(arrays.precision[8:9], arrays.recall[8:9])
    ),
    average_over=slice(8, 9),
)  # fmt: skip


@pytest.fixture
def added(coco_metrics: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "METRICS", (*catalogue.METRICS, AP90, RECALL))


def test_keys_are_those_of_boxes_and_of_masks() -> None:
    keys = [metric.key for metric in catalogue.METRICS]
    assert len(set(keys)) == len(keys)
    boxes = [metric.key for metric in metrics("bbox")]
    assert keys == [*boxes, *(f"mask_{key}" for key in boxes)]
    assert [m.key for m in metrics(is_headline=True)] == ["AP", "AP50", "mask_AP", "mask_AP50"]


def test_a_metric_has_a_title_for_each_place() -> None:
    metric = find_metric("mask_AP50")
    assert (metric.column, metric.label) == ("mask AP50", "Masks, AP50")
    assert metric.meaning == "Masks: AP at IoU 0.50"
    assert [metric.value_to_text(each) for each in (0.12345, 1, None)] == ["0.123", "1.000", "n/a"]
    assert [metric.change_to_text(each) for each in (0.12345, None)] == ["+0.123", "n/a"]
    assert replace(metric, format_spec=".0%").change_to_text(0.25) == "+25%"
    with pytest.raises(KeyError):
        find_metric("AP51")


def test_of_one_class() -> None:
    precision, recall = np.zeros((10, 101, 2, 4, 3)), np.full((10, 2, 4, 3), -1.0)
    precision[:, :, 1] = 0.5
    arrays = CocoArrays(precision, recall)
    ap, ar = find_metric("AP"), find_metric("AR_100")
    assert [ap.compute(arrays.of_class(index)) for index in (0, 1)] == [0, 0.5]
    assert ap.compute(arrays) == 0.25
    assert ar.compute(arrays) is None


@pytest.mark.usefixtures("added")
class TestAddedRow:
    def test_is_computed_and_written(self, tmp_path: Path) -> None:
        save_evaluation(tmp_path, evaluate())
        saved = json.loads((tmp_path / "metrics.json").read_text())
        assert 0 < saved["AP90"] < saved["AP"] < saved["R50"] < 1
        assert 0 < saved["classes"]["C1"]["R50"] < 1
        headline = json.loads((tmp_path / "headline.json").read_text())["test"]
        assert list(headline) == ["AP", "AP50", "AP90", "R50"]

    def test_is_in_the_report(self) -> None:
        evaluation = evaluate()
        text = evaluation_to_markdown(evaluation, [])
        value = f"{evaluation.boxes.summary['R50']:.3f}"
        assert f"| recall at IoU 0.50 | {value} |" in text
        assert "| class | objects | AP | AP50 | AP90 | half recall | precision | recall |" in text
        assert f", half recall {value}" in evaluation_to_headline(evaluation)

    def test_has_an_interval_where_it_is_a_mean_of_precisions(self) -> None:
        measured = measure_candidate(SPLIT, RESULTS, Bootstrap(1, 100, 0.95))
        assert list(measured.figures) == ["AP", "AP50", "AP90"]
        estimate = measured.figures["AP90"]
        assert estimate.value == pytest.approx(evaluate().boxes.summary["AP90"])
        assert estimate.low is not None

    def test_is_on_the_page(self) -> None:
        table = compare_metrics({"one": {"R50": 0.5}, "two": {"R50": 0.75}})
        assert table.to_numpy().tolist() == [["Boxes, half recall", "0.500", "0.750", "+0.250"]]
        experiment = Experiment("a", "experiment", "", None, metrics={"test R50": 0.5})
        assert experiments_to_table([experiment])["test R50"].tolist() == [0.5]

    def test_is_in_a_tags_first_line(self) -> None:
        values: dict[str, Any] = {
            "artifact": "detector", "version": 1, "test": {"metrics": {"R50": 0.5, "images": 2}},
        }  # fmt: skip
        first = provenance_to_message(values).splitlines()[0]
        assert first == "detector 1: half recall 0.500 on 2 test images"
