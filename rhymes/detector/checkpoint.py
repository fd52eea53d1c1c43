"""A trained detector in a folder: its weights, its effective configuration, what it was made of.

ckpt.index, ckpt.data-*   the weights, whole and by part (backbone, decoder, heads), so that
another training can start from them (`train.pretrained`)
experiment.yaml           Model Garden's effective configuration
training.json             the record (`build_record`) and the validation of these weights
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras
import yaml

from rhymes.common.errors import InputError
from rhymes.common.files import file_to_sha256, folder_written_aside, save_json, save_text
from rhymes.common.params import section_to_dict
from rhymes.detector.experiment import (
    Experiment,
    build_network,
    dict_to_experiment,
    experiment_to_dict,
)
from rhymes.detector.settings import DataFacts, TrainParams
from rhymes.versions.environment import load_environment

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("rhymes", "stages")
_WEIGHTS, _EXPERIMENT, _RECORD = "ckpt", "experiment.yaml", "training.json"


def save_trained(
    folder: Path, experiment: Experiment, network: tf_keras.Model, record: Mapping[str, Any]
) -> None:
    """Write a trained detector to `folder`, aside and renamed."""
    with folder_written_aside(folder) as aside:
        parts = tf.train.Checkpoint(model=network, **network.checkpoint_items)
        parts.write(str(aside / _WEIGHTS))
        save_text(aside / _EXPERIMENT, yaml.safe_dump(experiment_to_dict(experiment)))
        save_json(aside / _RECORD, record)


def load_trained(folder: Path) -> tuple[Experiment, tf_keras.Model, dict[str, Any]]:
    """Load what `save_trained` wrote: experiment, network with its weights, record.

    Raises:
        InputError: a file is missing, or the weights are another network's.
    """
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        values = yaml.safe_load((folder / _EXPERIMENT).read_text(encoding="utf-8"))
        experiment = dict_to_experiment(values, record["model"])
        network = build_network(experiment)
        status = tf.train.Checkpoint(model=network).read(str(folder / _WEIGHTS))
        status.expect_partial().assert_existing_objects_matched()
    except (OSError, ValueError, KeyError, AssertionError, tf.errors.OpError) as error:
        raise InputError(
            f"{folder}: not a trained detector ({error}); `dvc repro train` makes one"
        ) from error
    return experiment, network, record


def build_record(
    params: TrainParams, model: str, facts: DataFacts, data: Iterable[Path], weights: Path | None
) -> dict[str, Any]:
    """Describe a training before it runs, by what its bytes depend on.

    That is contents and versions alone: no path, no clock, no Git state.

    Args:
        params: the section `train`.
        model: the architecture, with `auto` decided.
        facts: of the data.
        data: the files that are trained and validated on.
        weights: the file of pretrained weights, if any.
    """
    settings = section_to_dict(params)
    # The same weights may lie elsewhere on another machine: their hash says which they are.
    del settings["pretrained"]
    return {
        "model": model,
        "classes": [{"id": i, "name": name} for i, name in enumerate(facts.class_names, start=1)],
        "params": settings,
        "pretrained": _weights_to_record(weights),
        "data": {"sha256": files_to_sha256(data)},
        "code": {"sha256": files_to_sha256(_own_modules(), _ROOT)},
        "environment": load_environment(),
    }


def files_to_sha256(paths: Iterable[Path], root: Path = Path()) -> str:
    """Return one SHA-256 over the paths, which are relative to `root`, and contents of files."""
    lines = sorted(f"{path.as_posix()} {file_to_sha256(root / path)}\n" for path in paths)
    return hashlib.sha256("".join(lines).encode("utf-8")).hexdigest()


def _weights_to_record(weights: Path | None) -> Mapping[str, str] | None:
    if weights is None:
        return None
    files = [weights]
    if weights.is_dir():
        files = sorted(path for path in weights.iterdir() if path.is_file())
    elif weights.suffix == ".index":
        files = sorted(weights.parent.glob(f"{weights.stem}.*"))
    if files == [weights]:
        return {"file": weights.name, "sha256": file_to_sha256(weights)}
    names = [Path(path.name) for path in files]
    return {"file": weights.name, "sha256": files_to_sha256(names, files[0].parent)}


def _own_modules() -> list[Path]:
    """Files of the project's own modules that this process has imported, relative to the root."""
    files = {
        Path(file).resolve()
        for name, module in list(sys.modules.items())
        if name.split(".")[0] in (*_PACKAGES, "__main__")
        and (file := getattr(module, "__file__", None))
    }
    return sorted(path.relative_to(_ROOT) for path in files if path.is_relative_to(_ROOT))
