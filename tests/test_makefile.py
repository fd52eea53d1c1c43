"""Which Python the Makefile makes .venv with, and when it makes it anew."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT

Make = Callable[..., subprocess.CompletedProcess[str]]
SHIM = "#!/bin/sh\necho 'pyenv: command not found' >&2; exit 127\n"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """The only folder on make's path: the newest Python that it takes is a shim of none."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "rm", "touch"):
        (folder / name).symlink_to(shutil.which(name) or name)
    save_program(folder / "python3.13", SHIM)
    return folder


@pytest.fixture
def make(tmp_path: Path, programs: Path) -> Make:
    """Run make in a new checkout; the package `uv` that it installs is an empty one."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    shutil.copyfile(ROOT / "Makefile", checkout / "Makefile")
    save_wheel(tmp_path)
    environment = {
        "PATH": str(programs), "HOME": str(tmp_path), "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": os.devnull,
    }  # fmt: skip

    def run(*variables: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [shutil.which("make") or "make", ".venv/uv", "UV_VERSION=0.0.0", *variables],
            cwd=checkout, env=environment | more, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip

    return run


def save_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def save_python(path: Path) -> None:
    """Make this test's Python one that is found by another name."""
    save_program(path, f'#!/bin/sh\nexec {os.path.realpath(sys.executable)} "$@"\n')


def save_wheel(folder: Path) -> None:
    with zipfile.ZipFile(folder / "uv-0.0.0-py3-none-any.whl", "w") as wheel:
        info = "uv-0.0.0.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: uv\nVersion: 0.0.0\n")
        tag = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        wheel.writestr(f"{info}/WHEEL", tag)
        wheel.writestr(f"{info}/RECORD", "")


def test_the_newest_that_works_is_taken(make: Make, programs: Path, tmp_path: Path) -> None:
    save_python(programs / "python3.12")
    save_program(programs / "python3.11", SHIM)
    done = make()
    assert done.stdout == f"Setting up .venv with {programs}/python3.12 (once)\n", done.stderr
    assert (tmp_path / "checkout/.venv/bin/python").is_file()


def test_none_that_works_is_told(make: Make, tmp_path: Path) -> None:
    done = make()
    assert done.returncode == 2
    assert done.stdout.startswith("python3.13 to python3.11: no Python 3.11, 3.12 or 3.13 with")
    assert "or name it: make PYTHON=/path/to/python3.13" in done.stdout
    assert not (tmp_path / "checkout/.venv").exists()


def test_a_venv_of_another_python_is_made_anew_where_one_is_named(
    make: Make, programs: Path, tmp_path: Path
) -> None:
    save_python(programs / "python3.12")
    venv = tmp_path / "checkout/.venv"
    (venv / "bin").mkdir(parents=True)
    save_program(venv / "bin/python", "#!/bin/sh\necho another one\n")
    (venv / "uv").touch()
    assert "is up to date" in make().stdout, "none is named: what is there is taken"
    for wrong in ("python3.13", "python3.9"):
        done = make(f"PYTHON={wrong}")
        assert done.returncode == 2
        assert f"{wrong}: no Python 3.11, 3.12 or 3.13 with venv" in done.stdout
        assert (venv / "uv").exists(), "nothing is lost for a Python that does not work"
    named = f"Setting up .venv with {programs}/python3.12 (once)\n"
    assert make(PYTHON="python3.12").stdout == named
    assert (venv / "bin/python").is_symlink()
    assert "is up to date" in make("PYTHON=python3.12").stdout
    assert "is up to date" in make().stdout
