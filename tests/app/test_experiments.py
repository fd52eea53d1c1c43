"""Past experiments, as DVC itself made them."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from app.experiments import Experiment, experiments_to_table, load_experiments
from app.repository import MissingFile
from tests.conftest import ROOT
from tests.support.export_project import run

STAGE = """
import json, pathlib
from ruamel.yaml import YAML
steps = YAML(typ="safe").load(open("params.yaml"))["train"]["steps"]
for name, value in (
    ("train", {"val": {"AP": steps / 2, "step": steps}}),
    ("evaluate", {"test": {"AP": steps / 10, "AP50": None}}),
):
    folder = pathlib.Path("reports", name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "headline.json").write_text(json.dumps(value))
"""
DVC_YAML = """
stages:
  train:
    cmd: python stage.py
    deps: [stage.py]
    params: [train]
    outs: [reports/train, reports/evaluate]
metrics: [reports/train/headline.json, reports/evaluate/headline.json]
"""
HOSTILE = "<b>x</b>"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A baseline of 5 steps with a tag, and an experiment of 7."""
    folder = tmp_path_factory.mktemp("experiments")
    run(folder, "git", "init", "-q", "-b", "main")
    run(folder, "dvc", "init", "-q")
    (folder / "stage.py").write_text(STAGE)
    (folder / "dvc.yaml").write_text(DVC_YAML)
    (folder / "params.yaml").write_text("train:\n  steps: 5\n  seed: 1\n")
    run(folder, "dvc", "repro", "-q")
    run(folder, "git", "add", ".")
    run(folder, "git", "commit", "-qm", "baseline")
    run(folder, "git", "tag", "-a", f"v1/{HOSTILE}", "-m", "first")
    run(folder, "dvc", "exp", "run", "-q", "-n", "more", "-S", "train.steps=7")
    return folder


@pytest.fixture
def repository(made: Path, tmp_path: Path) -> Path:
    """A copy, to change."""
    return Path(shutil.copytree(made, tmp_path / "copy", symlinks=True))


def rows(root: Path) -> dict[tuple[str, str], Experiment]:
    return {(each.kind, each.name): each for each in load_experiments(root)}


def test_all_are_read_with_their_own_params_and_metrics(made: Path) -> None:
    found = rows(made)
    assert next(iter(found)) == ("workspace", "workspace")
    assert {key for key in found if key[0] != "workspace"} == {
        ("branch", "main"), ("tag", f"v1/{HOSTILE}"), ("experiment", "more")
    }  # fmt: skip
    baseline, more = found["branch", "main"], found["experiment", "more"]
    assert baseline.params == {"train.steps": 5, "train.seed": 1}
    assert baseline.metrics == {"val AP": 2.5, "val step": 5, "test AP": 0.5}
    assert more.metrics == {"val AP": 3.5, "val step": 7, "test AP": 0.7}
    assert found["workspace", "workspace"].metrics == more.metrics, "it was applied"
    assert not any(each.problem for each in found.values())


def test_as_dvc_itself_shows_them(made: Path) -> None:
    shown = json.loads(run(made, "dvc", "exp", "show", "--json"))
    known: dict[str, Any] = {}
    for state in shown:
        for each in [state, *(e["revs"][0] for e in state.get("experiments") or [])]:
            known[each["rev"][:7]] = each["data"]
    found = rows(made)
    for key in (("branch", "main"), ("experiment", "more")):
        data = known[found[key].revision]
        metrics = data["metrics"]
        assert (
            metrics["reports/evaluate/headline.json"]["data"]["test"]["AP"]
            == (found[key].metrics["test AP"])
        )
        assert (
            data["params"]["params.yaml"]["data"]["train"]["steps"]
            == (found[key].params["train.steps"])
        )


@pytest.mark.parametrize("command", [("pack-refs", "--all"), ("gc", "-q", "--prune=now")])
def test_packed_repositories_are_read_too(repository: Path, command: tuple[str, ...]) -> None:
    before = rows(repository)
    run(repository, "git", *command)
    assert rows(repository) == before


def test_a_linked_worktree_is_read_too(repository: Path, tmp_path: Path) -> None:
    run(repository, "git", "worktree", "add", "-q", str(tmp_path / "linked"), "-b", "other")
    assert ("experiment", "more") in rows(tmp_path / "linked")


def test_a_running_dvc_is_not_waited_for(repository: Path) -> None:
    lock = repository / ".dvc/tmp/rwlock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text(json.dumps({str(repository): {"write": {"pid": os.getpid(), "cmd": "x"}}}))
    (repository / ".dvc/tmp/lock").touch()
    start = time.monotonic()
    assert len(rows(repository)) == 4
    assert time.monotonic() - start < 20


def test_what_is_missing_is_said(repository: Path) -> None:
    shutil.rmtree(repository / ".dvc/cache")
    shutil.rmtree(repository / "reports/evaluate")
    found = rows(repository)
    assert "dvc fetch" in found["branch", "main"].problem
    assert found["branch", "main"].params["train.steps"] == 5
    workspace = found["workspace", "workspace"]
    assert workspace.problem == "reports/evaluate/headline.json: not there at the moment"
    assert workspace.metrics == {"val AP": 3.5, "val step": 7}
    assert "Missing" in experiments_to_table(list(found.values())).columns


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("dvc.lock", b"stages: [", id="a broken lock"),
        pytest.param("dvc.lock", b"\xff\xfe", id="a lock that is no text"),
        pytest.param("params.yaml", b"- 1\n", id="params that are a list"),
        pytest.param("params.yaml", b"\xff: [", id="params that are nothing"),
    ],
)
def test_broken_commits_are_rows_too(repository: Path, name: str, content: bytes) -> None:
    (repository / name).write_bytes(content)
    run(repository, "git", "commit", "-qam", "break it")
    found = rows(repository)
    assert ("branch", "main") in found
    assert found["experiment", "more"].metrics
    experiments_to_table(list(found.values()))


def test_commits_without_a_lock_are_left_out(repository: Path) -> None:
    run(repository, "git", "checkout", "-q", "--orphan", "empty")
    run(repository, "git", "rm", "-rqf", ".")
    (repository / "README").write_text("x")
    run(repository, "git", "add", "README")
    run(repository, "git", "commit", "-qm", "nothing")
    assert ("branch", "empty") not in rows(repository)


def test_no_git_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match=r"\.git is not there"):
        load_experiments(tmp_path)


def test_the_table_shows_what_differs(made: Path) -> None:
    table = experiments_to_table(load_experiments(made))
    assert "train.steps" in table.columns
    assert "train.seed" not in table.columns, "all have the same"
    assert table.set_index("Name").loc["more", "test AP"] == 0.7
    assert f"v1/{HOSTILE}" in table["Name"].tolist()


def test_this_repository(root: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("needs this project's own Git repository")
    assert load_experiments(root)[0].kind == "workspace"
