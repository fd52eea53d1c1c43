"""YOLO: fractions to pixels, layouts of Ultralytics, Roboflow and Darknet, oddities of lines."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rhymes.common.errors import InputError
from rhymes.export.annotations import Annotation, Reason
from tests.support.foreign_folder import read_folder, write_files

YAML = "names:\n  1: DOG\n  0: CAT\ntrain: images/train\n"


def encode_image(orientation: int = 1) -> bytes:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[274] = orientation
    Image.new("RGB", (100, 80)).save(file, "JPEG", exif=exif)
    return file.getvalue()


def dataset(text: str, **changes: Any) -> dict[str, Any]:
    return {
        "data.yaml": YAML, "images/train/a.jpg": encode_image(), "labels/train/a.txt": text,
    } | changes  # fmt: skip


def test_boxes_classes_and_where_they_come_from(tmp_path: Path) -> None:
    read = read_folder(write_files(tmp_path, dataset("1 0.25 0.5 0.3 0.5\n\n0 0.5 0.5 1 1\n")))
    assert read.classes == ["CAT", "DOG"]
    assert read.boxes() == [[("DOG", (10, 20, 30, 40)), ("CAT", (0, 0, 100, 80))]]
    (image,) = read.images
    assert (image.image, image.split) == ("images/train/a.jpg", "train")
    assert image.origin == "labels/train/a.txt"
    assert [item["line"] for item in image.items or ()] == [1, 3]


def test_image_that_exif_turns_has_the_size_that_annotators_saw(tmp_path: Path) -> None:
    files = dataset("0 0.5 0.5 0.5 0.5") | {"images/train/a.jpg": encode_image(6)}
    (((_, box),),) = read_folder(write_files(tmp_path, files)).boxes((80, 100))
    assert box == (20, 25, 40, 50)


def test_outline_of_an_object(tmp_path: Path) -> None:
    read = read_folder(write_files(tmp_path, dataset("0 0.1 0.1 0.3 0.1 0.3 0.5")))
    ((annotation,),) = read.objects()
    assert isinstance(annotation, Annotation)
    assert annotation.shape.rings == (pytest.approx((10, 8, 30, 8, 30, 40)),)


@pytest.mark.parametrize(
    ("line", "box", "clipped"),
    [
        pytest.param("0 0.900781 0.5 0.198439 1", (80.15615, 0, 19.84385, 80), False, id="rounded"),
        pytest.param("0 0.95 0.5 0.2 1", (85, 0, 15, 80), True, id="over the edge"),
    ],
)
def test_what_the_formats_rounding_put_over_the_edge_is_not_cut(
    tmp_path: Path, line: str, box: tuple[float, ...], clipped: bool
) -> None:
    ((annotation,),) = read_folder(write_files(tmp_path, dataset(line))).objects()
    assert isinstance(annotation, Annotation)
    assert annotation.shape.bbox == pytest.approx(box, abs=1e-9)
    assert annotation.shape.clipped is clipped


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param("7 0.5 0.5 0.1 0.1", Reason.NO_LABEL, id="unknown class"),
        pytest.param("0.5 0.5 0.5 0.1 0.1", Reason.NO_LABEL, id="half a class"),
        pytest.param("CAT 0.5 0.5 0.1 0.1", Reason.NO_LABEL, id="a name"),
        pytest.param("0 0.5 0.5 0.1", Reason.WRONG_FORM, id="a number too few"),
        pytest.param("0 0.1 0.1 0.2 0.1 0.2 0.2 0.3", Reason.WRONG_FORM, id="half a point"),
        pytest.param("0", Reason.WRONG_FORM, id="a class alone"),
        pytest.param("0 0.5 x 0.1 0.1", Reason.NOT_FINITE, id="text"),
        pytest.param("0 0.5 nan 0.1 0.1", Reason.NOT_FINITE, id="not finite"),
        pytest.param("0 0.5 0.5 0 0.1", Reason.EMPTY_BOX, id="no width"),
        pytest.param("0 1.5 0.5 0.1 0.1", Reason.OUTSIDE_IMAGE, id="outside"),
        pytest.param("0 0.1 0.1 0.2 x 0.2 0.2", Reason.NOT_FINITE, id="text in an outline"),
    ],
)
def test_object_that_is_dropped(tmp_path: Path, line: str, reason: Reason) -> None:
    assert read_folder(write_files(tmp_path, dataset(line))).objects() == [[reason]]


@pytest.mark.parametrize(
    ("line", "yaml", "note"),
    [
        pytest.param("0 0.25 0.5 0.3 0.5 0.9", YAML, "scores of predictions left out", id="score"),
        pytest.param(
            "0 0.25 0.5 0.3 0.5 0.1 0.1 2 0.2 0.2 1", f"{YAML}kpt_shape: [2, 3]\n",
            "sets of keypoints left out, their boxes kept", id="pose",
        ),
    ],
)  # fmt: skip
def test_box_with_more_than_a_box(tmp_path: Path, line: str, yaml: str, note: str) -> None:
    read = read_folder(write_files(tmp_path, dataset(line) | {"data.yaml": yaml}))
    assert read.boxes() == [[("CAT", (10, 20, 30, 40))]]
    assert read.notes == {note: 1}


def test_image_without_labels_has_no_objects(tmp_path: Path) -> None:
    read = read_folder(write_files(tmp_path, dataset("") | {"images/train/b.jpg": None}))
    assert [image.items for image in read.images] == [[], []]
    assert read.notes == {"images without a label file, so without objects": 1}


NAMES = "names: [CAT, DOG]\n"
LAYOUTS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "Ultralytics": (
        {"data.yaml": f"{NAMES}path: ../datasets/x\ntrain: images/train\nval: [images/val]\n"},
        {"images/train/a.jpg": "train", "images/val/b.jpg": "val"},
    ),
    "Roboflow": (
        {"data.yaml": f"{NAMES}train: ../train/images\nval: ../valid/images\n"},
        {"train/images/a.jpg": "train", "valid/images/b.jpg": "val"},
    ),
    "absolute": (
        {"d/data.yaml": f"{NAMES}path: /home/me/x\ntrain: /home/me/x/train/images\nval: valid\n"},
        {"d/train/images/a.jpg": "train", "d/valid/b.jpg": "val"},
    ),
    "lists of images": (
        {
            "data.yml": f"{NAMES}train: train.txt\nval: val.txt\n",
            "train.txt": "./images/a.jpg\n", "val.txt": "/old/images/b.jpg\n\n",
        },
        {"images/a.jpg": "train", "images/b.jpg": "val"},
    ),
    "the folder itself": (
        {"data.yaml": f"{NAMES}train: .\n"}, {"a.jpg": "train", "b.jpg": "train"},
    ),
    "one folder for both": (
        {"data.yaml": f"{NAMES}train: images\nval: images\n"},
        {"images/a.jpg": "", "images/b.jpg": ""},
    ),
    "Label Studio": ({"classes.txt": "CAT\nDOG\n"}, {"images/a.jpg": "", "images/b.jpg": ""}),
    "Darknet": (
        {"obj.names": "CAT\nDOG\n\n", "obj.data": "classes = 2\n"},
        {"obj_train_data/a.jpg": "", "obj_train_data/b.jpg": ""},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "images"), LAYOUTS.values(), ids=LAYOUTS)
def test_layout(tmp_path: Path, files: dict[str, str], images: dict[str, str]) -> None:
    labels = {
        f"{path.replace('images/', 'labels/').removesuffix('jpg')}txt": "1 0.5 0.5 0.5 0.5\n"
        for path in images
    }
    read = read_folder(write_files(tmp_path, {**files, **labels, **dict.fromkeys(images)}))
    assert {image.image: image.split for image in read.images} == images
    assert read.classes == ["CAT", "DOG"]
    assert [[name for name, _ in boxes] for boxes in read.boxes()] == [["DOG"]] * 2
    assert not read.notes


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        pytest.param({"a.yaml": YAML, "b.yaml": YAML}, "a.yaml and b.yaml each describe", id="two"),
        pytest.param({"a.yaml": "names: CAT\n"}, "names is neither a list", id="names"),
        pytest.param({"a.yaml": "names: {x: CAT}\n"}, "names is neither a list", id="keys"),
        pytest.param({"a.yaml": "names: [CAT, '']\n"}, "class 1 has no name", id="empty name"),
        pytest.param({"a.yaml": YAML}, "no images there", id="no images"),
    ],
)
def test_dataset_that_is_refused(tmp_path: Path, files: dict[str, str], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_folder(write_files(tmp_path, files))
