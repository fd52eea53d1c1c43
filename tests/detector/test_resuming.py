"""Progress outlives a kill, and nobody else goes on from it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rhymes.common.errors import InputError
from rhymes.detector.progress import Progress
from rhymes.detector.resuming import open_checkpoints

RECORD = {"params": {"steps": 10}, "data": {"sha256": "1" * 64}, "code": {"sha256": "2" * 64}}
PROGRESS = Progress(3, [np.zeros(2)], [np.zeros(1)], None, [], [])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / ".dvc").mkdir()
    return tmp_path


def folders(repository: Path) -> list[Path]:
    return sorted((repository / ".dvc/tmp/rhymes/training").iterdir())


def test_progress_outlives_an_error_but_not_success(repository: Path) -> None:
    with pytest.raises(RuntimeError), open_checkpoints(RECORD, repository) as checkpoints:
        assert checkpoints.load() is None
        checkpoints.save(PROGRESS)
        raise RuntimeError("killed")
    with open_checkpoints(RECORD, repository) as checkpoints:
        found = checkpoints.load()
        assert found is not None
        assert found.step == 3
    assert folders(repository) == []


@pytest.mark.parametrize("changed", ["params", "data", "code"])
def test_other_trainings_do_not_go_on_from_it(repository: Path, changed: str) -> None:
    with pytest.raises(RuntimeError), open_checkpoints(RECORD, repository) as checkpoints:
        checkpoints.save(PROGRESS)
        raise RuntimeError("killed")
    other = RECORD | {changed: {"sha256": "3" * 64}}
    with open_checkpoints(other, repository) as checkpoints:
        assert checkpoints.load() is None
    assert len(folders(repository)) == 1, "the stopped training's progress is still there"


def test_a_second_one_of_the_same_kind_is_refused_until_the_first_is_gone(
    repository: Path, root: Path
) -> None:
    code = (
        "import sys, time; from pathlib import Path; from rhymes.detector.resuming import *\n"
        f"with open_checkpoints({RECORD!r}, Path(sys.argv[1])): print('in', flush=True); "
        "time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(repository)],
        cwd=root,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "in\n"
        with (
            pytest.raises(InputError, match="running already"),
            open_checkpoints(RECORD, repository),
        ):
            pass
    finally:
        holder.kill()
        holder.wait(timeout=20)
    with open_checkpoints(RECORD, repository):
        pass


def test_abandoned_progress_is_forgotten(repository: Path) -> None:
    with pytest.raises(RuntimeError), open_checkpoints(RECORD, repository):
        raise RuntimeError("killed")
    (old,) = folders(repository)
    long_ago = time.time() - 30 * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    with pytest.raises(RuntimeError), open_checkpoints(RECORD | {"params": {}}, repository):
        raise RuntimeError("killed")
    assert old not in folders(repository)


def test_a_broken_progress_is_told_and_left_out(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError), open_checkpoints(RECORD, repository) as checkpoints:
        checkpoints.save(PROGRESS)
        raise RuntimeError("killed")
    (folder,) = folders(repository)
    (folder / "progress").write_bytes(b"PK\x03\x04, and then the disk was full")
    with open_checkpoints(RECORD, repository) as checkpoints:
        assert checkpoints.load() is None
    told = capsys.readouterr().err
    assert "progress: half written" in told
    assert "the training begins anew" in told
