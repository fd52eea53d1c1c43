"""A progress file: all or nothing, and the same values again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rhymes.common.errors import InputError
from rhymes.detector.progress import Progress, Validation, load_progress, save_progress


def make_progress(step: int = 12, best: Validation | None = None, parts: int = 11) -> Progress:
    generator = np.random.default_rng(step)
    arrays = [generator.normal(size=(place, 2)).astype(np.float32) for place in range(parts)]
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
    for place in range(0, len(data), 7):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
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
