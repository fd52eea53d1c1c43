"""Label Studio: percents to pixels, annotations of several annotators, where tasks name images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rhymes.common.errors import InputError
from rhymes.export.annotations import Annotation, Reason
from tests.support.foreign_folder import read_folder, write_files

VALUE = {"x": 10, "y": 25, "width": 30, "height": 50, "rotation": 0, "rectanglelabels": ["CAT"]}
SIZE = {"original_width": 100, "original_height": 80}


def region(value: Any = None, kind: str = "rectanglelabels", **more: Any) -> dict[str, Any]:
    return {"id": "r", "type": kind, "value": VALUE if value is None else value, **SIZE} | more


def task(*annotations: Any, image: str = "a.jpg", **more: Any) -> dict[str, Any]:
    return {"id": 3, "data": {"image": image}, "annotations": list(annotations)} | more


def annotation(*result: Any, **more: Any) -> dict[str, Any]:
    return {"id": 8, "result": list(result), "completed_by": 2, "was_cancelled": False} | more


def write(root: Path, *tasks: Any, **files: Any) -> Path:
    return write_files(root, {"export.json": list(tasks), "a.jpg": None, **files})


def test_boxes_and_where_they_come_from(tmp_path: Path) -> None:
    read = read_folder(write(tmp_path, task(annotation(region()))))
    assert read.boxes() == [[("CAT", (10, 20, 30, 40))]]
    (image,) = read.images
    assert (image.image, image.annotator) == ("a.jpg", "2")
    assert image.origin == "export.json: task 3, annotation 8"


def test_box_at_the_edge_is_not_cut(tmp_path: Path) -> None:
    value = VALUE | {"x": 55.333333333333336, "width": 44.666666666666664, "y": 0, "height": 100}
    ((found,),) = read_folder(write(tmp_path, task(annotation(region(value))))).objects()
    assert isinstance(found, Annotation)
    assert not found.shape.clipped
    assert found.shape.bbox[0] + found.shape.bbox[2] == 100


def test_each_annotator_has_a_row_and_predictions_none(tmp_path: Path) -> None:
    by = ({"id": 7, "email": "me@here.example"}, {"email": "me@here.example"}, None, 2)
    made = [annotation(region(), completed_by=each) for each in by]
    made.append(annotation(was_cancelled=True))
    read = read_folder(write(tmp_path, task(*made, predictions=[{"result": [region()]}])))
    assert [image.annotator for image in read.images] == ["7", "me@here.example", "", "2"]
    assert read.notes == {"predictions left out": 1, "cancelled annotations left out": 1}


@pytest.mark.parametrize(
    ("annotations", "items"),
    [([], None), ([annotation(was_cancelled=True)], None), ([annotation()], [])],
)
def test_task_that_nobody_annotated_is_not_one_without_objects(
    tmp_path: Path, annotations: list[Any], items: Any
) -> None:
    assert [each.items for each in read_folder(write(tmp_path, task(*annotations))).images] == [
        items
    ]


POINTS = [[10, 10], [30, 10], [30, 50]]
RINGS: dict[str, tuple[list[Any], Any]] = {
    "polygon": (
        [region({"points": POINTS, "closed": True, "polygonlabels": ["CAT"]}, "polygonlabels")],
        (10, 8, 30, 8, 30, 40),
    ),
    "shape and label in two tags": (
        [
            region({"points": POINTS}, "polygon"),
            region({"points": POINTS, "labels": ["CAT"]}, "labels"),
        ],
        (10, 8, 30, 8, 30, 40),
    ),
    "labels alone": (
        [region({"points": POINTS, "labels": ["CAT"]}, "labels")], (10, 8, 30, 8, 30, 40),
    ),
    "turned about its corner": (
        [region(VALUE | {"x": 50, "rotation": 90})], (50, 20, 50, 50, 10, 50, 10, 20),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("result", "ring"), RINGS.values(), ids=RINGS)
def test_outline_of_an_object(tmp_path: Path, result: list[Any], ring: Any) -> None:
    read = read_folder(write(tmp_path, task(annotation(*result))))
    ((found,),) = read.objects()
    assert isinstance(found, Annotation)
    assert found.shape.rings == (pytest.approx(ring),)


def test_region_of_several_labels_is_an_object_of_each(tmp_path: Path) -> None:
    made = region(VALUE | {"rectanglelabels": ["CAT", "DOG", "CAT"]})
    boxes = read_folder(write(tmp_path, task(annotation(made)))).boxes()
    assert [name for name, _ in boxes[0]] == ["CAT", "DOG"]


def test_size_of_the_image_where_regions_do_not_tell(tmp_path: Path) -> None:
    made = {key: value for key, value in region().items() if key not in SIZE}
    (((_, box),),) = read_folder(write(tmp_path, task(annotation(made)))).boxes()
    assert box == pytest.approx((3.2, 6, 9.6, 12)), "of 32 x 24 pixels"


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        pytest.param(region({"brushlabels": ["CAT"], "rle": [1]}, "brushlabels"),
                     Reason.UNKNOWN_TYPE, id="brush"),
        pytest.param(region({"keypointlabels": ["CAT"], "x": 1}, "keypointlabels"),
                     Reason.UNKNOWN_TYPE, id="keypoint"),
        pytest.param(region({"ellipselabels": ["CAT"]}, "ellipselabels"),
                     Reason.UNKNOWN_TYPE, id="ellipse"),
        pytest.param(region(image_rotation=90), Reason.UNKNOWN_TYPE, id="image turned by hand"),
        pytest.param(region(VALUE | {"rectanglelabels": []}), Reason.NO_LABEL, id="no label"),
        pytest.param(region(VALUE | {"width": None}), Reason.NOT_FINITE, id="no width"),
        pytest.param(region(VALUE | {"width": 0}), Reason.EMPTY_BOX, id="empty"),
        pytest.param(region(VALUE | {"rotation": "x"}), Reason.NOT_FINITE, id="rotation"),
        pytest.param(region({"points": [[1, 1], 5, [3, 3]], "polygonlabels": ["CAT"]},
                            "polygonlabels"), Reason.WRONG_FORM, id="no point"),
        pytest.param(region({"points": None, "polygonlabels": ["CAT"]}, "polygonlabels"),
                     Reason.TOO_FEW_POINTS, id="no points"),
    ],
)  # fmt: skip
def test_object_that_is_dropped(tmp_path: Path, made: Any, reason: Reason) -> None:
    # Of a class that is known.
    known = region(VALUE | {"x": 50}, id="other")
    read = read_folder(write(tmp_path, task(annotation(made, known))))
    assert read.objects()[0][0] is reason


def test_answers_that_are_no_objects_are_noted(tmp_path: Path) -> None:
    made = {"id": "c", "type": "choices", "value": {"choices": ["good"]}}
    read = read_folder(write(tmp_path, task(annotation(made, region()))))
    assert list(read.notes.values()) == [1]
    assert len(read.objects()[0]) == 1


@pytest.mark.parametrize(
    ("named", "path"),
    [
        ("/data/upload/1/0123abcd-b.jpg", "images/0123abcd-b.jpg"),
        ("/data/upload/1/0123abcd-b.jpg", "images/b.jpg"),
        ("/data/local-files/?d=photos%2Fmy%20b.jpg", "photos/my b.jpg"),
        ("/data/local-files/?d=c/photos/b.jpg", "photos/b.jpg"),
        ("http://localhost:8080/data/upload/1/b.jpg", "b.jpg"),
        ("photos/b.jpg", "photos/b.jpg"),
        ("https://cdn.example/b.jpg?x=1", None),
        ("s3://bucket/b.jpg", None),
        ("/data/upload/1/0123abcd-gone.jpg", None),
    ],
)
def test_image_of_a_task(tmp_path: Path, named: str, path: str | None) -> None:
    write(tmp_path, task(annotation(), image=named), **({path: None} if path else {}))
    assert [image.image for image in read_folder(tmp_path).images] == [path or named]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param({"text": "hello"}, "name none where one image is needed", id="none"),
        pytest.param({"left": "a.jpg", "right": "b.jpg"}, r"several \(left, right\)", id="several"),
    ],
)
def test_task_without_one_image_is_an_error(tmp_path: Path, data: Any, reason: str) -> None:
    with pytest.raises(InputError, match=rf"export.json: task 3: .*{reason}"):
        read_folder(write(tmp_path, task(annotation(), data=data)))
