"""How far a training has come, in one file, so that a killed one goes on from there.

The file holds all that the next step depends on: weights, the optimizer's variables, the best
weights so far with their validation, and the figures reported so far. What is random follows from
the number of the step (`detector.randomness`), the next pictures follow from it as well, so a
training that goes on ends in the same bytes as one that was never killed.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formats.files import save_bytes

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


def save_progress(path: Path, progress: Progress) -> None:
    """Write a progress aside, flush it to the disk, rename it: the last good one is never lost."""
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
    save_bytes(path, buffer.getvalue())


def load_progress(path: Path) -> Progress | None:
    """Read what `save_progress` wrote; None where there is nothing to go on from."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            values = json.loads(stored["values"].tobytes())
            arrays: dict[str, Arrays] = {name: [] for name in _ARRAYS}
            for key in sorted(stored.files):
                if key != "values":
                    arrays[key.split("/")[0]].append(stored[key])
    except (FileNotFoundError, zipfile.BadZipFile, EOFError, ValueError, KeyError):
        return None
    best = values["best"]
    return Progress(
        step=values["step"],
        best=Validation(*best) if best else None,
        reports=[(step, figures) for step, figures in values["reports"]],
        **arrays,
    )
