"""The training loop: Model Garden's trainer, validated in between, the best weights kept."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
import tf_keras
from official.core import base_trainer, config_definitions, task_factory, train_utils
from tqdm import tqdm

from detector.inference import Inference, model_to_inference
from formats.errors import InputError

_STEPS_PER_LOG = 10


class Report(Protocol):
    """Receives what a training has to say."""

    def __call__(self, step: int, metrics: Mapping[str, float]) -> None:
        """Take figures of one step; their names are `train/<loss>` and `val/<metric>`."""


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


class Training:
    """One training: build it within a strategy's scope, then `run` it.

    Attributes:
        config: the experiment.
        model: the network in training.
        inference: the same network as it is served.
        best: the validation whose weights are kept.
    """

    def __init__(
        self,
        config: config_definitions.ExperimentConfig,
        dataset: tf.data.Dataset,
        strategy: tf.distribute.Strategy,
        initialize: Callable[[tf_keras.Model], None] | None = None,
    ) -> None:
        """Build model and optimizer.

        Args:
            config: from `detector.experiment`.
            dataset: of `detector.inputs`.
            strategy: from `detector.strategies`.
            initialize: loads pretrained weights.
        """
        tf_keras.utils.set_random_seed(config.task.train_data.seed)
        self.config = config
        self._strategy = strategy
        with strategy.scope():
            task = task_factory.get_task(config.task)
            self.model = task.build_model()
            if initialize:
                initialize(self.model)
            self._trainer = base_trainer.Trainer(
                config,
                task,
                model=self.model,
                optimizer=train_utils.create_optimizer(task, config),
                train=True,
                evaluate=False,
                train_dataset=strategy.experimental_distribute_dataset(dataset),
            )
        self.inference = model_to_inference(config, self.model)
        self.best: Validation | None = None
        self._best_weights: list[np.ndarray] = []

    def run(
        self, validate: Callable[[Inference, int], Validation | None], report: Report
    ) -> Validation:
        """Train to the end; return the best validation, whose weights the model then has.

        Raises:
            InputError: the loss is no longer finite.
        """
        total = self.config.trainer.train_steps
        interval = self.config.trainer.validation_interval
        # A terminal sees the bar move; a log gets a line now and then.
        pace = 0.1 if sys.stderr.isatty() else 30.0
        with tqdm(total=total, unit="step", desc="building the graph", mininterval=pace) as bar:
            step = 0
            while step < total:
                count = min(_STEPS_PER_LOG, interval - step % interval, total - step)
                step += count
                losses = self.advance(count)
                _check_finite(losses, step)
                bar.set_description("training", refresh=False)
                bar.set_postfix(loss=f"{losses['train/loss']:.3f}", refresh=False)
                bar.update(count)
                report(step, losses)
                if step % interval == 0 or step == total:
                    bar.set_description("validating")
                    self._keep_best(step, validate(self.inference, step), report)
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

    def _keep_best(self, step: int, found: Validation | None, report: Report) -> None:
        if found is None:  # nothing to validate on: the last weights are the best known
            found = Validation(step, {}, "AP")
        report(step, {f"val/{k}": v for k, v in found.metrics.items() if isinstance(v, float)})
        # At equal scores the later weights: they have seen more.
        if self.best is None or found.score >= self.best.score:
            self.best = found
            self._best_weights = [weight.numpy() for weight in self.model.variables]

    def _restore_best(self) -> Validation:
        assert self.best is not None  # noqa: S101  (the last step is always validated)
        for variable, value in zip(self.model.variables, self._best_weights, strict=True):
            variable.assign(value)
        return self.best


def _check_finite(losses: Mapping[str, float], step: int) -> None:
    if not math.isfinite(losses["train/loss"]):
        raise InputError(
            f"the loss is {losses['train/loss']} at step {step}; lower train.learning_rate"
        )
