"""A repository of its own, in which `dvc` runs as a user runs it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ENVIRONMENT = os.environ | {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "DVC_NO_ANALYTICS": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "test",
    "GIT_AUTHOR_EMAIL": "test@localhost",
    "GIT_COMMITTER_NAME": "test",
    "GIT_COMMITTER_EMAIL": "test@localhost",
}


@dataclass
class Repository:
    """A copy of the project's files, committed to a Git repository."""

    path: Path

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command; return what it printed."""
        done = subprocess.run(
            command,
            cwd=self.path,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1200,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-6000:]}"
        return done.stdout

    def repro(self, *arguments: str, check: bool = True) -> list[str]:
        """`dvc repro`; the stages that it ran."""
        return re.findall(
            r"Running stage '([^']+)'", self.run("dvc", "repro", *arguments, check=check)
        )

    def set(self, **sections: dict[str, Any]) -> None:
        """Change params.yaml."""
        path = self.path / "params.yaml"
        params = YAML(typ="safe").load(path)
        for section, values in sections.items():
            params[section] |= values
        with path.open("w") as file:
            YAML(typ="safe").dump(params, file)


@dataclass(frozen=True)
class FinishedPipeline:
    """A whole `dvc repro` on the drawn sample, with everything made small.

    Attributes:
        repository: in which it ran; tests go on with it.
        params: the params.yaml that it followed.
        stages: that ran.
        lock: the dvc.lock that it wrote.
    """

    repository: Repository
    params: bytes
    stages: list[str]
    lock: bytes


def copy_project(root: Path, path: Path) -> Repository:
    """Copy the project as it stands, without outputs, and commit it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        # A dvc.lock of this checkout would keep its order of stages, and name outputs.
        if (root / name).is_file() and name != "dvc.lock":
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, path / name)
    copy = Repository(path)
    copy.run("git", "init", "-q", "-b", "main")
    copy.run("git", "add", "-A")
    copy.run("git", "commit", "-qm", "Start")
    return copy


@pytest.fixture(scope="module")
def repository(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The project as it stands, without outputs."""
    return copy_project(root, tmp_path_factory.mktemp("clone") / "project")


SMALL_TRAINING = {"image_size": 128, "batch_size": 2, "steps": 3, "validations": 1}


@pytest.fixture(scope="session")
def small() -> Callable[..., dict[str, Any]]:
    """Settings of a training that takes a minute."""
    return lambda **changes: SMALL_TRAINING | changes


@pytest.fixture(scope="session")
def whole(
    root: Path, tmp_path_factory: pytest.TempPathFactory, small: Callable[..., dict[str, Any]]
) -> FinishedPipeline:
    """The pipeline once to its end, for all who need one."""
    repository = copy_project(root, tmp_path_factory.mktemp("whole") / "project")
    repository.set(
        sample={"images": 24, "size": 128},
        train=small(steps=12, validations=3),
        evaluate={"images": 2},
    )
    stages = repository.repro()
    params, lock = ((repository.path / name).read_bytes() for name in ("params.yaml", "dvc.lock"))
    return FinishedPipeline(repository, params, stages, lock)
