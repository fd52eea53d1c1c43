"""Test splits, and what detectors of a known quality find in them."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from rhymes.detections.masks import crop_to_rle, polygons_to_crop
from tests.support.coco_factory import box_to_polygon, boxes_to_coco

SIZE = 640, 480


def make_split(
    seed: int, *, images: int = 24, classes: int = 3, objects: int = 4, rare: float = 1.0
) -> Any:
    """Images named by content with up to `objects` objects each, of classes C1, C2, ...

    Args:
        seed: Of all that is drawn.
        images: Number of images.
        classes: Number of classes.
        objects: Greatest number in an image.
        rare: How much rarer a class is than the one before it.
    """
    rng = np.random.default_rng(seed)
    shares = float(rare) ** -np.arange(classes)
    placed = [
        (image, 1 + int(rng.choice(classes, p=shares / shares.sum())), _box(rng))
        for image in range(1, images + 1)
        for _ in range(rng.integers(0, objects + 1))
    ]
    split = boxes_to_coco(placed, [f"C{i}" for i in range(1, classes + 1)], images)
    for image in split["images"]:
        image["file_name"] = f"{hashlib.sha256(str(image['id']).encode()).hexdigest()}.jpg"
    return split


def detect(
    split: Any, seed: int, *, missed: float = 0.15, jitter: float = 0.06, masks: bool = False
) -> list[dict[str, Any]]:
    """COCO results of a detector that misses, misplaces and invents; scores differ in an image.

    Args:
        split: The ground truth.
        seed: Of all that is drawn.
        missed: Share of the objects that it does not find.
        jitter: Standard deviation of a box's corner, in box sizes.
        masks: Whether it gives masks (its boxes, as COCO's RLE).
    """
    rng = np.random.default_rng(seed)
    results: list[dict[str, Any]] = []
    for annotation in split["annotations"]:
        if rng.random() >= missed:
            x, y, width, height = annotation["bbox"]
            dx, dy, dw, dh = rng.normal(0, jitter, 4)
            box = [x + dx * width, y + dy * height, width * (1 + dw), height * (1 + dh)]
            score = 0.4 + 0.6 * rng.random()
            results.append(_result(annotation["image_id"], annotation["category_id"], box, score))
    for image in split["images"]:
        for _ in range(rng.integers(0, 3)):
            class_id = int(rng.integers(1, len(split["categories"]) + 1))
            results.append(_result(image["id"], class_id, _box(rng), 0.7 * rng.random()))
    results.sort(key=lambda result: (result["image_id"], -result["score"]))
    if masks:
        for result in results:
            result["segmentation"] = _box_to_rle(result["bbox"])
    return results


def _box(rng: np.random.Generator) -> list[float]:
    width, height = np.exp(rng.uniform(np.log(20), np.log(200), 2))
    left, top = rng.uniform(0, SIZE[0] - width), rng.uniform(0, SIZE[1] - height)
    return [round(float(value), 2) for value in (left, top, width, height)]


def _result(image_id: int, class_id: int, box: list[float], score: float) -> dict[str, Any]:
    left, top = (min(max(low, 0.0), size - 5.0) for low, size in zip(box, SIZE, strict=False))
    width, height = min(box[2], SIZE[0] - left), min(box[3], SIZE[1] - top)
    return {
        "image_id": image_id,
        "category_id": class_id,
        "bbox": [round(value, 4) for value in (left, top, max(width, 1.0), max(height, 1.0))],
        "score": round(score, 7),
    }


def _box_to_rle(box: list[float]) -> dict[str, Any]:
    return crop_to_rle(polygons_to_crop([box_to_polygon(box)], *SIZE), *SIZE)
