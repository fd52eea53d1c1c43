"""A training's figures, in the files that dvc.yaml's plots name."""

from __future__ import annotations

from pathlib import Path

import pytest

from rhymes.detector.reporting import TrainingReport

pytestmark = pytest.mark.tf


def test_every_plotted_curve_is_there_and_none_is_touched(tmp_path: Path) -> None:
    with TrainingReport(tmp_path / "report", tmp_path / "events") as report:
        report(10, {"train/loss": 2.0})
        report(20, {"val/AP": 0.25, "val/AP50": 0.5})
    curves = tmp_path / "report/plots/metrics/val"
    assert (curves / "AP.tsv").read_text() == "step\tAP\n20\t0.25\n"
    assert (curves / "mask_AP.tsv").read_text() == "step\tmask_AP\n", "a model without masks"
    assert {path.stem for path in curves.iterdir()} == {"AP", "AP50", "mask_AP", "mask_AP50"}


def test_a_training_without_validation_has_empty_curves(tmp_path: Path) -> None:
    with TrainingReport(tmp_path / "report", tmp_path / "events") as report:
        report(10, {"train/loss": 2.0})
    assert (tmp_path / "report/plots/metrics/val/AP.tsv").read_text() == "step\tAP\n"
