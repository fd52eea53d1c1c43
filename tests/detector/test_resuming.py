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
from rhymes.detector.resuming import (
    Progress,
    Validation,
    load_progress,
    open_checkpoints,
    save_progress,
)

RECORD = {
    "params": {"steps": 10},
    "data": {"sha256": "1" * 64},
    "code": {"sha256": "2" * 64},
    "environment": {"python": "3.12"},
}
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


@pytest.mark.parametrize("changed", ["params", "data", "code", "environment"])
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


def make_progress(step: int = 12, best: Validation | None = None, parts: int = 11) -> Progress:
    generator = np.random.default_rng(step)
    arrays = [generator.normal(size=(index, 2)).astype(np.float32) for index in range(parts)]
    return Progress(
        step,
        weights=arrays,
        optimizer=[np.array(step, np.int64), *arrays],
        best=best,
        best_weights=arrays[:3] if best else [],
        reports=[(10, {"train/loss": 0.1 + 0.2}), (12, {"val/AP": 1e-300})],
    )


@pytest.mark.parametrize(
    "best",
    [
        pytest.param(None, id="nothing validated yet"),
        pytest.param(Validation(10, {"AP": 1 / 3, "AR": None}, "AP"), id="validated"),
    ],
)
def test_what_is_saved_is_what_is_loaded(tmp_path: Path, best: Validation | None) -> None:
    saved = make_progress(best=best)
    save_progress(tmp_path / "progress", saved)
    loaded = load_progress(tmp_path / "progress")
    assert loaded is not None
    assert (loaded.step, loaded.best, loaded.reports) == (saved.step, best, saved.reports)
    for name in ("weights", "optimizer", "best_weights"):
        pairs = zip(getattr(loaded, name), getattr(saved, name), strict=True)
        assert all(a.dtype == b.dtype and (a == b).all() for a, b in pairs)


def test_nothing_to_go_on_from(tmp_path: Path) -> None:
    assert load_progress(tmp_path / "progress") is None


@pytest.mark.parametrize("kept", [0, 1, 100, 2000, -1])
def test_half_a_file_is_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "progress"
    save_progress(path, make_progress())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"progress: half written"):
        load_progress(path)


@pytest.mark.parametrize("filler", [b"\0", b"x"])
def test_blocks_that_never_reached_the_disk_are_noticed(tmp_path: Path, filler: bytes) -> None:
    path = tmp_path / "progress"
    save_progress(path, make_progress())
    data = path.read_bytes()
    for start in range(0, len(data), 512):
        path.write_bytes(
            data[:start] + filler * len(data[start : start + 512]) + data[start + 512 :]
        )
        with pytest.raises(InputError, match="half written"):
            load_progress(path)


def test_a_wrong_bit_is_noticed(tmp_path: Path) -> None:
    """In a zip alone it is not: a wrong count of entries hides some of them."""
    path = tmp_path / "progress"
    save_progress(path, make_progress())
    data = path.read_bytes()
    for index in range(0, len(data), 7):
        path.write_bytes(data[:index] + bytes([data[index] ^ 1 << index % 8]) + data[index + 1 :])
        with pytest.raises(InputError, match="half written"):
            load_progress(path)


def test_a_failing_save_keeps_the_last_progress(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    save_progress(path, make_progress(step=1))
    broken = make_progress(step=2)
    broken.reports.append((3, {"val/AP": object()}))  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        save_progress(path, broken)
    loaded = load_progress(path)
    assert loaded is not None
    assert loaded.step == 1
