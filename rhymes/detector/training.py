"""The training loop: Model Garden's trainer, validated in between, the best weights kept.

With what it is given: the validation, the report of its figures, and the devices (strategies).
"""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import tensorflow as tf
import tf_keras
from dvclive import Live
from official.common import distribute_utils
from official.core import base_trainer, task_factory, train_utils
from tqdm import tqdm

from rhymes.common.errors import InputError
from rhymes.common.files import save_text
from rhymes.detections.detections import detections_to_coco, outputs_to_detections
from rhymes.detector.experiment import Experiment, network_to_inference
from rhymes.detector.inference import Inference
from rhymes.detector.randomness import STEPS, randomness_from
from rhymes.detector.resuming import Checkpoints, Progress, Validation
from rhymes.metrics.catalogue import metric_key, metrics
from rhymes.metrics.scoring import score, summaries_to_metrics

_STEPS_PER_LOG = 10


class Report(Protocol):
    """Receives what a training has to say."""

    def __call__(self, step: int, metrics: Mapping[str, float]) -> None:
        """Take figures of one step; their names are `train/<loss>` and `val/<metric>`."""


class Training:
    """One training: build it within a strategy's scope, then `run` it.

    Attributes:
        experiment: what is trained, and how.
        network: in training; trained after `run`.
        inference: the same network as it is served.
        best: the validation whose weights are kept.
    """

    def __init__(
        self,
        experiment: Experiment,
        dataset: tf.data.Dataset,
        strategy: tf.distribute.Strategy,
        initialize: Callable[[tf_keras.Model], None] | None = None,
    ) -> None:
        """Build network and optimizer.

        Args:
            experiment: what to train, and how.
            dataset: of `rhymes.detector.inputs`.
            strategy: of `build_strategy`.
            initialize: loads pretrained weights.
        """
        config = experiment.config
        tf_keras.utils.set_random_seed(config.task.train_data.seed)
        self.experiment = experiment
        self._strategy = strategy
        with strategy.scope():
            task = task_factory.get_task(config.task)
            _make_steps_repeatable(task, config.task.train_data.seed)
            self.network = task.build_model()
            if initialize:
                initialize(self.network)
            optimizer = train_utils.create_optimizer(task, config)
            # A step that makes the optimizer's variables itself is traced twice.
            optimizer.build(self.network.trainable_variables)
            self._trainer = base_trainer.Trainer(
                config,
                task,
                model=self.network,
                optimizer=optimizer,
                train=True,
                evaluate=False,
                train_dataset=strategy.experimental_distribute_dataset(dataset),
            )
        self.inference = network_to_inference(experiment, self.network)
        self.best: Validation | None = None
        self._best_weights: list[np.ndarray] = []
        self._step = 0
        self._reports: list[tuple[int, Mapping[str, float]]] = []

    def restore(self, progress: Progress) -> None:
        """Go on from a progress; the dataset must begin with the images of the next step."""
        with self._strategy.scope():
            self._trainer.global_step.assign(progress.step)
        _assign(self.network.variables, progress.weights)
        _assign(self._trainer.optimizer.variables, progress.optimizer)
        self.best, self._best_weights = progress.best, progress.best_weights
        self._step, self._reports = progress.step, list(progress.reports)

    def progress(self) -> Progress:
        """All that the next step depends on."""
        return Progress(
            self._step,
            _values(self.network.variables),
            _values(self._trainer.optimizer.variables),
            self.best,
            self._best_weights,
            list(self._reports),
        )

    def run(
        self,
        validate: Callable[[Inference, int], Validation | None],
        report: Report,
        checkpoints: Checkpoints | None = None,
    ) -> Validation:
        """Train to the end; return the best validation, whose weights the network then has.

        Args:
            validate: measures the network.
            report: takes figures; after `restore` those reported before the kill, too.
            checkpoints: take the progress after each validation, and in between when it is due.

        Raises:
            InputError: the loss is no longer finite.
        """
        for step, figures in self._reports:
            report(step, figures)
        schedule = self.experiment.config.trainer
        total, interval = schedule.train_steps, schedule.validation_interval
        # A terminal sees the bar move; a log gets a line now and then.
        pace = 0.1 if sys.stderr.isatty() else 30.0
        with tqdm(
            total=total,
            initial=self._step,
            unit="step",
            desc="building the graph",
            mininterval=pace,
        ) as bar:
            while self._step < total:
                count = min(_STEPS_PER_LOG, interval - self._step % interval, total - self._step)
                losses = self.advance(count)
                self._step += count
                _check_finite(losses, self._step)
                bar.set_description("training", refresh=False)
                bar.set_postfix(loss=f"{losses['train/loss']:.3f}", refresh=False)
                bar.update(count)
                self._report(report, losses)
                validated = self._step % interval == 0 or self._step == total
                if validated:
                    bar.set_description("validating")
                    self._keep_best(validate(self.inference, self._step), report)
                if checkpoints and (validated or checkpoints.due):
                    checkpoints.save(self.progress())
        return self._restore_best()

    def advance(self, count: int) -> dict[str, float]:
        """Train on the next `count` batches; return their mean losses, and the learning rate."""
        with self._strategy.scope():
            logs = self._trainer.train(tf.constant(count, tf.int32))
        losses = {
            f"train/{name}": float(self._strategy.experimental_local_results(value)[0])
            for name, value in logs.items()
            if name not in ("training_loss", "model_loss")
        }
        losses["train/loss"] = losses.pop("train/total_loss")
        return losses

    def _report(self, report: Report, figures: Mapping[str, float]) -> None:
        self._reports.append((self._step, figures))
        report(self._step, figures)

    def _keep_best(self, validation: Validation | None, report: Report) -> None:
        if validation is None:  # nothing to validate on: the last weights are the best known
            validation = Validation(self._step, {}, metric_key("AP", "bbox"))
        figures = {f"val/{k}": v for k, v in validation.metrics.items() if isinstance(v, float)}
        self._report(report, figures)
        # At equal scores the later weights: they have seen more.
        if self.best is None or validation.score >= self.best.score:
            self.best = validation
            self._best_weights = _values(self.network.variables)

    def _restore_best(self) -> Validation:
        assert self.best is not None  # noqa: S101  (the last step is always validated)
        _assign(self.network.variables, self._best_weights)
        return self.best


