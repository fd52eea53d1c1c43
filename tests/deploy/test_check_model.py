"""A model base path is refused where an image of it could not serve."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rhymes.versions.model_folder import MANIFEST_FILE, save_manifest

DVC = Path(sys.executable).with_name("dvc")


def check(root: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(root / "deploy/check_model.sh"), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


def make_model(base: Path, version: str = "1", *, manifest: bool = True) -> Path:
    """Write files as a SavedModel has them, and their manifest."""
    folder = base / version
    for name in ("saved_model.pb", "variables/variables.index", "assets/a (b) é.txt"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    if manifest:
        save_manifest(folder)
    return folder


@pytest.mark.parametrize("manifest", [True, False], ids=["manifest", "no manifest"])
def test_whole_model_is_accepted(root: Path, tmp_path: Path, manifest: bool) -> None:
    make_model(tmp_path, "1", manifest=manifest)
    make_model(tmp_path, "00000123")
    (tmp_path / "notes").mkdir()
    result = check(root, tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert "2 version(s)" in result.stdout


def dead_link(base: Path) -> None:
    path = base / "1/saved_model.pb"
    path.unlink()
    path.symlink_to("/nowhere/.dvc/cache/files/md5/ab/cd")


def living_link(base: Path) -> None:
    path = base / "1/assets/a (b) é.txt"
    path.rename(base / "elsewhere")
    path.symlink_to(base / "elsewhere")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(dead_link, "is a link to /nowhere/.dvc/cache", id="dead link"),
        pytest.param(living_link, "a (b) é.txt is a link to", id="link that lives here"),
        pytest.param(lambda base: (base / "1").rename(base / "v1"), "has no version", id="v1"),
        pytest.param(
            lambda base: (base / "1/saved_model.pb").unlink(), "no saved_model.pb", id="no graph"
        ),
        pytest.param(
            lambda base: (base / "1/saved_model.pb").write_text(""), "an empty one", id="empty"
        ),
        pytest.param(
            lambda base: (base / "1/variables/variables.index").write_text(
                "variables/variables.ix"
            ),
            "variables/variables.index: FAILED",
            id="other bytes",
        ),
        pytest.param(
            lambda base: (base / "1/variables/variables.index").unlink(),
            "is not what its manifest says",
            id="half",
        ),
        pytest.param(
            lambda base: (base / "1" / MANIFEST_FILE).write_text("{"),
            "manifest.json names no files",
            id="broken manifest",
        ),
    ],
)
def test_broken_model_is_refused(
    root: Path, tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    make_model(tmp_path)
    spoil(tmp_path)
    result = check(root, tmp_path)
    assert result.returncode == 1
    assert said in result.stderr


def test_no_model_at_all(root: Path, tmp_path: Path) -> None:
    result = check(root, tmp_path / "models/detector")
    assert result.returncode == 1
    assert "make repro" in result.stderr


def test_links_of_dvc_are_refused_until_the_cure_that_is_named(root: Path, tmp_path: Path) -> None:
    """With `cache.type symlink` DVC puts links; the words of the error take them away."""
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\nno_scm = true\n[cache]\ntype = symlink\n")
    path = f"{DVC.parent}:/usr/bin:/bin"
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1", "PATH": path}

    def run(command: str) -> None:
        shell = ["bash", "-c", command]
        subprocess.run(shell, cwd=tmp_path, env=environment, check=True, timeout=60)

    base = tmp_path / "models/detector"
    make_model(base)
    run("dvc add -q models/detector")
    refused = check(root, base)
    assert refused.returncode == 1
    run(refused.stderr.splitlines()[-1].partition("  ")[2])
    assert check(root, base).returncode == 0
