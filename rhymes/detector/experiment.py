"""An experiment: settings and facts of the data -> configuration, network and inference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tf_keras
from official.core import config_definitions, exp_factory, task_factory
from official.modeling import hyperparams
from official.vision import registry_imports  # noqa: F401  (registers the experiments)

from rhymes.common.errors import InputError
from rhymes.detector.architecture import Architecture, load_architecture
from rhymes.detector.inference import Inference
from rhymes.detector.settings import DataFacts, TrainParams

_WARMUP_STEPS = 50


@dataclass(frozen=True)
class Experiment:
    """A detector to be trained, or that was.

    Attributes:
        architecture: what kind of detector it is.
        config: Model Garden's configuration of its task and trainer.
    """

    architecture: Architecture
    config: config_definitions.ExperimentConfig

    @property
    def score_threshold(self) -> float:
        """The score below which the network drops detections."""
        return self.architecture.score_threshold(self.config)


def build_experiment(params: TrainParams, model: str, facts: DataFacts) -> Experiment:
    """Configure a training.

    Args:
        params: the section `train` of params.yaml.
        model: the architecture (`params.model`, with `auto` decided).
        facts: what the data says; sizes of the classifier and of the ground truth follow it.

    Raises:
        InputError: there is no such architecture, or TensorFlow was imported without
            TF_USE_LEGACY_KERAS.
    """
    architecture = load_architecture(model)
    overrides = {
        "runtime": {"mixed_precision_dtype": "float32", "distribution_strategy": params.strategy},
        "task": architecture.build_task(params, facts),
        "trainer": _trainer(params),
    }
    experiment = _override(architecture, overrides)
    experiment.config.validate()
    return experiment


def experiment_to_dict(experiment: Experiment) -> dict[str, Any]:
    """Return the effective configuration as plain values."""
    values: dict[str, Any] = experiment.config.as_dict()
    return values


def dict_to_experiment(values: Mapping[str, Any], model: str) -> Experiment:
    """Rebuild an experiment of an architecture from `experiment_to_dict`'s values.

    Raises:
        InputError: there is no such architecture, or TensorFlow was imported without
            TF_USE_LEGACY_KERAS.
    """
    return _override(load_architecture(model), values)


def build_network(experiment: Experiment) -> tf_keras.Model:
    """Build the network of an experiment, with random weights."""
    return task_factory.get_task(experiment.config.task).build_model()


def network_to_inference(experiment: Experiment, network: tf_keras.Model) -> Inference:
    """Wrap a network, in training or trained: its weights of the moment are used."""
    size = list(experiment.config.task.model.input_size[:2])
    return Inference(size, experiment.architecture.build_detect(experiment.config, network))


def _override(architecture: Architecture, values: Mapping[str, Any]) -> Experiment:
    # Each network that is built or exported begins here.
    _check_keras()
    config = exp_factory.get_exp_config(architecture.stock_experiment)
    hyperparams.override_params_dict(config, dict(values), is_strict=True)
    return Experiment(architecture, config)


def _check_keras() -> None:
    if tf.keras.Model is not tf_keras.Model:
        raise InputError(
            "tf.keras is Keras 3, and Model Garden is made with Keras 2; with both in a process an "
            "exported model has other bytes. Set TF_USE_LEGACY_KERAS=1 before TensorFlow is "
            "imported, or first call set_tensorflow_environment() of "
            "rhymes.common.tensorflow_environment"
        )


def _trainer(params: TrainParams) -> dict[str, Any]:
    return {
        "train_steps": params.steps,
        "validation_interval": max(1, math.ceil(params.steps / params.validations)),
        "optimizer_config": {
            "optimizer": {
                "type": "adamw_experimental",
                "adamw_experimental": {"weight_decay": 1e-4, "global_clipnorm": 10.0},
            },
            "learning_rate": {
                "type": "cosine",
                "cosine": {
                    "initial_learning_rate": params.learning_rate,
                    "decay_steps": params.steps,
                    "alpha": 0.01,
                },
            },
            "warmup": {
                "type": "linear",
                "linear": {
                    # A run shorter than the usual warm-up still reaches its learning rate.
                    "warmup_steps": max(1, min(_WARMUP_STEPS, params.steps // 10)),
                    "warmup_learning_rate": params.learning_rate / 100,
                },
            },
        },
    }
