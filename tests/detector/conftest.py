"""Small images with ground truth, as COCO and as TFRecords; detectors that are quick to build."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from rhymes.coco.tfrecord import coco_to_features, features_to_example, save_tfrecord
from rhymes.common.params import load_section
from rhymes.detector.settings import DataFacts, TrainParams

CLASSES = {1: "SQUARE", 2: "WIDE"}
COLOURS = {1: (200, 40, 40), 2: (40, 40, 200)}


@dataclasses.dataclass
class Data:
    """A made-up split: `images` (file name -> JPEG), its COCO dict, and its folder of TFRecords."""

    coco: dict[str, Any]
    images: Path
    tfrecords: Path


def draw(boxes: list[tuple[int, list[int]]], width: int, height: int) -> bytes:
    """A grey image with filled boxes, each (class, [x, y, width, height])."""
    image = Image.new("RGB", (width, height), (120, 120, 120))
    for label, (x, y, w, h) in boxes:
        ImageDraw.Draw(image).rectangle((x, y, x + w - 1, y + h - 1), COLOURS[label])
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95)
    return file.getvalue()


def make_data(folder: Path, count: int, per_image: int = 2, side: int = 96) -> Data:
    """Write `count` images of `per_image` boxes each."""
    rng = np.random.default_rng(0)
    images_folder, tfrecords = folder / "images", folder / "tfrecord"
    images_folder.mkdir(parents=True)
    tfrecords.mkdir()
    images, annotations, records = [], [], []
    for number in range(1, count + 1):
        boxes = []
        for _ in range(per_image):
            label = int(rng.integers(1, 3))
            size = [24, 24] if label == 1 else [40, 16]
            x, y = (int(rng.integers(0, side - extent)) for extent in size)
            boxes.append((label, [x, y, *size]))
        jpeg = draw(boxes, side, side)
        digest = hashlib.sha256(jpeg).hexdigest()
        (images_folder / f"{digest}.jpg").write_bytes(jpeg)
        image = {"id": number, "file_name": f"{digest}.jpg", "width": side, "height": side}
        own = [
            {
                "id": len(annotations) + i,
                "image_id": number,
                "category_id": label,
                "bbox": [float(v) for v in (x, y, w, h)],
                "area": float(w * h),
                "iscrowd": 0,
                "segmentation": [[float(v) for v in (x, y, x + w, y, x + w, y + h, x, y + h)]],
            }
            for i, (label, (x, y, w, h)) in enumerate(boxes, start=1)
        ]
        features = coco_to_features(image, own, CLASSES, jpeg, digest, masks=True)
        records.append(features_to_example(features))
        images.append(image)
        annotations += own
    save_tfrecord(tfrecords / "train-00000-of-00001.tfrecord", records)
    categories = [{"id": i, "name": name, "supercategory": ""} for i, name in CLASSES.items()]
    coco = {"info": {}, "licenses": [], "images": images, "annotations": annotations}
    return Data(coco | {"categories": categories}, images_folder, tfrecords)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """Ten images of two boxes each."""
    return make_data(tmp_path_factory.mktemp("data"), 10)


@pytest.fixture(scope="session")
def params(root: Path) -> Callable[..., TrainParams]:
    """The project's train section, with what makes it small, and with changes."""
    own = load_section("train", TrainParams, root / "params.yaml")
    small = dataclasses.replace(own, image_size=128, batch_size=2, steps=3, validations=1)
    return lambda **changes: dataclasses.replace(small, **changes)


@pytest.fixture(scope="session")
def facts() -> Callable[..., DataFacts]:
    """Facts of a data set where every object has a mask, with changes."""
    usual = DataFacts(list(CLASSES.values()), 10, 2, 20, 20, masks=True)
    return lambda **changes: dataclasses.replace(usual, **changes)
