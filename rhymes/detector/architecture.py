"""The interface of an architecture of detectors, and which one a training takes.

The architectures themselves are the files of `rhymes/detector/architectures/`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import tf_keras
from official.core import config_definitions

from rhymes.common.errors import InputError
from rhymes.detector import architectures
from rhymes.detector.inference import Detect
from rhymes.detector.settings import DataFacts, TrainParams

AUTO = "auto"

Config: TypeAlias = config_definitions.ExperimentConfig


@dataclass(frozen=True)
class Architecture:
    """All that differs between one kind of detector and another.

    Attributes:
        stock_experiment: the name of Model Garden's configuration to start from.
        build_task: settings and facts of the data -> the fields of that configuration's `task` to
            override, nested as there. `rhymes.detector.anchors.anchor_task` has those that
            detectors with anchors share.
        build_parser: configuration -> Model Garden's parser, which makes of a decoded record what
            the task trains on; it reads the augmentation in `task.train_data.parser`.
        build_detect: configuration and network -> a function that runs the network on preprocessed
            images and gives the outputs that are served (`rhymes.detector.inference`).
        score_threshold: configuration -> the score below which the network drops detections.
        has_masks: whether it gives masks. It is then trained only where every object has a polygon,
            and its best weights are those of the highest mask AP.
        auto_rank: `auto` takes the architecture of the highest rank that the data allows; None is
            never taken by itself.
    """

    stock_experiment: str
    build_task: Callable[[TrainParams, DataFacts], Mapping[str, Any]]
    build_parser: Callable[[Config], Any]
    build_detect: Callable[[Config, tf_keras.Model], Detect]
    score_threshold: Callable[[Config], float]
    has_masks: bool = False
    auto_rank: int | None = None


def load_architecture(name: str) -> Architecture:
    """Import an architecture's file.

    Raises:
        InputError: there is no such architecture.
    """
    names = architectures.list_names()
    if name not in names:
        raise InputError(f"train.model: unknown architecture '{name}'; there are {_join(names)}")
    module = importlib.import_module(f"{architectures.__name__}.{name}")
    architecture: Architecture = module.ARCHITECTURE
    return architecture


def resolve_model(model: str, facts: DataFacts) -> str:
    """Return the name of the architecture to train: `auto` is decided by the data.

    Raises:
        InputError: there is no such architecture, or it gives masks, and objects lack a polygon or
            the TFRecords masks.
    """
    if model == AUTO:
        return _choose(facts)
    if load_architecture(model).has_masks:
        _check_masks(model, facts)
    return model


def _choose(facts: DataFacts) -> str:
    ranks = {
        name: architecture.auto_rank
        for name in architectures.list_names()
        if (architecture := load_architecture(name)).auto_rank is not None
        and (facts.masks or not architecture.has_masks)
    }
    return max(ranks, key=lambda name: ranks[name] or 0)


def _check_masks(model: str, facts: DataFacts) -> None:
    if missing := facts.objects - facts.polygons:
        others = [n for n in architectures.list_names() if not load_architecture(n).has_masks]
        raise InputError(
            f"train.model: {model} needs a polygon for every object, but {missing} of "
            f"{facts.objects} have only a box; use {_join(others)}, or have them outlined"
        )
    if not facts.masks:
        raise InputError(
            f"train.model: {model} needs masks in the TFRecords; set tfrecord.include_masks to "
            "true (it then says what is missing)"
        )


def _join(names: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
