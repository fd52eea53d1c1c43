"""A trained detector in a folder: its weights, its effective configuration, what it was made of.

ckpt.index, ckpt.data-*   the weights, whole and by part (backbone, decoder, heads), so that
another training can start from them (`train.pretrained`)
experiment.yaml           Model Garden's effective configuration
training.json             the record (`rhymes.detector.record`) and the validation of these weights
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras
import yaml
from official.core import config_definitions, task_factory

from rhymes.common.errors import InputError
from rhymes.common.files import folder_written_aside, save_json, save_text
from rhymes.detector.experiment import dict_to_experiment, experiment_to_dict

_WEIGHTS, _EXPERIMENT, _RECORD = "ckpt", "experiment.yaml", "training.json"


def save_trained(
    folder: Path,
    config: config_definitions.ExperimentConfig,
    model: tf_keras.Model,
    record: Mapping[str, Any],
) -> None:
    """Write a trained detector to `folder`, aside and renamed."""
    with folder_written_aside(folder) as aside:
        tf.train.Checkpoint(model=model, **model.checkpoint_items).write(str(aside / _WEIGHTS))
        save_text(aside / _EXPERIMENT, yaml.safe_dump(experiment_to_dict(config)))
        save_json(aside / _RECORD, record)


def build_network(config: config_definitions.ExperimentConfig) -> tf_keras.Model:
    """Build the network that a configuration describes, with random weights."""
    return task_factory.get_task(config.task).build_model()


def load_trained(
    folder: Path,
) -> tuple[config_definitions.ExperimentConfig, tf_keras.Model, dict[str, Any]]:
    """Load what `save_trained` wrote: configuration, network with its weights, record.

    Raises:
        InputError: a file is missing, or the weights are another network's.
    """
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        values = yaml.safe_load((folder / _EXPERIMENT).read_text(encoding="utf-8"))
        config = dict_to_experiment(values, record["model"])
        model = build_network(config)
        status = tf.train.Checkpoint(model=model).read(str(folder / _WEIGHTS))
        status.expect_partial().assert_existing_objects_matched()
    except (OSError, ValueError, KeyError, AssertionError, tf.errors.OpError) as error:
        raise InputError(
            f"{folder}: not a trained detector ({error}); `dvc repro train` makes one"
        ) from error
    return config, model, record
