"""A queue of experiments from a fresh clone, each of them served; then shared by a remote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import app.experiments
from rhymes.metrics.catalogue import metrics
from tools.clones import SURROUNDINGS, Clone
from tools.compare_models import (
    apply_and_serve,
    load_experiments,
    queue_models,
    serve_and_show,
)

pytestmark = [pytest.mark.pipeline, pytest.mark.tf]

MODELS = ("retinanet", "mask_rcnn")
"""One stage and two, boxes and masks; `make compare-models` queues every architecture."""


@pytest.fixture(scope="module")
def clone(
    repository: Any, small: Callable[..., dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Clone:
    """Two models, trained by a queue in a clone that had no data and no cache."""
    repository.set(
        sample={"images": 24, "size": 128},
        train=small(),
        evaluate={"images": 2},
        verify={"images": 2},
    )
    repository.run("git", "commit", "-qam", "Make everything small")
    made = Clone(repository.path, tmp_path_factory.mktemp("queue"), SURROUNDINGS[0])
    queue_models(made, MODELS)
    return made


def test_dvc_lists_each_model_with_its_metrics(clone: Clone) -> None:
    found = load_experiments(clone)
    assert found.keys() == set(MODELS)
    for model, experiment in found.items():
        shown = metrics(None if model == "mask_rcnn" else "bbox", is_headline=True)
        names = {metric.key for metric in shown}
        assert {"AP", "AP50"} <= names
        expected = {*(f"test.{name}" for name in names), *(f"val.{name}" for name in names)}
        assert experiment.headline().keys() == expected | {"val.step"}, model
        assert experiment.headline()["val.step"] == 3


def test_the_page_lists_what_dvc_lists(clone: Clone) -> None:
    by_dvc = {each.name: each for each in load_experiments(clone).values()}
    by_page = {
        each.name: each
        for each in app.experiments.load_experiments(clone.path)
        if each.kind == "experiment"
    }
    assert by_page.keys() == by_dvc.keys()
    for name, experiment in by_page.items():
        metrics = {key.replace(" ", "."): value for key, value in experiment.metrics.items()}
        assert metrics == by_dvc[name].headline()
        assert not experiment.problem


def test_plots_lay_two_models_over_each_other(clone: Clone) -> None:
    found = load_experiments(clone)
    names = [found[model].name for model in ("retinanet", "mask_rcnn")]
    printed = clone.run(["dvc", "plots", "diff", *names, "--out", "plots-out"])
    assert "failed" not in printed.lower(), "a file that plots name is missing"
    page = (clone.path / "plots-out/index.html").read_text(encoding="utf-8")
    for title in ("Loss (train)", "boxes (val)", "masks (val)", "masks (test)", "Confusion"):
        assert title in page
    images = sorted(path.name for path in (clone.path / "plots-out/static").iterdir())
    of_models = [{name.split("_", 1)[1] for name in images if name.startswith(n)} for n in names]
    assert of_models[0] == of_models[1], "the same images side by side"
    assert len(of_models[0]) == 2


@pytest.mark.parametrize("model", MODELS)
def test_the_page_shows_what_each_applied_model_sees(clone: Clone, model: str) -> None:
    assert "tray" in apply_and_serve(clone, load_experiments(clone)[model].name)


def test_a_colleague_pulls_runs_nothing_and_serves(
    clone: Clone, repository: Any, tmp_path: Path
) -> None:
    clone.run(["dvc", "exp", "apply", load_experiments(clone)["retinanet"].name])
    clone.run(["dvc", "repro"])
    clone.run(["dvc", "remote", "add", "--default", "storage", str(tmp_path / "storage")])
    clone.run(["git", "add", ".dvc/config", "dvc.lock", "params.yaml"])
    clone.run(["git", "commit", "-qm", "Share our detector"])
    clone.run(["dvc", "push", "--run-cache"])
    other = type(repository)(tmp_path / "other")
    clone.run(["git", "clone", "-q", str(clone.path), str(other.path)])
    other.run("dvc", "pull", "--run-cache")
    assert other.repro() == []
    assert other.run("git", "status", "--porcelain") == ""
    assert "tray" in serve_and_show(other.path)