def _make_steps_repeatable(task: Any, seed: int) -> None:
    """Let what a step draws (the regions it learns from) follow from the number of the step."""
    train_step = task.train_step

    def repeatable(inputs: Any, model: Any, optimizer: Any, metrics: Any = None) -> Any:
        with randomness_from(seed, STEPS, optimizer.iterations):
            return train_step(inputs, model=model, optimizer=optimizer, metrics=metrics)

    task.train_step = repeatable


def _values(variables: Iterable[tf.Variable]) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]


def _assign(variables: Iterable[tf.Variable], values: Iterable[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _check_finite(losses: Mapping[str, float], step: int) -> None:
    if not math.isfinite(losses["train/loss"]):
        raise InputError(
            f"the loss is {losses['train/loss']} at step {step}; lower train.learning_rate"
        )


def build_validation(
    ground_truth: Mapping[str, Any], images: Path, masks: bool
) -> Callable[[Inference, int], Validation | None]:
    """Return a function that measures an inference; None where there is nothing to measure on.

    Args:
        ground_truth: the val split, COCO.
        images: the folder of its images.
        masks: rank by mask AP instead of box AP.
    """
    traced: list[Callable[[tf.Tensor], Mapping[str, tf.Tensor]]] = []

    def validate(inference: Inference, step: int) -> Validation | None:
        if not ground_truth["annotations"]:
            return None
        if not traced:  # tracing costs seconds; the variables it reads are those of the moment
            spec = tf.TensorSpec([None], tf.string)
            traced.append(tf.function(inference.detect_encoded, input_signature=[spec]))
        results: list[dict[str, Any]] = []
        for image in ground_truth["images"]:
            encoded = tf.constant([(images / image["file_name"]).read_bytes()])
            outputs = {name: value.numpy() for name, value in traced[0](encoded).items()}
            detections = outputs_to_detections(outputs, 0, image["width"], image["height"])
            results += detections_to_coco(detections, image["id"])
        values = summaries_to_metrics(
            score(ground_truth, results, "bbox"),
            score(ground_truth, results, "segm") if masks else None,
        )
        return Validation(step, values, metric_key("AP", "segm" if masks else "bbox"))

    return validate


class TrainingReport:
    """Writes what `Training.run` reports; use it in a `with` block.

    Args:
        folder: DVCLive's: metrics.json (the last figures) and plots/metrics/ (a file a figure).
            A DVC output, so nothing in it tells time. The curves that dvc.yaml plots are all
            there at the end: one that this training has not is a header alone.
        events: TensorBoard's event files, which do.
    """

    def __init__(self, folder: Path, events: Path) -> None:
        # DVC owns dvc.yaml, and runs the experiment: DVCLive has to leave both alone.
        self._live = Live(
            str(folder), dvcyaml=None, save_dvc_exp=False, report=None, monitor_system=False
        )
        shutil.rmtree(events, ignore_errors=True)
        self._folder = folder
        self._events = tf.summary.create_file_writer(str(events))

    def __call__(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log the figures of one step."""
        self._live.step = step
        with self._events.as_default(step=step):
            for name, value in metrics.items():
                self._live.log_metric(name, value)
                tf.summary.scalar(name, value)
        self._live.make_summary()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._events.close()
        if error is None:
            self._live.end()
            # DVC's plots would warn of a file that is missing.
            for metric in metrics(is_headline=True):
                curve = self._folder / "plots/metrics/val" / f"{metric.key}.tsv"
                if not curve.exists():
                    save_text(curve, f"step\t{metric.key}\n")


def build_strategy(name: str) -> tf.distribute.Strategy:
    """Build a `tf.distribute` strategy.

    `one_device` is the first GPU, or the CPU. `mirrored` is all GPUs of this machine, or all
    logical CPU devices where there is none. `multi_worker_mirrored` and `tpu` find their cluster
    as TensorFlow does, by TF_CONFIG and TPU_NAME.

    Raises:
        InputError: the machine lacks the devices.
    """
    gpus = tf.config.list_logical_devices("GPU")
    match name:
        case "one_device":
            return tf.distribute.OneDeviceStrategy("GPU:0" if gpus else "CPU:0")
        case "mirrored":
            devices = gpus or tf.config.list_logical_devices("CPU")
            return tf.distribute.MirroredStrategy([device.name for device in devices])
    try:
        return distribute_utils.get_distribution_strategy(
            distribution_strategy=name, num_gpus=len(gpus), tpu_address=""
        )
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        raise InputError(f"train.strategy: {name} cannot start on this machine: {error}") from error
