"""A training that was stopped ends as one that was not, and nobody else's progress is used."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.progress import Progress
from detector.resuming import open_checkpoints
from detector.settings import DataFacts, TrainParams
from formats.errors import InputError

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
        "import sys, time; from pathlib import Path; from detector.resuming import *\n"
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


class Stop(Exception):  # noqa: N818  (the kill of these tests)
    pass


@pytest.mark.tf
@pytest.mark.parametrize("model", ["retinanet", "mask_rcnn"])
def test_going_on_gives_the_same_weights_and_figures(
    data: Any, params: Callable[..., TrainParams], facts: Callable[..., DataFacts], model: Any
) -> None:
    from detector.experiment import build_experiment
    from detector.inputs import build_train_dataset
    from detector.progress import Validation
    from detector.strategies import build_strategy
    from detector.training import Training

    config = build_experiment(params(image_size=64, steps=6, validations=3), model, facts())
    saved: list[Progress] = []
    figures: dict[str, list[Any]] = {"whole": [], "resumed": []}

    class Recorder:
        due = False

        def save(self, progress: Progress) -> None:
            saved.append(progress)

    def train(name: str, progress: Progress | None) -> list[np.ndarray]:
        seen = progress.step * 2 if progress else 0
        dataset = build_train_dataset(config, data.tfrecords, first=seen)
        training = Training(config, dataset, build_strategy("one_device"))
        if progress:
            training.restore(progress)
        scores = {2: 0.7, 4: 0.2, 6: 0.5}
        training.run(
            lambda _, step: Validation(step, {"AP": scores[step]}, "AP"),
            lambda step, values: figures[name].append((step, dict(values))),
            Recorder(),  # type: ignore[arg-type]
        )
        return [*training.progress().optimizer, *training.progress().weights]

    whole = train("whole", None)
    assert [progress.step for progress in saved] == [2, 4, 6]
    resumed = train("resumed", saved[1])
    assert figures["resumed"] == figures["whole"]
    assert all((a == b).all() for a, b in zip(resumed, whole, strict=True))
