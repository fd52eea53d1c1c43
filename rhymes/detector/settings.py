"""The section `train` of params.yaml, and the facts of the data that shape a training.

These are the settings of the detector, so they live beside it; `stages.train` alone reads them
from params.yaml.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from rhymes.common.errors import InputError
from rhymes.common.params import one_of, section
from rhymes.detector import architectures
from rhymes.detector.backbones import BACKBONES

Strategy = Literal["one_device", "mirrored", "multi_worker_mirrored", "tpu"]

STRIDE = 64
"""Pixels of the input per cell of the coarsest feature map (2 ** level 6)."""


@section
class Augmentation:
    """Random changes of a training image.

    Attributes:
        flip: mirror half of the images, left to right.
        scale_min: least factor of the random scale (the image is padded below 1).
        scale_max: largest factor of the random scale (the image is cropped above 1).
    """

    flip: bool
    scale_min: Annotated[float, Field(gt=0.0, le=1.0)]
    scale_max: Annotated[float, Field(ge=1.0, le=10.0)]


@section
class TrainParams:
    """The section `train`.

    Attributes:
        model: the architecture, a file of `rhymes/detector/architectures/`; `auto` is decided by
            the data (`rhymes.detector.architecture.resolve_model`).
        backbone: the feature extractor, of `rhymes.detector.backbones`.
        image_size: side of the square input, pixels; images keep their aspect and are padded.
        steps: batches to train on.
        batch_size: images a batch, over all devices.
        learning_rate: peak of the cosine schedule (AdamW).
        pretrained: `none`, `imagenet`, or the name, below pretrained/, of a Keras MobileNetV2
            `.h5` file or of a Model Garden checkpoint (its folder, or its `.index` file).
        seed: of weights, order of the data, and augmentation.
        validations: evaluations on the val split, evenly spaced; the best checkpoint is kept.
        strategy: Model Garden's distribution strategy.
        augmentation: see `Augmentation`.
    """

    model: Annotated[str, one_of(lambda: ["auto", *architectures.list_names()])]
    backbone: Annotated[str, one_of(lambda: BACKBONES)]
    image_size: Annotated[int, Field(ge=STRIDE, le=4096, multiple_of=STRIDE)]
    steps: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=1)]
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)]
    pretrained: Annotated[str, Field(min_length=1)]
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    validations: Annotated[int, Field(ge=1)]
    strategy: Strategy
    augmentation: Augmentation


@section
class DataFacts:
    """What the configuration of a detector must know of its data.

    Attributes:
        class_names: in the order of their ids, which begin at 1.
        train_images: images in the train split.
        most_objects: objects in the fullest image of all the splits trained or validated on.
        objects: objects in these splits.
        polygons: those of them that have a polygon.
        masks: whether the TFRecords hold masks.
    """

    class_names: list[str]
    train_images: int
    most_objects: int
    objects: int
    polygons: int
    masks: bool


def splits_to_facts(train: Mapping[str, Any], val: Mapping[str, Any], *, masks: bool) -> DataFacts:
    """Count what a configuration must know in the train and val splits (COCO).

    Args:
        train: the train split.
        val: the val split.
        masks: whether the TFRecords hold masks.

    Raises:
        InputError: there is nothing to train on.
    """
    objects = [*train["annotations"], *val["annotations"]]
    if not train["annotations"]:
        raise InputError("data/coco/train.json: no object to train on; see data/coco/report.md")
    per_image = Counter(each["image_id"] for each in objects)
    return DataFacts(
        class_names=[category["name"] for category in train["categories"]],
        train_images=len(train["images"]),
        most_objects=max(per_image.values()),
        objects=len(objects),
        polygons=sum(bool(each.get("segmentation")) for each in objects),
        masks=masks,
    )
