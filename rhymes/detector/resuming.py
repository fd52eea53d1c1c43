"""Resuming of a killed training: its progress, where it is kept, and for how long.

The folder is `.dvc/tmp/rhymes/training/<key>/` of the main repository, because DVC deletes a
stage's outputs before it runs; the key is a hash of all that determines the training, so that other
parameters, data, code, Python or libraries never go on from it.

One file holds how far a training has come: a SHA-256, and then the numpy archive (.npz) that it is
of. In it is all that the next step depends on: weights, the optimizer's variables, the best weights
so far with their validation, and the figures reported so far. What is random follows from the
number of the step (`rhymes.detector.randomness`), the next images follow from it as well, so a
training that goes on ends in the same bytes as one that was never killed.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from rhymes.common.errors import InputError
from rhymes.common.files import save_bytes, sync_folder
from rhymes.versions.scratch import scratch_folder

Arrays = list[NDArray[Any]]

_ARRAYS = ("weights", "optimizer", "best_weights")
_DIGEST_BYTES = hashlib.sha256().digest_size
_PROGRESS, _LOCK = "progress", "lock"
_FORGOTTEN = 14 * 24 * 3600.0  # seconds after which an abandoned training's progress goes


@dataclass(frozen=True)
class Validation:
    """Metrics on the val split after `step` batches; `ranked_by` names the one that counts."""

    step: int
    metrics: Mapping[str, Any]
    ranked_by: str

    @property
    def score(self) -> float:
        """What the kept weights are best in; 0 where it is undefined."""
        return self.metrics.get(self.ranked_by) or 0.0


@dataclass(frozen=True)
class Progress:
    """A training after `step` batches.

    Attributes:
        step: batches trained on.
        weights: of the network, in the order of its variables.
        optimizer: its variables, in their order.
        best: the best validation so far.
        best_weights: the weights it measured.
        reports: figures reported so far: step and values.
    """

    step: int
    weights: Arrays
    optimizer: Arrays
    best: Validation | None
    best_weights: Arrays
    reports: list[tuple[int, Mapping[str, float]]]


def save_progress(path: Path, progress: Progress) -> None:
    """Write a progress aside, flush it to the disk, rename it: the last good one is never lost.

    A kill or a power loss at any moment leaves this one or the one before.
    """
    best = progress.best
    values = {
        "step": progress.step,
        "best": best and [best.step, dict(best.metrics), best.ranked_by],
        "reports": [[step, dict(figures)] for step, figures in progress.reports],
    }
    arrays = {
        f"{name}/{index:06d}": array
        for name in _ARRAYS
        for index, array in enumerate(getattr(progress, name))
    }
    buffer = io.BytesIO()
    np.savez(buffer, values=np.frombuffer(json.dumps(values).encode(), np.uint8), **arrays)
    data = buffer.getvalue()
    save_bytes(path, hashlib.sha256(data).digest() + data)
    sync_folder(path.parent)


def load_progress(path: Path) -> Progress | None:
    """Read what `save_progress` wrote; None where there is no file.

    Raises:
        InputError: the file is not as it was written; its digest tells.
    """
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        return None
    digest, data = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
    if hashlib.sha256(data).digest() != digest:
        raise InputError(f"{path}: half written, or broken by the disk")
    with np.load(io.BytesIO(data), allow_pickle=False) as members:
        values = json.loads(members["values"].tobytes())
        arrays: dict[str, Arrays] = {name: [] for name in _ARRAYS}
        for key in sorted(members.files):
            if key != "values":
                arrays[key.split("/")[0]].append(members[key])
    best = values["best"]
    return Progress(
        step=values["step"],
        best=Validation(*best) if best else None,
        reports=[(step, figures) for step, figures in values["reports"]],
        **arrays,
    )


class Checkpoints:
    """Progress of one training, kept while this process holds the training's lock.

    Args:
        folder: of this training.
        pause: least seconds between two saves that nobody asked for.
    """

    def __init__(self, folder: Path, pause: float) -> None:
        self._path = folder / _PROGRESS
        self._pause = pause
        self._saved = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the last save lies long enough behind."""
        return time.monotonic() - self._saved >= self._pause

    def load(self) -> Progress | None:
        """The last progress, if there is one; one that is broken is told and left out."""
        try:
            return load_progress(self._path)
        except InputError as error:
            print(f"train: {error}; the training begins anew", file=sys.stderr, flush=True)
            return None

    def save(self, progress: Progress) -> None:
        """Replace the last progress."""
        save_progress(self._path, progress)
        self._saved = time.monotonic()


@contextmanager
def open_checkpoints(
    record: Mapping[str, Any], root: Path = Path(), pause: float = 60.0
) -> Iterator[Checkpoints]:
    """Hold the lock of the training that `record` describes; forget its progress when it is done.

    Done is a block that ends without an error; after a kill or an error the progress stays.

    Args:
        record: of `rhymes.detector.checkpoint`: parameters, data, code, environment.
        root: of the repository.
        pause: seconds, see `Checkpoints`.

    Raises:
        InputError: another process runs the same training.
    """
    base = scratch_folder("training", root)
    key = _record_to_key(record)
    _forget_abandoned(base, key)
    folder = base / key
    folder.mkdir(exist_ok=True)
    # A lock of the system's, which ends with the process; where there is none, an error.
    lock = FileLock(folder / _LOCK, fallback_to_soft=False)
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        raise InputError(
            "a training with the same parameters, data and code is running already; wait for "
            "it (its result will be taken from DVC's run cache), or change train.seed"
        ) from None
    with held:
        yield Checkpoints(folder, pause)
        shutil.rmtree(folder, ignore_errors=True)


def _record_to_key(record: Mapping[str, Any]) -> str:
    text = json.dumps(record, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:32]


def _forget_abandoned(base: Path, key: str) -> None:
    """Remove progress that nobody has gone on from for two weeks."""
    for folder in base.iterdir():
        if folder.name == key or not folder.is_dir():
            continue
        if time.time() - folder.stat().st_mtime > _FORGOTTEN:
            shutil.rmtree(folder, ignore_errors=True)
