from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rhymes.common.errors import InputError
from rhymes.detector.settings import DataFacts, TrainParams

pytestmark = pytest.mark.tf


@pytest.fixture
def batches(
    data: Any, params: Callable[..., TrainParams], facts: Callable[..., DataFacts]
) -> Callable[..., list[Any]]:
    """Read the first batches of two images, as NumPy arrays."""
    from rhymes.detector.experiment import build_experiment
    from rhymes.detector.inputs import build_train_dataset

    def read(count: int, first: int = 0, model: str = "mask_rcnn", **changes: Any) -> list[Any]:
        experiment = build_experiment(params(**changes), model, facts())
        dataset = build_train_dataset(experiment, data.tfrecords, first)
        return list(dataset.take(count).as_numpy_iterator())

    return read


def digest(batch: Any) -> str:
    import tensorflow as tf

    return hashlib.sha256(b"".join(a.tobytes() for a in tf.nest.flatten(batch))).hexdigest()


@pytest.mark.parametrize("model", ["retinanet", "mask_rcnn"])
def test_two_readers_give_the_same_bytes(batches: Callable[..., list[Any]], model: str) -> None:
    first, second = batches(12, model=model), batches(12, model=model)
    assert [digest(batch) for batch in first] == [digest(batch) for batch in second]
    assert len({digest(batch) for batch in first}) == 12, "no two batches are alike"


def test_the_global_seed_does_not_matter(batches: Callable[..., list[Any]]) -> None:
    import tensorflow as tf

    digests = []
    for seed in (5, 6):
        tf.random.set_seed(seed)
        digests.append([digest(batch) for batch in batches(3)])
    assert digests[0] == digests[1]


def test_another_seed_gives_other_bytes(batches: Callable[..., list[Any]]) -> None:
    assert digest(batches(1, seed=1)) != digest(batches(1, seed=2))


def test_goes_on_where_an_earlier_reader_stopped(batches: Callable[..., list[Any]]) -> None:
    whole, rest = batches(9), batches(3, first=12)
    assert [digest(batch) for batch in whole[6:]] == [digest(batch) for batch in rest]


def test_without_augmentation_ground_truth_stays_where_it_was(
    batches: Callable[..., list[Any]], data: Any
) -> None:
    import dataclasses

    from rhymes.detector.settings import Augmentation

    still = Augmentation(flip=False, scale_min=1.0, scale_max=1.0)
    read = [batch[1]["gt_boxes"] for batch in batches(5, augmentation=still)]
    boxes = np.concatenate(read).reshape(-1, 4)
    found = {tuple(np.round(box).astype(int)) for box in boxes if box[2] > 0}
    scale = 128 / 96
    expected = {
        tuple(np.round(np.array([y, x, y + h, x + w]) * scale).astype(int))
        for x, y, w, h in (each["bbox"] for each in data.coco["annotations"])
    }
    assert found == expected, "one epoch holds each object once"
    assert dataclasses.asdict(still)["flip"] is False


def test_flips_image_and_boxes_together(batches: Callable[..., list[Any]]) -> None:
    from rhymes.detector.settings import Augmentation

    flips = Augmentation(flip=True, scale_min=1.0, scale_max=1.0)
    for images, labels in batches(10, augmentation=flips):
        for image, boxes, classes in zip(
            images, labels["gt_boxes"], labels["gt_classes"], strict=True
        ):
            grey = image[64, 0]
            for (y0, x0, y1, x1), label in zip(boxes, classes, strict=True):
                if label > 0:
                    inside = image[int((y0 + y1) / 2), int((x0 + x1) / 2)]
                    assert np.abs(inside - grey).max() > 0.5, "a box lies on something drawn"


def test_flips_about_half_of_the_images(batches: Callable[..., list[Any]]) -> None:
    from rhymes.detector.settings import Augmentation

    flips = Augmentation(flip=True, scale_min=1.0, scale_max=1.0)
    still = Augmentation(flip=False, scale_min=1.0, scale_max=1.0)
    pairs = zip(batches(40, augmentation=flips), batches(40, augmentation=still), strict=True)
    flipped = [
        not np.allclose(a, b)
        for (images, _), (plain, _) in pairs
        for a, b in zip(images, plain, strict=True)
    ]
    assert 0.3 < np.mean(flipped) < 0.7


def test_a_folder_without_records_is_an_error(
    tmp_path: Path, params: Callable[..., TrainParams], facts: Callable[..., DataFacts]
) -> None:
    from rhymes.detector.experiment import build_experiment
    from rhymes.detector.inputs import build_train_dataset

    with pytest.raises(InputError, match="no TFRecord"):
        build_train_dataset(build_experiment(params(), "retinanet", facts()), tmp_path)
