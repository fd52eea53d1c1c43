"""How far a training has come, in one file, so that a killed one goes on from there.

The file is a SHA-256 and then the numpy archive (.npz) that it is of. It holds all that the next
step depends on: weights, the optimizer's variables, the best weights so far with their validation,
and the figures reported so far. What is random follows from the number of the step
(`rhymes.detector.randomness`), the next pictures follow from it as well, so a training that goes on
ends in the same bytes as one that was never killed.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhymes.common.errors import InputError
from rhymes.common.files import save_bytes, sync_folder

Arrays = list[NDArray[Any]]


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


_ARRAYS = ("weights", "optimizer", "best_weights")
_DIGEST_BYTES = hashlib.sha256().digest_size


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
        f"{name}/{place:06d}": array
        for name in _ARRAYS
        for place, array in enumerate(getattr(progress, name))
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
