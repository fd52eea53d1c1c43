from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rhymes.detector import architectures
from rhymes.detector.backbones import BACKBONES
from rhymes.detector.settings import DataFacts, TrainParams

pytestmark = pytest.mark.tf
MODELS = architectures.list_names()


@pytest.mark.parametrize("model", MODELS)
def test_follows_the_data(
    params: Callable[..., TrainParams], facts: Callable[..., DataFacts], model: str
) -> None:
    from rhymes.detector.experiment import build_experiment

    config = build_experiment(params(), model, facts(most_objects=134)).config
    assert config.task.model.num_classes == 3, "two classes and the background"
    assert config.task.train_data.parser.max_num_instances == 134, "no ground truth is cut"
    assert config.task.model.detection_generator.max_num_detections == 134
    assert config.task.init_checkpoint is None, "nothing is fetched from a bucket"


def test_never_finds_fewer_than_coco_counts(
    params: Callable[..., TrainParams], facts: Callable[..., DataFacts]
) -> None:
    from rhymes.detector.experiment import build_experiment

    config = build_experiment(params(), "retinanet", facts(most_objects=2)).config
    assert config.task.model.detection_generator.max_num_detections == 100


@pytest.mark.parametrize(
    ("steps", "validations", "warmup", "interval"),
    [
        pytest.param(1, 3, 1, 1, id="one step"),
        pytest.param(20, 3, 2, 7, id="short"),
        pytest.param(600, 3, 50, 200, id="usual"),
        pytest.param(10, 100, 1, 1, id="more validations than steps"),
    ],
)
def test_adapts_to_any_number_of_steps(
    params: Callable[..., TrainParams],
    facts: Callable[..., DataFacts],
    steps: int,
    validations: int,
    warmup: int,
    interval: int,
) -> None:
    from rhymes.detector.experiment import build_experiment

    changed = params(steps=steps, validations=validations)
    config = build_experiment(changed, "retinanet", facts()).config
    assert config.trainer.optimizer_config.warmup.linear.warmup_steps == warmup
    assert config.trainer.optimizer_config.learning_rate.cosine.decay_steps == steps
    assert config.trainer.validation_interval == interval


@pytest.mark.parametrize("model", MODELS)
def test_is_rebuilt_from_its_saved_values(
    params: Callable[..., TrainParams], facts: Callable[..., DataFacts], model: str
) -> None:
    import yaml

    from rhymes.detector.experiment import build_experiment, dict_to_experiment, experiment_to_dict

    experiment = build_experiment(params(), model, facts())
    text = yaml.safe_dump(experiment_to_dict(experiment))
    again = dict_to_experiment(yaml.safe_load(text), model)
    assert experiment_to_dict(again) == experiment_to_dict(experiment)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_backbone_fits_the_pyramid(
    params: Callable[..., TrainParams], facts: Callable[..., DataFacts], backbone: str
) -> None:
    import tensorflow as tf

    from rhymes.detector.experiment import build_experiment, build_network

    network = build_network(build_experiment(params(backbone=backbone), "retinanet", facts()))
    outputs = network(tf.zeros([1, 128, 128, 3]), training=True)
    sides = {level: scores.shape[1] for level, scores in outputs["cls_outputs"].items()}
    assert sides == {"3": 16, "4": 8, "5": 4, "6": 2}


def test_without_legacy_keras_nothing_is_built_and_the_cure_is_said(root: Path) -> None:
    """In a process of its own, as a program that uses the library and sets nothing."""
    code = """if True:
        from rhymes.common.errors import InputError
        from rhymes.detector.experiment import dict_to_experiment
        try:
            dict_to_experiment({}, "retinanet")
        except InputError as error:
            print(error)
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root, env=environment, capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    assert "Set TF_USE_LEGACY_KERAS=1 before TensorFlow is imported" in done.stdout
