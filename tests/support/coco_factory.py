"""COCO files with their images: made up, or from the real exports."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def draw_jpeg(width: int, height: int, seed: int) -> bytes:
    """A JPEG whose bytes follow from the arguments."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=50)
    return buffer.getvalue()


def save_jpeg(folder: Path, data: bytes) -> str:
    """Write <SHA-256>.jpg; return its name."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{hashlib.sha256(data).hexdigest()}.jpg"
    (folder / name).write_bytes(data)
    return name


class CocoFactory:
    """Collects images and objects, and writes them."""

    def __init__(self, images_folder: Path, names: list[str], first_id: int = 1) -> None:
        self.folder = images_folder
        self.names = names
        self.first_id = first_id
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []

    def add_image(self, width: int, height: int, jpeg: bytes | None = None) -> int:
        """Add an image (a drawn one where none is given); return its id."""
        number = self.first_id + len(self.images)
        name = save_jpeg(self.folder, jpeg or draw_jpeg(width, height, number))
        self.images.append({"id": number, "file_name": name, "width": width, "height": height})
        return number

    def add_object(
        self,
        bbox: list[float],
        category: int = 1,
        rings: list[list[float]] | None = None,
        area: float | None = None,
    ) -> None:
        """Add an object to the last image."""
        self.annotations.append(
            {
                "id": len(self.annotations) + 1,
                "image_id": self.images[-1]["id"],
                "category_id": category,
                "bbox": bbox,
                "area": bbox[2] * bbox[3] if area is None else area,
                "iscrowd": 0,
                **({"segmentation": rings} if rings else {}),
            }
        )

    def add_polygon(self, *rings: list[float], category: int = 1) -> None:
        """Add an object by its rings; its box is around them, inside the image."""
        image = self.images[-1]
        edges = []
        for axis, size in enumerate((image["width"], image["height"])):
            values = [value for ring in rings for value in ring[axis::2]]
            edges.append((max(min(values), 0), min(max(values), size)))
        (left, right), (top, bottom) = edges
        self.add_object([left, top, right - left, bottom - top], category, list(rings))

    def coco(self) -> dict[str, Any]:
        """The whole file."""
        categories = [
            {"id": number, "name": name, "supercategory": ""}
            for number, name in enumerate(self.names, start=1)
        ]
        return {
            "info": {"description": "test"},
            "licenses": [],
            "categories": categories,
            "images": self.images,
            "annotations": self.annotations,
        }

    def save(self, path: Path, **json_options: Any) -> Path:
        """Write the file; return its path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.coco(), **json_options), encoding="utf-8")
        return path


def real_coco(dataset: Path, images_folder: Path, count: int) -> CocoFactory:
    """The first images of a real export; boxes and polygons are cut at the image's edge."""
    names = [row["category_image"] for row in _rows(dataset / "categories.csv")]
    factory = CocoFactory(images_folder, names)
    for row in _rows(dataset / "annotations.csv")[:count]:
        jpeg = (dataset / (row.get("image_url") or row["cdn_file_url"])).read_bytes()
        width, height = Image.open(io.BytesIO(jpeg)).size
        factory.add_image(width, height, jpeg)
        for item in json.loads(row["output_content"])["identifications"]:
            if item["type"] == "polygon":
                limits = (width, height) * len(item["data"])
                flat = [coordinate for point in item["data"] for coordinate in point]
                ring = [float(min(max(v, 0), limit)) for v, limit in zip(flat, limits, strict=True)]
                factory.add_polygon(ring, category=names.index(item["category"]) + 1)
            else:
                x, y, right, bottom = _cut_box(item["data"], width, height)
                if x < right and y < bottom:
                    label = names.index(item["attributes"]["label"]) + 1
                    factory.add_object([x, y, right - x, bottom - y], label)
    return factory


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _cut_box(box: list[float], width: int, height: int) -> tuple[float, float, float, float]:
    x, y, box_width, box_height = (float(value) for value in box)
    return max(x, 0), max(y, 0), min(x + box_width, width), min(y + box_height, height)


def box_to_polygon(box: list[float]) -> list[float]:
    """The corners of [x, y, width, height], as a COCO ring."""
    x, y, w, h = box
    return [float(value) for value in (x, y, x + w, y, x + w, y + h, x, y + h)]


def boxes_to_coco(
    objects: Sequence[tuple[int, int, list[float]]], names: Sequence[str], images: int
) -> dict[str, Any]:
    """A COCO dataset of (image, class, box) in images of 640 x 480; masks are boxes."""
    return {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480, "source": f"s/{i}"}
            for i in range(1, images + 1)
        ],
        "categories": [
            {"id": i, "name": name, "supercategory": ""} for i, name in enumerate(names, start=1)
        ],
        "annotations": [
            {
                "id": i,
                "image_id": image,
                "category_id": class_id,
                "bbox": [float(value) for value in box],
                "area": box[2] * box[3],
                "iscrowd": 0,
                "segmentation": [box_to_polygon(box)],
            }
            for i, (image, class_id, box) in enumerate(objects, start=1)
        ],
    }
