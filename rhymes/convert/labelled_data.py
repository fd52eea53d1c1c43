"""What there is to convert: a data version or a folder of predictions -> images with objects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from rhymes.coco.files import Coco, CocoImage, image_to_name, load_coco
from rhymes.common.errors import InputError
from rhymes.detections.masks import crop_to_polygons, rle_to_crop
from rhymes.export.geometry import Box
from rhymes.predictions.image_list import IMAGES
from rhymes.predictions.prediction_files import COCO_IMAGES, COCO_RESULTS, RUN
from rhymes.versions.data_version import find_data_version

DATA_IMAGES = Path("data/images")
"""Where the stage fetch puts images; a data version names them by their bytes."""

# What no file system or tool takes in a name.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')

Rings = list[list[float]]
"""Flat rings x1, y1, x2, y2, ... in pixels, one a part."""


@dataclass(frozen=True)
class LabelledObject:
    """An object.

    Attributes:
        class_id: From 1.
        box: x, y, width, height in pixels.
        area: Square pixels.
        rings: Its outline; empty where it has none.
        score: Of a prediction, from 0 to 1.
    """

    class_id: int
    box: Box
    area: float
    rings: Rings
    score: float | None = None


@dataclass(frozen=True)
class LabelledImage:
    """An image to write.

    Attributes:
        file: Its file.
        name: Its name in what is written, no other one's in any split.
        width: Pixels, upright.
        height: Pixels, upright.
        objects: In it.
    """

    file: Path
    name: str
    width: int
    height: int
    objects: tuple[LabelledObject, ...]


@dataclass(frozen=True)
class LabelledData:
    """All images, and the classes in the order of their ids from 1.

    Attributes:
        name: Of the source.
        names: Of the classes.
        splits: Split -> its images; predictions have one, of an empty name.
    """

    name: str
    names: tuple[str, ...]
    splits: Mapping[str, Sequence[LabelledImage]]

    def objects(self) -> Iterator[LabelledObject]:
        """Yield the objects of all images."""
        for images in self.splits.values():
            for image in images:
                yield from image.objects


@dataclass
class _Names:
    """Gives images the names by which users know them, each once."""

    taken: set[str] = field(default_factory=set)

    def name(self, image: CocoImage) -> str:
        """Return a file name: that in the export, with the suffix of the file that it has here."""
        file = PurePosixPath(image["file_name"])
        stem = _UNSAFE.sub("_", PurePosixPath(image_to_name(image)).stem).lstrip(".")
        # Labels of YOLO have the image's name but for the suffix.
        for written in (stem, f"{stem}_{file.stem[:8]}", file.stem, f"{stem}_{image['id']}"):
            if written and written.casefold() not in self.taken:
                self.taken.add(written.casefold())
                return f"{written}{file.suffix}"
        raise InputError(f"image {image['id']}: its file's name {file} stands twice")


def load_labelled_data(source: str, images: Path | None) -> LabelledData:
    """Read a folder of `rhymes predict`, or a data version as `rhymes diff` names them.

    Args:
        source: A folder, `workspace`, or a revision of the repository.
        images: The folder of the images' files; by default that of the source.

    Raises:
        InputError: It is neither, a file is broken, or an image is missing.
    """
    folder = Path(source)
    if (folder / RUN).is_file():
        return _load_predictions(folder, images or folder / IMAGES)
    version = find_data_version(source)
    loaded = {split: load_coco(path) for split, path in version.files.items()}
    beside = folder.parent / "images" if folder.name == "coco" else folder / DATA_IMAGES
    where = images or (beside if beside.is_dir() else DATA_IMAGES)
    names, classes = _Names(), _classes(loaded)
    splits = {
        split: _coco_to_images(coco, where, names, _annotations_to_objects(coco))
        for split, coco in loaded.items()
    }
    return LabelledData(version.name, classes, splits)


def _classes(loaded: Mapping[str, Coco]) -> tuple[str, ...]:
    """Return the names by id; all splits of a version have the same."""
    first = next(iter(loaded.values()))["categories"]
    return tuple(each["name"] for each in sorted(first, key=lambda each: each["id"]))


def _load_predictions(folder: Path, images: Path) -> LabelledData:
    coco = load_coco(folder / COCO_IMAGES)
    path = folder / COCO_RESULTS
    objects: dict[int, list[LabelledObject]] = {}
    try:
        for result in json.loads(path.read_bytes()):
            objects.setdefault(result["image_id"], []).append(_result_to_object(result))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not COCO results: {error}") from None
    names = tuple(each["name"] for each in sorted(coco["categories"], key=lambda each: each["id"]))
    return LabelledData(str(folder), names, {"": _coco_to_images(coco, images, _Names(), objects)})


def _result_to_object(result: Mapping[str, Any]) -> LabelledObject:
    x, y, width, height = result["bbox"]
    area, rings = width * height, []
    if result.get("segmentation"):
        crop = rle_to_crop(result["segmentation"])
        area = float(crop.area)
        rings = [ring.ravel().astype(float).round(2).tolist() for ring in crop_to_polygons(crop)]
    box = (x, y, width, height)
    return LabelledObject(result["category_id"], box, area, rings, result["score"])


def _annotations_to_objects(coco: Coco) -> dict[int, list[LabelledObject]]:
    objects: dict[int, list[LabelledObject]] = {}
    for each in coco["annotations"]:
        x, y, width, height = each["bbox"]
        rings = each.get("segmentation", [])
        made = LabelledObject(each["category_id"], (x, y, width, height), each["area"], rings)
        objects.setdefault(each["image_id"], []).append(made)
    return objects


def _coco_to_images(
    coco: Coco, folder: Path, names: _Names, objects: Mapping[int, Sequence[LabelledObject]]
) -> list[LabelledImage]:
    return [
        LabelledImage(
            folder / image["file_name"],
            names.name(image),
            image["width"],
            image["height"],
            tuple(objects.get(image["id"], ())),
        )
        for image in coco["images"]
    ]
