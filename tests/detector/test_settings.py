from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rhymes.common.errors import InputError
from rhymes.detector.settings import DataFacts, resolve_model, splits_to_facts


def split(*objects: tuple[int, bool]) -> dict[str, Any]:
    """A COCO split of objects (image, has a polygon)."""
    annotations = [
        {"image_id": image, **({"segmentation": [[0, 0, 1, 0, 1, 1]]} if outlined else {})}
        for image, outlined in objects
    ]
    return {"images": [1], "annotations": annotations, "categories": [{"name": "A"}]}


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
    assert resolve_model(model, facts(polygons=polygons, masks=masks)) == expected


def test_mask_rcnn_counts_the_objects_without_polygon(facts: Callable[..., DataFacts]) -> None:
    with pytest.raises(InputError, match="7 of 20 have only a box"):
        resolve_model("mask_rcnn", facts(polygons=13, masks=False))


def test_mask_rcnn_needs_masks_in_the_records(facts: Callable[..., DataFacts]) -> None:
    with pytest.raises(InputError, match=r"tfrecord\.include_masks"):
        resolve_model("mask_rcnn", facts(masks=False))


def test_counts_what_the_splits_hold() -> None:
    train, val = split((1, True), (1, False), (2, True)), split(*[(9, True)] * 4)
    facts = splits_to_facts(train, val, masks=False)
    assert (facts.objects, facts.polygons, facts.most_objects) == (7, 6, 4)


def test_nothing_to_train_on_is_an_error() -> None:
    with pytest.raises(InputError, match="no object to train on"):
        splits_to_facts(split(), split((1, True)), masks=True)
