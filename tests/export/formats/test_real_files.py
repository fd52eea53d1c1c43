"""Files that other tools' own converters wrote of real exports become the same objects.

tests/export/formats/data/README.md says which tool wrote what, in which version.
"""

from __future__ import annotations

import posixpath
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as mask_api

from rhymes.common.csv import load_rows
from rhymes.export.annotations import Annotation
from rhymes.export.categories import LabelMatcher, load_categories
from rhymes.export.cells import ANNOTATION_COLUMN, cell_to_items, item_to_annotation
from rhymes.export.dialects import load_dialect
from tests.support.foreign_folder import ReadFolder, read_folder

DATA = Path(__file__).parent / "data"
SIZES = {"bccd3": (640, 480), "breadboard5": (512, 512)}

Object = tuple[str, tuple[float, ...], tuple[tuple[float, ...], ...]]
"""A label, its box and its rings."""

# Written by -> where the images lie, and how many pixels rounding may move a corner.
EXACT = 1e-9
WRITTEN = {
    "bccd3/pycocotools/coco": ("images", 0),
    "bccd3/datumaro/coco": ("images/train", 0),
    "bccd3/datumaro/cvat": ("images", 0),
    "bccd3/datumaro/voc": ("JPEGImages", 0),
    "bccd3/datumaro/voc_pixels": ("JPEGImages", 0),
    # Six decimals of a fraction, half a step of the middle and of half the size.
    "bccd3/ultralytics/yolo": ("images/train", 640 * 0.75e-6),
    "bccd3/label_studio/label_studio": ("images", EXACT),
    "bccd3/label_studio/coco_of_label_studio": ("images", EXACT),
    "bccd3/label_studio/voc_of_label_studio": ("images", 2),  # corner and size cut to whole pixels
    "bccd3/label_studio/yolo_of_label_studio": ("images", EXACT),
    "breadboard5/pycocotools/coco": ("images", 0),
    "breadboard5/datumaro/coco": ("images/train", 512 * 2**-24),  # float32
    "breadboard5/datumaro/cvat": ("images", EXACT),
    "breadboard5/ultralytics/yolo": ("images/train", 512 * 0.5e-6),
    "breadboard5/label_studio/label_studio": ("images", EXACT),
    "breadboard5/label_studio/coco_of_label_studio": ("images", EXACT),
    "breadboard5/label_studio/yolo_of_label_studio": ("images", EXACT),
}


def copy_with_images(written: str, images: str, out: Path) -> ReadFolder:
    """Put the images to what a tool wrote, and read it."""
    shutil.copytree(DATA / written, out)
    shutil.copytree(DATA / written.partition("/")[0] / "images", out / images)
    return read_folder(out)


def ground_truth(name: str) -> tuple[list[str], dict[str, list[Object]]]:
    """The classes of an export, and its objects by the name of the image."""
    path = DATA / name / "annotations.csv"
    classes = load_categories(DATA / name / "categories.csv").names
    matcher = LabelMatcher(classes)
    found = {}
    for row in load_rows(path):
        items = cell_to_items(row.cells[ANNOTATION_COLUMN])
        assert isinstance(items, list)
        read = [item_to_annotation(item, matcher, *SIZES[name]) for item in items]
        image = posixpath.basename(row.cells[load_dialect(path).image_column])
        found[image] = list(objects_of(classes, read))
    return list(classes), found


def objects_of(classes: object, annotations: object) -> Iterator[Object]:
    assert isinstance(annotations, list)
    assert isinstance(classes, list | tuple)
    for each in annotations:
        assert isinstance(each, Annotation), "nothing is dropped"
        yield classes[each.class_id - 1], each.shape.bbox, each.shape.rings


def read_objects(read: ReadFolder, size: tuple[int, int]) -> dict[str, list[Object]]:
    named = (posixpath.basename(image.image) for image in read.images)
    found = (list(objects_of(read.classes, each)) for each in read.objects(size))
    return dict(zip(named, found, strict=True))


@pytest.mark.parametrize("written", WRITTEN)
def test_same_objects(tmp_path: Path, written: str) -> None:
    name, _, format_name = written.split("/")
    images, tolerance = WRITTEN[written]
    read = copy_with_images(written, images, tmp_path / "export")
    classes, expected = ground_truth(name)
    if format_name in ("label_studio", "voc_of_label_studio"):  # which hold no list of classes
        classes = sorted({label for objects in expected.values() for label, _, _ in objects})
    assert read.classes == classes
    found = read_objects(read, SIZES[name])
    assert found.keys() == expected.keys()
    for image, objects in expected.items():
        assert [label for label, _, _ in found[image]] == [label for label, _, _ in objects]
        for (_, box, rings), (_, other_box, other_rings) in zip(found[image], objects, strict=True):
            assert corners(box) == pytest.approx(corners(other_box), abs=tolerance, rel=0)
            assert len(rings) == len(other_rings)
            for ring, other in zip(rings, other_rings, strict=True):
                assert ring == pytest.approx(other, abs=tolerance, rel=0)
    paths = {(tmp_path / "export" / image.image).is_file() for image in read.images}
    assert paths == {True}, "each image is found"


def corners(box: tuple[float, ...]) -> tuple[float, ...]:
    x, y, width, height = box
    return x, y, x + width, y + height


def test_same_masks(tmp_path: Path) -> None:
    """A mask along its pixels' edges is painted as the outline from which it was made."""
    written = "breadboard5/pycocotools/coco_masks"
    read = copy_with_images(written, "images", tmp_path / "export")
    expected = ground_truth("breadboard5")[1]
    for image, objects in read_objects(read, SIZES["breadboard5"]).items():
        for (label, _, rings), (other_label, _, other_rings) in zip(
            objects, expected[image], strict=True
        ):
            assert label == other_label
            assert (paint(rings) == paint(other_rings)).all()


def paint(rings: tuple[tuple[float, ...], ...]) -> NDArray[np.uint8]:
    width, height = SIZES["breadboard5"]
    encoded = mask_api.frPyObjects([list(ring) for ring in rings], height, width)
    painted: NDArray[np.uint8] = mask_api.decode(mask_api.merge(encoded))
    return painted
