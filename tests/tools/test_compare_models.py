"""DVC's queue in a clone, with a pipeline of a moment."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rhymes.common.errors import InputError
from tools.clones import SURROUNDINGS, Clone
from tools.compare_models import load_experiments, queue_models

STAGE = """
import json, pathlib
from ruamel.yaml import YAML
model = YAML(typ="safe").load(open("params.yaml"))["train"]["model"]
if model == "broken":
    raise SystemExit("no such model")
path = pathlib.Path("reports/headline.json")
path.parent.mkdir()
path.write_text(json.dumps({"test": {"AP": len(model) / 10}, "val": {"AP": 0.5, "step": 3}}))
"""
DVC_YAML = """
stages:
  train:
    cmd: python stage.py
    deps: [stage.py]
    params: [train]
    outs: [reports]
metrics: [reports/headline.json]
"""


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    source = tmp_path / "source"
    (source / ".dvc").mkdir(parents=True)
    (source / ".dvc/config").touch()
    (source / ".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (source / "stage.py").write_text(STAGE)
    (source / "dvc.yaml").write_text(DVC_YAML)
    (source / "params.yaml").write_text("train:\n  model: auto\n")
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "Start"]):
        subprocess.run(["git", *identity, *command], cwd=source, check=True, timeout=60)
    return Clone(source, tmp_path / "clones", SURROUNDINGS[0])


def test_each_queued_model_is_listed_with_its_figures(clone: Clone) -> None:
    queue_models(clone, ("one", "other"))
    found = load_experiments(clone)
    assert {model: each.headline() for model, each in found.items()} == {
        "one": {"test.AP": 0.3, "val.AP": 0.5, "val.step": 3},
        "other": {"test.AP": 0.5, "val.AP": 0.5, "val.step": 3},
    }
    assert len({each.name for each in found.values()}) == 2


def test_a_failed_experiment_is_an_error_with_what_it_printed(clone: Clone) -> None:
    with pytest.raises(InputError, match="no such model"):
        queue_models(clone, ("one", "broken"))
    assert list(load_experiments(clone)) == ["one"], "and it has no row"
