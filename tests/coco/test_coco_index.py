"""Where the images and annotations of a COCO file stand, against the file parsed whole."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rhymes.coco.coco_index import load_coco_index
from rhymes.coco.files import save_coco
from rhymes.common.errors import InputError
from tests.support.coco_factory import CocoFactory


@pytest.fixture
def factory(tmp_path: Path) -> CocoFactory:
    """Image i has i - 1 objects; every second has a polygon."""
    factory = CocoFactory(tmp_path / "images", ["crème brûlée", "\u4e2d\u6587", "a"], first_id=7)
    for number in range(5):
        factory.add_image(20 + number, 10)
        for index in range(number):
            if index % 2:
                factory.add_polygon([1.5, 1, 9, 1, 9, 9], category=2)
            else:
                factory.add_object([index, 1, 2.5, 3], category=3)
    return factory


def grouped(coco: dict[str, Any]) -> list[tuple[Any, Any]]:
    """What the index must give, made from the whole file."""
    return [
        (image, [each for each in coco["annotations"] if each["image_id"] == image["id"]])
        for image in sorted(coco["images"], key=lambda image: image["id"])
    ]


@pytest.mark.parametrize(
    "options", [{}, {"indent": 2}, {"ensure_ascii": False}], ids=["one line", "indented", "UTF-8"]
)
def test_records_are_those_of_the_file(
    factory: CocoFactory, tmp_path: Path, options: dict[str, Any]
) -> None:
    index = load_coco_index(factory.save(tmp_path / "a.json", **options))
    assert list(index.load_records()) == grouped(factory.coco())
    assert index.categories == {1: "crème brûlée", 2: "\u4e2d\u6587", 3: "a"}
    assert (index.objects, index.polygons, index.most_objects) == (10, 4, 4)


def test_records_are_those_of_a_file_of_the_pipeline(factory: CocoFactory, tmp_path: Path) -> None:
    coco: Any = factory.coco()
    path = tmp_path / "a.json"
    save_coco(path, "test", coco["categories"], coco["images"], coco["annotations"])
    index = load_coco_index(path)
    assert list(index.load_records()) == grouped(coco)
    assert len(index.runs) == 4, "one stretch for each image with objects"


def test_any_order_is_read(factory: CocoFactory, tmp_path: Path) -> None:
    coco = factory.coco()
    random.Random(3).shuffle(factory.images)
    random.Random(4).shuffle(factory.annotations)
    backwards = dict(reversed(coco.items()))
    (tmp_path / "a.json").write_text(json.dumps(backwards))
    index = load_coco_index(tmp_path / "a.json")
    assert list(index.load_records()) == grouped(coco)
    assert (index.objects, index.polygons, index.most_objects) == (10, 4, 4)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_parts_hold_each_image_once(factory: CocoFactory, tmp_path: Path, count: int) -> None:
    index = load_coco_index(factory.save(tmp_path / "a.json"))
    parts = [list(index.part(number, count).load_records()) for number in range(count)]
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    records = [record for part in parts for record in part]
    assert sorted(records, key=lambda record: record[0]["id"]) == grouped(factory.coco())


def test_a_file_without_images_is_empty(tmp_path: Path) -> None:
    factory = CocoFactory(tmp_path / "images", ["a"])
    index = load_coco_index(factory.save(tmp_path / "a.json"))
    assert list(index.load_records()) == []
    assert (index.objects, index.polygons, index.most_objects) == (0, 0, 0)
    assert index.images.dtype == index.runs.dtype == np.int64


def change(coco: dict[str, Any], where: str, index: int, **values: Any) -> dict[str, Any]:
    coco[where][index] |= values
    return coco


def without(coco: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in coco.items() if name != key}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda c: without(c, "images"), "it has no 'images'", id="no images"),
        pytest.param(lambda c: without(c, "annotations"), "no 'annotations'", id="no annotations"),
        pytest.param(lambda c: without(c, "categories"), "no 'categories'", id="no categories"),
        pytest.param(lambda c: c | {"images": {}}, r"expected '\['", id="images no array"),
        pytest.param(
            lambda c: c | {"images": [3]}, "'id' must be an integer", id="image no object"
        ),
        pytest.param(lambda c: change(c, "images", 1, id=7), "image id 7 occurs twice", id="twice"),
        pytest.param(lambda c: change(c, "images", 1, id="8"), "found '8'", id="text for an id"),
        pytest.param(lambda c: change(c, "images", 1, id=True), "found True", id="bool for an id"),
        pytest.param(
            lambda c: change(c, "annotations", 1, image_id=99), "of image 99", id="no such image"
        ),
        pytest.param(
            lambda c: change(c, "annotations", 1, category_id=9),
            "of category 9",
            id="no such class",
        ),
        pytest.param(
            lambda c: change(c, "annotations", 1, category_id=None), "found None", id="no class"
        ),
        pytest.param(lambda c: change(c, "categories", 1, name=2), "2 has no name", id="no name"),
    ],
)
def test_what_is_not_coco_is_refused(
    factory: CocoFactory, tmp_path: Path, spoil: Any, message: str
) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(spoil(factory.coco())))
    with pytest.raises(InputError, match=message) as error:
        load_coco_index(path)
    assert str(error.value).startswith(f"{path}: ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"b\.json: not found"):
        load_coco_index(tmp_path / "b.json")
