"""The command, on folders and on revisions whose data lies in DVC's cache."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rhymes import cli
from rhymes.data_diff import diff
from tests.conftest import ROOT


@pytest.fixture
def repository(data_versions: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(data_versions)
    return data_versions


@pytest.mark.parametrize(
    ("old", "new"),
    [("v1", "v2"), ("HEAD~1", "workspace"), ("v1", "."), ("v1", "data/coco"), ("v1", "main")],
)
def test_versions_are_found(
    repository: Path, old: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert diff.main([old, new]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"# Data: from {old} (")
    assert "- Images: 30 -> 40: 10 added, 0 removed;" in out


def test_json_says_all(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert diff.main(["v1", "workspace", "--json"]) == 0
    first = capsys.readouterr().out
    value = json.loads(first)
    added = {image["image"] for image in value["images"]["added"]}
    assert added == {f"{number}.jpg" for number in range(30, 40)}
    splits = value["splits"]
    assert sum(each["new"] for each in splits.values()) == 40
    assert sum(each["added"] for each in splits.values()) == 10
    assert sum(value["classes"]["CAT"]["new"].values()) == 40 + 14
    assert diff.main(["v1", "workspace", "--json"]) == 0
    assert capsys.readouterr().out == first


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("v0", "its commit has no dvc.lock", id="nothing ran"),
        pytest.param("v9", "no branch, tag, experiment or commit", id="no revision"),
        pytest.param("data", "neither data/coco/train.json nor train.json lies there", id="folder"),
        pytest.param("", "a revision needs a name", id="empty"),
    ],
)
def test_what_is_no_version_is_said(
    repository: Path, name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["diff", name, "workspace"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("rhymes diff: ")
    assert message in captured.err
    assert not captured.out


@pytest.fixture
def copy(data_versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the repository, to break."""
    copy = Path(shutil.copytree(data_versions, tmp_path / "copy", symlinks=True))
    monkeypatch.chdir(copy)
    return copy


def test_data_that_the_cache_lacks(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(copy / ".dvc/cache")
    assert cli.main(["diff", "v1", "workspace"]) == 1
    assert "data/coco: not in this machine's cache; dvc fetch" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "val.json: not found", id="missing"),
        pytest.param(b"{", "val.json", id="no JSON"),
        pytest.param(b"{}", "val.json: not a COCO file", id="no COCO"),
        pytest.param(
            b'{"images": [{"id": 1}], "annotations": [], "categories": []}', "val.json",
            id="other categories",
        ),
    ],
)  # fmt: skip
def test_broken_workspace(
    copy: Path, content: bytes | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy / "data/coco/val.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert cli.main(["diff", "v1", "workspace"]) == 1
    assert message in capsys.readouterr().err


def test_a_folder_without_a_report(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "data/coco/report.json").unlink()
    assert diff.main(["v1", "workspace"]) == 0
    assert "Not compared: workspace without report.json." in capsys.readouterr().out


def test_files_of_others_need_no_source(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (copy / "data/coco").glob("t*.json"):
        value = json.loads(path.read_bytes())
        for image in value["images"]:
            del image["source"]
        path.write_text(json.dumps(value))
    assert diff.main(["v2", "workspace"]) == 0
    assert "0 added, 0 removed" in capsys.readouterr().out


def test_command_line(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rhymes", "diff", "v1", "v2"], cwd=repository,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stdout.startswith("# Data: from v1 (")
    assert not done.stderr
