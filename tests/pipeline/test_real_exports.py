"""Real exports, used in place, with trainings of a few steps: conversion, wiring, formats."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rhymes.coco.files import load_coco
from rhymes.detector.settings import splits_to_facts

pytestmark = [pytest.mark.pipeline, pytest.mark.tf]


@pytest.mark.parametrize(
    ("export", "model", "objects", "has_masks"),
    [
        pytest.param("bccd3", "retinanet", 4886, False, id="boxes, RetinaNet, pretrained"),
        pytest.param("breadboard5", "mask_rcnn", 389, True, id="polygons, Mask R-CNN"),
    ],
)
def test_a_real_export_runs_to_the_end(
    repository: Any,
    small: Callable[..., dict[str, Any]],
    shared: Path,
    export: str,
    model: str,
    objects: int,
    has_masks: bool,
) -> None:
    weights = shared / "pretrained/mobilenet_v2_1.0_no_top.h5"
    shutil.copyfile(weights, repository.path / "pretrained" / weights.name)
    pretrained = weights.name if model == "retinanet" else "none"
    repository.set(
        raw={"export": str(shared / "datasets" / export)},
        train=small(model=model, pretrained=pretrained),
        evaluate={"images": 1},
    )
    repository.run("dvc", "repro", "evaluate")
    check_nothing_was_dropped(repository, objects)
    metrics = json.loads((repository.path / "reports/evaluate/metrics.json").read_text())
    assert ("mask_AP" in metrics) == has_masks
    record = json.loads((repository.path / "models/checkpoint/training.json").read_text())
    assert bool(record["pretrained"]) == (pretrained != "none")
    text = (repository.path / "models/checkpoint/training.json").read_text()
    assert str(shared) not in text, "no path of this machine in an output"


def test_boxes_alone_choose_a_model_without_masks(repository: Any, shared: Path) -> None:
    from rhymes.detector.architecture import resolve_model

    repository.set(raw={"export": str(shared / "datasets/microcontroller4")})
    repository.run("dvc", "repro", "tfrecord")
    check_nothing_was_dropped(repository, 177)
    data = repository.path / "data"
    masks = json.loads((data / "tfrecord/train/count.json").read_text())["masks"]
    splits = (load_coco(data / f"coco/{split}.json") for split in ("train", "val"))
    assert resolve_model("auto", splits_to_facts(*splits, masks=masks)) == "faster_rcnn"


def check_nothing_was_dropped(repository: Any, objects: int) -> None:
    report = json.loads((repository.path / "data/coco/report.json").read_text())
    assert report["items"]["kept"] == objects
    assert report["items"]["dropped"] == 0
