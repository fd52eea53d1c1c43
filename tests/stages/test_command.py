"""What stages say of a disk that fails them; the limits are the system's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.export_project import ExportProject

STAGES = ("fetch", "coco", "tfrecord")


def run(stage: str, folder: Path, before: str = "", **variables: str) -> tuple[int, str]:
    """Run a stage, and code before it; return its exit code and what it says of errors."""
    code = f"{before}\nfrom stages import {stage}, command\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}command.run_stage({stage!r}, {stage}.main)"],
        cwd=folder, capture_output=True, timeout=120, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
    )  # fmt: skip
    return done.returncode, done.stderr.decode("utf-8", "replace")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after its data stages, to copy."""
    project = ExportProject(tmp_path_factory.mktemp("finished"), {})
    project.add_images(*range(6))
    project.write()
    for stage in STAGES:
        assert run(stage, project.root)[0] == 0
    return project.root


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


@pytest.mark.parametrize(
    ("stage", "path"),
    [("fetch", "data/"), ("coco", "data/coco"), ("tfrecord", "data/tfrecord/train")],
)
def test_a_file_that_cannot_grow_is_named_with_a_cure(copy: Path, stage: str, path: str) -> None:
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))"
    code, said = run(stage, copy, limited)
    assert code == 1
    assert "Traceback" not in said
    assert f"{stage}: {path}" in said
    assert "File too large; the file system or `ulimit -f` allows no file of this size" in said


@pytest.mark.parametrize(
    ("stage", "path"),
    [("fetch", "data/images"), ("coco", "data/coco"), ("tfrecord", "data/tfrecord")],
)
def test_a_file_where_a_folder_belongs_is_named(copy: Path, stage: str, path: str) -> None:
    shutil.rmtree(copy / path)
    (copy / path).write_text("in the way")
    code, said = run(stage, copy)
    assert code == 1
    assert "Traceback" not in said
    assert f"{stage}: {path}" in said
    assert "; " in said


def test_too_many_open_files_is_a_sentence(copy: Path) -> None:
    # As many as are open when the stage begins.
    limited = (
        "import os, resource\nfrom stages import coco\n"
        "opened = len(os.listdir('/proc/self/fd'))\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (opened, opened))"
    )
    code, said = run("coco", copy, limited)
    assert code == 1
    assert "Traceback" not in said
    assert "Too many open files; allow more by `ulimit -n 4096`" in said or "cannot be read" in said


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({"PYTHONIOENCODING": "ascii"}, id="ascii"),
        pytest.param({"PYTHONIOENCODING": "latin-1"}, id="Latin-1"),
        pytest.param({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, id="C"),
    ],
)
def test_a_terminal_of_any_encoding_will_do(tmp_path: Path, variables: dict[str, str]) -> None:
    dish = "\u5bff\u53f8"
    project = ExportProject(tmp_path / "project", {}, categories=[dish, "CR\u00c8ME"])
    project.add_images(1, 2, 3)
    project.rows = {name: [(dish, (1, 2, 9, 9)), ("\u5bff", (1, 2, 9, 9))] for name in project.rows}
    project.write()
    for stage in STAGES:
        code, said = run(stage, project.root, **variables)
        assert code == 0, said
    project.rows["cr\u00e8me.jpg"] = []
    project.write()
    code, said = run("fetch", project.root, **variables)
    assert code == 1
    assert "Traceback" not in said
    assert "row 5: 'cr\\xe8me.jpg': " in said or "row 5: 'cr\ufffdme.jpg': " in said


def test_a_name_that_the_system_cannot_write_is_told_with_its_cure(tmp_path: Path) -> None:
    project = ExportProject(tmp_path / "project", {})
    project.add_images(1)
    (project.root / "data/raw/1.jpg").rename(project.root / "data/raw/cr\u00e8me.jpg")
    project.rows = {"cr\u00e8me.jpg": []}
    project.write()
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    code, said = run("fetch", project.root, **ascii_only)
    assert code == 1
    assert "Traceback" not in said
    assert "names of files are ascii here, by the locale; set PYTHONUTF8=1" in said
