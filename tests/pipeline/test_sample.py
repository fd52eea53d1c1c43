"""The main job on the drawn sample, from an empty clone, with everything made small."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rhymes.coco.files import load_coco
from rhymes.versions.published import PUBLISHED_FILE, results_to_published, save_published

pytestmark = [pytest.mark.pipeline, pytest.mark.tf]

STAGES = ["sample", "fetch", "coco", "tfrecord", "train", "export", "evaluate", "gate", "verify"]


@pytest.fixture(scope="module")
def built(whole: Any) -> Any:
    assert whole.stages == STAGES
    return whole.repository


def test_writes_what_the_readme_promises(built: Any) -> None:
    version = built.path / "models/detector/1"
    for name in (
        "data/coco/report.md",
        "data/coco/labels.txt",
        "data/tfrecord/train/train-00000-of-00001.tfrecord",
        "models/checkpoint/experiment.yaml",
        "models/detector/1/saved_model.pb",
        "reports/evaluate/model.json",
        "reports/evaluate/report.md",
        "reports/gate/gate.json",
        "reports/gate/model_card.html",
        "reports/verify/report.md",
        "reports/train/plots/metrics/train/loss.tsv",
    ):
        assert (built.path / name).is_file(), name
    assert json.loads((version / "assets.extra/manifest.json").read_text())["files"]
    assert b'"score_threshold": 0.05' in (version / "saved_model.pb").read_bytes(), "in model_info"
    metrics = json.loads((built.path / "reports/evaluate/metrics.json").read_text())
    assert 0 <= metrics["AP50"] <= 1
    assert 0 <= metrics["mask_AP50"] <= 1, "polygons everywhere, so auto is Mask R-CNN"
    assert len(list((built.path / "reports/evaluate/images").iterdir())) == 2


def test_a_second_repro_runs_nothing(built: Any) -> None:
    assert built.repro() == []


def test_nothing_that_dvc_tracks_is_left_for_git(built: Any) -> None:
    changed = built.run("git", "status", "--porcelain").splitlines()
    assert {line.split()[-1] for line in changed} == {"dvc.lock", "params.yaml"}


def test_a_setting_of_evaluate_runs_evaluate_alone(built: Any) -> None:
    built.set(evaluate={"images": 1})
    assert built.repro() == ["evaluate", "gate"]


def test_what_was_published_is_in_git_and_compared_with(built: Any) -> None:
    evaluate = built.path / "reports/evaluate"
    results, measured = (
        json.loads((evaluate / name).read_text()) for name in ("detections.json", "model.json")
    )
    test = load_coco(built.path / "data/coco/test.json")
    published = results_to_published(test, results, measured, "detector@v1.0.0")
    save_published(built.path / PUBLISHED_FILE, published)
    assert built.repro() == ["gate"]
    gate = json.loads((built.path / "reports/gate/gate.json").read_text())
    assert gate["passed"], gate["reasons"]
    assert gate["baseline"]["identity"] == gate["identity"]
    assert str(PUBLISHED_FILE) in built.run("git", "status", "--porcelain")
    (built.path / PUBLISHED_FILE).unlink()
    assert built.repro() == [], "the run cache remembers"


def test_another_split_runs_coco_and_what_follows(built: Any) -> None:
    built.set(coco={"seed": 5})
    assert built.repro("tfrecord") == ["coco", "tfrecord"], "and fetch stays"
    built.set(coco={"seed": 1})
    assert built.repro() == [], "the run cache remembers"


def test_a_misspelt_key_fails_the_stage_with_a_sentence(built: Any) -> None:
    built.set(evaluate={"image_scor": 0.5})
    printed = built.run("dvc", "repro", check=False)
    assert "params.yaml: evaluate.image_scor: unknown key; did you mean 'image_score'?" in printed
    assert "Traceback" not in printed


def test_plots_and_metrics_are_shown(built: Any) -> None:
    assert "AP50" in built.run("dvc", "metrics", "show")
    built.run("dvc", "plots", "show", "--out", "plots-out")
    page = (built.path / "plots-out/index.html").read_text()
    assert "iou50" in page
    assert "confusion" in page.lower()
