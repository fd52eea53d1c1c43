"""What it costs that each run of a training gives the same bytes: `python -m bench training`.

The peer is the same training as Model Garden runs it: its own input reader, whose threads hand over
images in the order in which they are ready and draw from one random state, and steps whose
sampling draws from the state that was left by the step before. Same network, images, batch,
augmentation and threads.
"""

from __future__ import annotations

import dataclasses
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf
from official.core import task_factory
from tqdm import tqdm

from bench.workspace import ROOT, prepare_workspace, run_stages
from rhymes.coco.files import load_coco
from rhymes.common.params import load_section
from rhymes.detector import training
from rhymes.detector.architecture import load_architecture
from rhymes.detector.experiment import build_experiment
from rhymes.detector.inputs import build_train_dataset
from rhymes.detector.settings import TrainParams, splits_to_facts
from rhymes.detector.training import Training, build_strategy

GOAL = 0.9
ROUNDS, STEPS, DRAINED = 7, 24, 6
TOTAL = 2 * ROUNDS * (STEPS + DRAINED)
"""Steps that suffice for `compare_speeds`."""

_MODELS: Sequence[tuple[str, int]] = (("retinanet", 8), ("mask_rcnn", 4))  # and batch sizes
_SHUFFLED = 1024  # records, as many as `rhymes.detector.inputs` holds
_RULED, _FREE = "ruled", "free"
_SECONDS = "seconds"
_TURN_SECONDS = 900.0

_Process = subprocess.Popen[str]


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


def measure(folder: Path, model: str, batch: int) -> Speed:
    """Train a model by the byte rule and without it, in turns.

    Each has a process, which is stopped while the other trains: an input that goes on preparing
    batches would slow the other down, and be ahead when its own turn comes.
    """
    ratios, speeds = [], []
    with _trainer(folder, model, batch, _RULED) as ruled, _trainer(folder, model, batch) as free:
        for _ in tqdm(range(ROUNDS), f"byte rule, {model}", unit="round"):
            taken = [_take_turn(each) for each in (ruled, free)]
            ratios.append(taken[1] / taken[0])
            speeds.append(STEPS / taken[0])
    return Speed(statistics.median(speeds), statistics.median(ratios))


@contextmanager
def _trainer(folder: Path, model: str, batch: int, rule: str = _FREE) -> Iterator[_Process]:
    """Start a process that trains whenever it gets a line; it has built its graph, and is stopped.

    A fresh process is killed in any case: it has nothing to save.
    """
    command = [sys.executable, "-m", "bench.training", str(folder), model, str(batch), rule]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            _read_seconds(process)
            process.send_signal(signal.SIGSTOP)
            yield process
        finally:
            process.kill()


def _take_turn(process: _Process) -> float:
    assert process.stdin is not None  # noqa: S101
    process.send_signal(signal.SIGCONT)
    process.stdin.write("on\n")
    process.stdin.flush()
    seconds = _read_seconds(process)
    process.send_signal(signal.SIGSTOP)
    return seconds


def _read_seconds(process: _Process) -> float:
    """Wait for the line that ends a turn."""
    assert process.stdout is not None  # noqa: S101
    watch = threading.Timer(_TURN_SECONDS, process.kill)
    watch.start()
    try:
        for line in process.stdout:
            if line.startswith(_SECONDS):
                return float(line.removeprefix(_SECONDS))
    finally:
        watch.cancel()
    raise RuntimeError(f"a training ended, or took more than {_TURN_SECONDS:.0f} s for a turn")


def train_in_turns(folder: Path, model: str, batch: int, rule: str) -> None:
    """Be such a process."""
    own = load_section("train", TrainParams, ROOT / "params.yaml")
    params = dataclasses.replace(own, image_size=256, batch_size=batch, steps=TOTAL)
    splits = [load_coco(folder / f"data/coco/{split}.json") for split in ("train", "val")]
    masks = load_architecture(model).has_masks
    experiment = build_experiment(params, model, splits_to_facts(*splits, masks=masks))
    records = folder / "data/tfrecord/train"
    if rule == _RULED:
        dataset = build_train_dataset(experiment, records)
        trained = Training(experiment, dataset, build_strategy("one_device"))
    else:
        # This process trains no other way, so nothing is put back.
        training._make_steps_repeatable = lambda *_: None
        dataset = build_peer_dataset(experiment.config, records)
        trained = Training(experiment, dataset, build_strategy("one_device"))
    print(_SECONDS, _seconds_for_steps(trained), flush=True)
    for _ in sys.stdin:
        print(_SECONDS, _seconds_for_steps(trained), flush=True)


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


if __name__ == "__main__":  # as `_trainer` starts it
    train_in_turns(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4])
