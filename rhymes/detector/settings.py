"""The `train` section of params.yaml and what the data says: all that shapes a training.

These are the settings of the detector, so they live beside it; `stages.train` alone reads them
from params.yaml.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from rhymes.common.errors import InputError
from rhymes.common.params import section

Model = Literal["retinanet", "faster_rcnn", "mask_rcnn"]
Backbone = Literal[
    "mobilenet_v2", "mobilenet_v3_large", "resnet_18", "resnet_50", "efficientnet_b0"
]
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
        model: the architecture; `auto` is mask_rcnn where every object has a polygon, else
            faster_rcnn.
        backbone: the feature extractor.
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

    model: Literal["auto"] | Model
    backbone: Backbone
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


def resolve_model(model: str, facts: DataFacts) -> Model:
    """Return the architecture to train: `auto` is decided by the data.

    Raises:
        InputError: mask_rcnn is asked for, and objects lack a polygon or the TFRecords masks.
    """
    match model:
        case "auto":
            return "mask_rcnn" if facts.masks else "faster_rcnn"
        case "mask_rcnn":
            _check_masks(facts)
            return "mask_rcnn"
        case "faster_rcnn":
            return "faster_rcnn"
        case "retinanet":
            return "retinanet"
    raise InputError(f"train.model: unknown architecture '{model}'")


def _check_masks(facts: DataFacts) -> None:
    if missing := facts.objects - facts.polygons:
        raise InputError(
            f"train.model: mask_rcnn needs a polygon for every object, but {missing} of "
            f"{facts.objects} have only a box; use faster_rcnn or retinanet, or have them outlined"
        )
    if not facts.masks:
        raise InputError(
            "train.model: mask_rcnn needs masks in the TFRecords; set tfrecord.include_masks to "
            "true (it then says what is missing)"
        )
