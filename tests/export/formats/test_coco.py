"""COCO files of several tools: what becomes of their images, ids, classes, splits and oddities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rhymes.common.errors import InputError
from rhymes.export.annotations import Annotation, Reason
from tests.support.foreign_folder import read_folder, write_files

CATEGORIES = [{"id": 7, "name": "CAT"}, {"id": 3, "name": "DOG"}]


def image(number: int = 1, name: str = "a.jpg", **more: Any) -> dict[str, Any]:
    return {"id": number, "file_name": name, "width": 100, "height": 80, **more}


def thing(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "id": number, "image_id": 1, "category_id": 7, "bbox": [10, 20, 30, 40], "iscrowd": 0
    } | changes  # fmt: skip


def coco(*annotations: Any, **changes: Any) -> dict[str, Any]:
    return {
        "images": [image()],
        "annotations": list(annotations),
        "categories": CATEGORIES,
    } | changes


def test_classes_are_in_the_order_of_their_ids(tmp_path: Path) -> None:
    write_files(tmp_path, {"a.jpg": None, "a.json": coco(thing(), thing(2, category_id=3))})
    read = read_folder(tmp_path)
    assert read.classes == ["DOG", "CAT"]
    assert read.boxes() == [[("CAT", (10, 20, 30, 40)), ("DOG", (10, 20, 30, 40))]]
    assert [item["id"] for item in read.images[0].items or ()] == [1, 2]
    assert read.images[0].origin == "a.json: image 1"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"iscrowd": 1}, Reason.UNKNOWN_TYPE, id="crowd"),
        pytest.param({"category_id": 9}, Reason.NO_LABEL, id="unknown category"),
        pytest.param({"category_id": None}, Reason.NO_LABEL, id="no category"),
        pytest.param({"category_id": [7]}, Reason.NO_LABEL, id="category that is no id"),
        pytest.param({"bbox": None}, Reason.WRONG_FORM, id="no box"),
        pytest.param({"bbox": [1, 2, 3]}, Reason.WRONG_FORM, id="three numbers"),
        pytest.param({"bbox": [1, 2, 0, 3]}, Reason.EMPTY_BOX, id="no width"),
        pytest.param({"bbox": [1, 2, float("nan"), 3]}, Reason.NOT_FINITE, id="not finite"),
        pytest.param({"bbox": ["1", 2, 3, 4]}, Reason.NOT_FINITE, id="text"),
        pytest.param({"bbox": [200, 2, 3, 4]}, Reason.OUTSIDE_IMAGE, id="outside"),
        pytest.param({"segmentation": {"counts": "x"}}, Reason.UNKNOWN_TYPE, id="broken mask"),
        pytest.param({"segmentation": [[1, 2, 3, 4]]}, Reason.TOO_FEW_POINTS, id="two points"),
        pytest.param({"segmentation": [[1, 2, 30, 4, 5]]}, Reason.WRONG_FORM, id="odd numbers"),
        pytest.param({"segmentation": [[1, 2, 3, 4, 5, 6]]}, Reason.EMPTY_BOX, id="line"),
        pytest.param({"segmentation": ["x"]}, Reason.WRONG_FORM, id="no ring"),
    ],
)
def test_object_that_is_dropped(tmp_path: Path, changes: dict[str, Any], reason: Reason) -> None:
    write_files(tmp_path, {"a.jpg": None, "a.json": coco(thing(**changes))})
    assert read_folder(tmp_path).objects() == [[reason]]


RING = [10, 10, 30, 10, 30, 20]


MASK = {"size": [80, 100], "counts": [80 * 10 + 20, 3, 8000 - 823]}
"""One column of three pixels."""


@pytest.mark.parametrize(
    ("segmentation", "rings", "area"),
    [
        pytest.param([], (), 1200, id="a box"),
        pytest.param([RING], (tuple(RING),), 100, id="a ring"),
        pytest.param(RING, (tuple(RING),), 100, id="a ring that is in no list"),
        pytest.param(
            [RING, [50, 10, 60, 10, 60, 20, 50, 20]],
            (tuple(RING), (50, 10, 60, 10, 60, 20, 50, 20)), 200, id="two parts",
        ),
        pytest.param([RING, [1, 1, 2, 2]], (tuple(RING),), 100, id="a part that encloses nothing"),
        pytest.param(MASK, ((11, 20, 10, 20, 10, 23, 11, 23),), 3, id="a mask"),
        pytest.param([RING, RING], (tuple(RING),), 100, id="a part twice"),
    ],
)  # fmt: skip
def test_outline_of_an_object(
    tmp_path: Path, segmentation: Any, rings: tuple[Any, ...], area: float
) -> None:
    write_files(tmp_path, {"a.jpg": None, "a.json": coco(thing(segmentation=segmentation))})
    ((annotation,),) = read_folder(tmp_path).objects()
    assert isinstance(annotation, Annotation)
    assert (annotation.shape.rings, annotation.shape.area) == (rings, area)


def test_images_without_objects_stay(tmp_path: Path) -> None:
    write_files(tmp_path, {"a.jpg": None, "a.json": coco()})
    assert [image.items for image in read_folder(tmp_path).images] == [[]]


LAYOUTS = {
    "beside": ("a.json", "a.jpg", "a.jpg", ""),
    "Roboflow": ("train/_annotations.coco.json", "a.jpg", "train/a.jpg", "train"),
    "COCO": ("annotations/instances_val2017.json", "a.jpg", "val2017/a.jpg", "val"),
    "Datumaro": ("annotations/instances_test.json", "a.jpg", "images/test/a.jpg", "test"),
    "CVAT": ("annotations/instances_default.json", "b/a.jpg", "images/b/a.jpg", ""),
    "CVAT, saved whole": (
        "annotations/instances_Train.json",
        "a.jpg",
        "images/Train/a.jpg",
        "train",
    ),
    "Label Studio": ("result.json", "images/a.jpg", "images/a.jpg", ""),
    "another machine": ("valid.json", "/home/me/data/photos/a.jpg", "photos/a.jpg", "val"),
    "Windows": ("a.json", "photos\\a.jpg", "photos/a.jpg", ""),
    "accents": ("a.json", "gâteau.jpg", "ga\u0302teau.jpg", ""),
    "missing": ("train/a.json", "b.jpg", "train/b.jpg", "train"),
}


@pytest.mark.parametrize(("json", "name", "path", "split"), LAYOUTS.values(), ids=LAYOUTS)
def test_image_and_split_of_a_layout(
    tmp_path: Path, json: str, name: str, path: str, split: str
) -> None:
    files = {json: coco(images=[image(name=name)])}
    # Of a subset with the same name elsewhere.
    if "/" in path and path != "train/b.jpg":
        files |= {path: None, f"other/{path.rpartition('/')[2]}.txt": ""}
    elif path != "train/b.jpg":
        files[path] = None
    write_files(tmp_path, files)
    (read,) = read_folder(tmp_path).images
    assert (read.image, read.split) == (path, split)


def test_same_name_in_each_split(tmp_path: Path) -> None:
    write_files(
        tmp_path,
        {
            **{f"{split}/_annotations.coco.json": coco(thing()) for split in ("train", "valid")},
            **{f"{split}/a.jpg": None for split in ("train", "valid")},
        },
    )
    assert [(each.image, each.split) for each in read_folder(tmp_path).images] == [
        ("train/a.jpg", "train"), ("valid/a.jpg", "val"),
    ]  # fmt: skip


def test_name_that_several_files_have_is_an_error(tmp_path: Path) -> None:
    write_files(tmp_path, {"labels.json": coco(), "x/a.jpg": None, "y/a.jpg": None})
    with pytest.raises(InputError, match=r"'a.jpg' may be any of x/a.jpg, y/a.jpg; name images"):
        read_folder(tmp_path)


def test_image_that_is_not_there_is_its_url(tmp_path: Path) -> None:
    url = "http://images.example/val/b.jpg"
    images = [image(1, coco_url=url), image(2, "b.jpg", coco_url=url)]
    del images[1]["file_name"]
    write_files(tmp_path, {"a.jpg": None, "a.json": coco(images=images)})
    assert [each.image for each in read_folder(tmp_path).images] == ["a.jpg", url]


def test_ids_count_within_a_file_and_classes_by_name(tmp_path: Path) -> None:
    other = coco(
        thing(category_id=1), categories=[{"id": 1, "name": "CAT"}, {"id": 2, "name": "EMU"}]
    )
    write_files(tmp_path, {"a.jpg": None, "train.json": coco(thing()), "val.json": other})
    read = read_folder(tmp_path)
    assert read.classes == ["DOG", "CAT", "EMU"]
    assert [[name for name, _ in boxes] for boxes in read.boxes()] == [["CAT"], ["CAT"]]


@pytest.mark.parametrize(("category", "classes"), [(0, ["pets", "CAT"]), (1, ["CAT"])])
def test_heading_of_roboflow_is_no_class_unless_it_has_objects(
    tmp_path: Path, category: int, classes: list[str]
) -> None:
    categories = [
        {"id": 0, "name": "pets", "supercategory": "none"},
        {"id": 1, "name": "CAT", "supercategory": "pets"},
    ]
    made = coco(thing(category_id=category), categories=categories)
    write_files(tmp_path, {"a.jpg": None, "a.json": made})
    assert read_folder(tmp_path).classes == classes


def test_same_objects_of_another_task_are_read_once(tmp_path: Path) -> None:
    keypoints = coco(thing(keypoints=[1, 2, 2], num_keypoints=1))
    files = {"a.jpg": None, "annotations/person_keypoints_val2017.json": keypoints}
    write_files(tmp_path, files)
    read = read_folder(tmp_path)
    assert (len(read.images), read.notes) == (
        1, {"sets of keypoints left out, box or outline kept": 1},
    )  # fmt: skip
    write_files(tmp_path, {"annotations/instances_val2017.json": coco(thing())})
    read = read_folder(tmp_path)
    assert (len(read.images), list(read.notes.values())) == (1, [1])


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        pytest.param(coco(thing(image_id=5)), "no image with the id 5", id="no image"),
        pytest.param(coco("x"), "no image with the id None", id="no annotation"),
        pytest.param(coco(images=[image(), image()]), "image 1: the id stands twice", id="twice"),
        pytest.param(coco(images=[{"id": "1"}]), "needs a whole number as id", id="id"),
        pytest.param(coco(images=[{"id": 1}]), "image 1: has no file_name", id="no name"),
        pytest.param(coco(categories=[{"id": 1}]), "category 1: has no name", id="no class name"),
    ],
)
def test_file_that_contradicts_itself_is_an_error(tmp_path: Path, made: Any, reason: str) -> None:
    write_files(tmp_path, {"a.jpg": None, "a.json": made})
    with pytest.raises(InputError, match=rf"a.json: .*{reason}"):
        read_folder(tmp_path)
