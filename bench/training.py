"""What it costs that each run of a training gives the same bytes: `python -m bench.training`.

The peer is the same training as Model Garden runs it: its own input reader, whose threads hand over
pictures in the order in which they are ready and draw from one random state, and steps whose
sampling draws from the state that was left by the step before. Same network, pictures, batch,
augmentation and threads.
"""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import tensorflow as tf
from official.core import task_factory

from bench.workspace import ROOT, prepare_workspace, run_stages
from detector import training
from detector.experiment import build_experiment
from detector.inputs import build_train_dataset
from detector.settings import Model, TrainParams, splits_to_facts
from detector.strategies import build_strategy
from detector.training import Training
from formats.coco import load_coco
from formats.params import load_section

GOAL = 0.9
ROUNDS, STEPS, DRAINED = 7, 24, 6
TOTAL = 2 * ROUNDS * (STEPS + DRAINED)
"""Steps that suffice for `compare_speeds`."""

_MODELS: Sequence[tuple[Model, int]] = (("retinanet", 8), ("mask_rcnn", 4))  # and batch sizes
_SHUFFLED = 1024  # records, as many as `detector.inputs` holds


class Speed(NamedTuple):
    """How fast a training steps.

    Attributes:
        steps: a second.
        ratio: of that to the peer's.
    """

    steps: float
    ratio: float


def main() -> None:
    """Print one line a model."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare_workspace(folder, {"sample": {"images": 120, "size": 640}})
        run_stages(folder, ["sample", "fetch", "coco", "tfrecord"])
        for model, batch in _MODELS:
            speed = measure(folder, model, batch)
            print(
                f"byte rule, {model}: {speed.steps:.2f} steps/s, {speed.ratio:.2f}x of the same "
                f"training with Model Garden's own input and randomness (goal >= {GOAL})",
                flush=True,
            )


def measure(folder: Path, model: Model, batch: int) -> Speed:
    """Train a model by the byte rule and without it, in turns."""
    own = load_section("train", TrainParams, ROOT / "params.yaml")
    params = dataclasses.replace(own, image_size=256, batch_size=batch, steps=TOTAL)
    splits = [load_coco(folder / f"data/coco/{split}.json") for split in ("train", "val")]
    config = build_experiment(params, model, splits_to_facts(*splits, masks=model == "mask_rcnn"))
    records = folder / "data/tfrecord/train"
    ruled = Training(config, build_train_dataset(config, records), build_strategy("one_device"))
    with mock.patch.object(training, "_make_steps_repeatable"):
        free = Training(config, build_peer_dataset(config, records), build_strategy("one_device"))
    return compare_speeds(ruled, free)


def build_peer_dataset(config: Any, folder: Path) -> tf.data.Dataset:
    """Read the same records with Model Garden's reader, as fast as it can."""
    data = config.task.train_data.replace(
        input_path=str(folder / "*.tfrecord"),
        is_training=True,
        deterministic=False,
        shuffle_buffer_size=_SHUFFLED,
        seed=None,
    )
    return task_factory.get_task(config.task).build_inputs(data)


def compare_speeds(first: Training, second: Training) -> Speed:
    """Let two trainings take turns; medians of the rounds.

    What an input prepared while the other trained is trained on before the clock starts.
    """
    ratios, speeds = [], []
    for number in range(ROUNDS + 1):
        taken = [_seconds_for_steps(each) for each in (first, second)]
        if number:  # the first round builds the graphs
            ratios.append(taken[1] / taken[0])
            speeds.append(STEPS / taken[0])
    return Speed(statistics.median(speeds), statistics.median(ratios))


def _seconds_for_steps(each: Training) -> float:
    each.advance(DRAINED)
    start = time.perf_counter()
    each.advance(STEPS)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
