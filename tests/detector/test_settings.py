from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rhymes.common.errors import InputError
from rhymes.common.params import dict_to_section, load_params
from rhymes.detector.settings import TrainParams, splits_to_facts


def split(*objects: tuple[int, bool]) -> dict[str, Any]:
    """A COCO split of objects (image, has a polygon)."""
    annotations = [
        {"image_id": image, **({"segmentation": [[0, 0, 1, 0, 1, 1]]} if outlined else {})}
        for image, outlined in objects
    ]
    return {"images": [1], "annotations": annotations, "categories": [{"name": "A"}]}


def test_counts_what_the_splits_hold() -> None:
    train, val = split((1, True), (1, False), (2, True)), split(*[(9, True)] * 4)
    facts = splits_to_facts(train, val, masks=False)
    assert (facts.objects, facts.polygons, facts.most_objects) == (7, 6, 4)


def test_nothing_to_train_on_is_an_error() -> None:
    with pytest.raises(InputError, match="no object to train on"):
        splits_to_facts(split(), split((1, True)), masks=True)


def test_an_unknown_architecture_is_told_with_those_there_are(root: Path) -> None:
    values = load_params(root / "params.yaml")["train"] | {"model": "yolo", "backbone": "vgg"}
    allowed = "'mobilenet_v2', 'mobilenet_v3_large', 'resnet_18', 'resnet_50' or 'efficientnet_b0'"
    with pytest.raises(InputError) as caught:
        dict_to_section(values, TrainParams, "t")
    assert str(caught.value).split("\n") == [
        "t.model: got 'yolo'; input should be 'auto', 'faster_rcnn', 'mask_rcnn' or 'retinanet'",
        f"t.backbone: got 'vgg'; input should be {allowed}",
    ]


def test_settings_are_read_without_tensorflow() -> None:
    code = "import sys, rhymes.detector.settings; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
