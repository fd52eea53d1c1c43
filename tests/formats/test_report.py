"""The command, on folders and on revisions whose data lies in DVC's cache."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from formats import report
from tests.conftest import ROOT
from tests.export_project import ExportProject

NAMES = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")


def run(folder: Path, *command: str) -> None:
    environment = os.environ | dict.fromkeys(NAMES, "tester") | {
        "DVC_NO_ANALYTICS": "1", "GIT_CONFIG_GLOBAL": os.devnull, "PYTHONPATH": str(ROOT),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
    }  # fmt: skip
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two data versions that DVC made: the tag v1 of 30 pictures, and the workspace of 40."""
    project = ExportProject(tmp_path_factory.mktemp("versions") / "project", {})
    shutil.rmtree(project.root / ".dvc")
    run(project.root, "git", "init", "-q", "-b", "main")
    run(project.root, "dvc", "init", "-q")
    run(project.root, "git", "commit", "-qm", "empty", "--allow-empty")
    run(project.root, "git", "tag", "v0")
    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    chosen = {name: stages[name] for name in ("fetch", "coco")}
    for stage in chosen.values():
        stage["deps"] = [dep for dep in stage["deps"] if not dep.endswith(".py")]
    (project.root / "dvc.yaml").write_text(json.dumps({"stages": chosen}))
    for tag, numbers in (("v1", range(30)), ("v2", range(30, 40))):
        project.add_pictures(*numbers)
        project.write()
        run(project.root, "dvc", "repro", "-q")
        run(project.root, "git", "add", ".")
        run(project.root, "git", "commit", "-qm", tag)
        run(project.root, "git", "tag", tag)
        project.keep_splits()
    return project.root


@pytest.fixture
def repository(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


@pytest.mark.parametrize(
    ("old", "new"),
    [("v1", "v2"), ("HEAD~1", "workspace"), ("v1", "."), ("v1", "data/coco"), ("v1", "main")],
)
def test_versions_are_found(
    repository: Path, old: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.main([old, new]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"# Data: from {old} (")
    assert "- Images: 30 -> 40: 10 added, 0 removed;" in out


def test_json_says_all(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main(["v1", "workspace", "--json"]) == 0
    first = capsys.readouterr().out
    value = json.loads(first)
    added = {image["image"] for image in value["images"]["added"]}
    assert added == {f"{number}.jpg" for number in range(30, 40)}
    splits = value["splits"]
    assert sum(each["new"] for each in splits.values()) == 40
    assert sum(each["added"] for each in splits.values()) == 10
    assert sum(value["classes"]["CAT"]["new"].values()) == 40 + 14
    assert report.main(["v1", "workspace", "--json"]) == 0
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
    assert report.main([name, "workspace"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("report: ")
    assert message in captured.err
    assert not captured.out


@pytest.fixture
def copy(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the repository, to break."""
    copy = Path(shutil.copytree(made, tmp_path / "copy", symlinks=True))
    monkeypatch.chdir(copy)
    return copy


def test_data_that_the_cache_lacks(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(copy / ".dvc/cache")
    assert report.main(["v1", "workspace"]) == 1
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
    assert report.main(["v1", "workspace"]) == 1
    assert message in capsys.readouterr().err


def test_a_folder_without_a_report(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "data/coco/report.json").unlink()
    assert report.main(["v1", "workspace"]) == 0
    assert "Not compared: workspace without report.json." in capsys.readouterr().out


def test_files_of_others_need_no_source(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (copy / "data/coco").glob("t*.json"):
        value = json.loads(path.read_bytes())
        for image in value["images"]:
            del image["source"]
        path.write_text(json.dumps(value))
    assert report.main(["v2", "workspace"]) == 0
    assert "0 added, 0 removed" in capsys.readouterr().out


def test_command_line(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "formats.report", "v1", "v2"], cwd=repository,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stdout.startswith("# Data: from v1 (")
    assert not done.stderr
