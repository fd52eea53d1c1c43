"""Which architecture is trained, and what a new one needs: a file."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ruamel.yaml import YAML

from rhymes.common.errors import InputError
from rhymes.common.params import load_params
from rhymes.detector import architectures
from rhymes.detector.settings import DataFacts

pytestmark = pytest.mark.tf

NARROW = """
    from rhymes.detector.anchors import anchor_task
    from rhymes.detector.architecture import Architecture
    from rhymes.detector.architectures import retinanet
    import dataclasses

    def build_task(params, facts):
        head = {"num_convs": 1, "num_filters": 16, "use_separable_conv": True}
        return anchor_task(params, facts, {"anchor": {"num_scales": 1}, "head": head})

    ARCHITECTURE = dataclasses.replace(retinanet.ARCHITECTURE, build_task=build_task)
"""


@pytest.mark.parametrize(
    ("model", "polygons", "masks", "expected"),
    [
        pytest.param("auto", 20, True, "mask_rcnn", id="auto with masks"),
        pytest.param("auto", 19, False, "faster_rcnn", id="auto, one object without polygon"),
        pytest.param("auto", 20, False, "faster_rcnn", id="auto, masks not written"),
        pytest.param("mask_rcnn", 20, True, "mask_rcnn", id="masks asked for"),
        pytest.param("faster_rcnn", 20, True, "faster_rcnn", id="boxes asked for"),
        pytest.param("retinanet", 0, False, "retinanet", id="retinanet"),
    ],
)
def test_resolves_the_architecture(
    facts: Callable[..., DataFacts], model: str, polygons: int, masks: bool, expected: str
) -> None:
    from rhymes.detector.architecture import resolve_model

    assert resolve_model(model, facts(polygons=polygons, masks=masks)) == expected


def test_mask_rcnn_counts_the_objects_without_polygon(facts: Callable[..., DataFacts]) -> None:
    from rhymes.detector.architecture import resolve_model

    with pytest.raises(InputError, match="7 of 20 have only a box"):
        resolve_model("mask_rcnn", facts(polygons=13, masks=False))


def test_mask_rcnn_needs_masks_in_the_records(facts: Callable[..., DataFacts]) -> None:
    from rhymes.detector.architecture import resolve_model

    with pytest.raises(InputError, match=r"tfrecord\.include_masks"):
        resolve_model("mask_rcnn", facts(masks=False))


@pytest.fixture
def narrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A file `narrow.py` as if it lay among the architectures."""
    folder = tmp_path / "architectures"
    folder.mkdir()
    (folder / "narrow.py").write_text(textwrap.dedent(NARROW))
    monkeypatch.setattr(architectures, "__path__", [*architectures.__path__, str(folder)])
    yield "narrow"
    sys.modules.pop(f"{architectures.__name__}.narrow", None)


def save_project(folder: Path, data: Any, root: Path, model: str) -> None:
    """Write what the stage reads: small images as both splits, and a training of two steps."""
    changes = {"model": model, "image_size": 64, "batch_size": 2, "steps": 2, "validations": 1}
    YAML().dump(
        {"train": load_params(root / "params.yaml")["train"] | changes}, folder / "params.yaml"
    )
    (folder / ".dvc").mkdir()
    (folder / "data/coco").mkdir(parents=True)
    for split in ("train", "val"):
        (folder / f"data/coco/{split}.json").write_text(json.dumps(data.coco))
    (folder / "data/images").symlink_to(data.images)
    (folder / "data/tfrecord/train").mkdir(parents=True)
    for record in data.tfrecords.iterdir():
        (folder / "data/tfrecord/train" / record.name).symlink_to(record)
    (folder / "data/tfrecord/train/count.json").write_text('{"masks": false}')


def test_a_new_file_is_a_new_architecture(
    tmp_path: Path, data: Any, root: Path, narrow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rhymes.detector.checkpoint import load_trained
    from stages import train

    save_project(tmp_path, data, root, narrow)
    monkeypatch.chdir(tmp_path)
    train.main()
    experiment, _, record = load_trained(Path("models/checkpoint"))
    assert (record["model"], record["validation"]["step"]) == (narrow, 2)
    assert experiment.config.task.model.head.num_filters == 16
    assert not experiment.architecture.has_masks
    saved = yaml.safe_load(Path("models/checkpoint/experiment.yaml").read_text())
    assert saved["task"]["model"]["anchor"]["num_scales"] == 1
