"""The polygons dialect: each oddity of an outline by its reason, and what is written."""

from __future__ import annotations

import math

import pytest

from rhymes.export.annotations import Annotation, Reason
from rhymes.export.categories import LabelMatcher
from rhymes.export.cells import item_to_annotation
from rhymes.export.dialect import ExportObject
from rhymes.export.dialects import boxes
from rhymes.export.dialects.polygons import DIALECT
from tests.support.export_csv import polygon

RING = [[10.0, 20.0], [12.0, 20.0], [12.0, 22.0]]


def read(item: object) -> Annotation | Reason:
    return item_to_annotation(item, LabelMatcher(["RBC"]), width=100, height=80)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        pytest.param(polygon(label=None), Reason.NO_LABEL, id="no category"),
        pytest.param(polygon(label="Annotation"), Reason.NO_LABEL, id="constant category"),
        pytest.param(polygon([[1, 1], [2, math.inf], [3, 3]]), Reason.NOT_FINITE, id="infinity"),
        pytest.param(polygon([[1, 1], [2], [3, 3]]), Reason.WRONG_FORM, id="half a point"),
        pytest.param(polygon([1, 1, 2, 2, 3, 1]), Reason.WRONG_FORM, id="flat list"),
        pytest.param(polygon([[1, 1, 9], [2, 5, 9], [3, 3, 9]]), Reason.WRONG_FORM, id="in space"),
        pytest.param(polygon([{"x": 1, "y": 1}] * 3), Reason.WRONG_FORM, id="points with keys"),
        pytest.param(polygon({"x": [1, 2], "y": [1, 5]}), Reason.WRONG_FORM, id="columns"),
        pytest.param(polygon("1,1 5,1 5,5"), Reason.WRONG_FORM, id="text"),
        pytest.param(polygon([["1", 1], [5, 1], [5, 5]]), Reason.NOT_FINITE, id="text coordinate"),
        pytest.param(
            polygon([(n * n % 499, n * n % 487) for n in range(1, 400)]),
            Reason.TOO_COMPLEX,
            id="scribble",
        ),
        pytest.param(polygon([]), Reason.TOO_FEW_POINTS, id="no points"),
        pytest.param(polygon(None), Reason.WRONG_FORM, id="null"),
        pytest.param(polygon([[1, 1], [5, 5]]), Reason.TOO_FEW_POINTS, id="two points"),
        pytest.param(polygon([[1, 1], [5, 5], [1, 1]]), Reason.TOO_FEW_POINTS, id="two, closed"),
        pytest.param(polygon([[1, 1]] * 4), Reason.TOO_FEW_POINTS, id="one point four times"),
        pytest.param(polygon([[1, 1], [5, 5], [9, 9]]), Reason.EMPTY_BOX, id="points on a line"),
        pytest.param(polygon([[-9, 1], [-1, 1], [-1, 9]]), Reason.OUTSIDE_IMAGE, id="outside"),
    ],
)
def test_polygon_that_is_dropped(item: object, reason: Reason) -> None:
    assert read(item) is reason


def test_polygon_that_is_kept() -> None:
    annotation = read(polygon())
    assert isinstance(annotation, Annotation)
    assert (annotation.class_id, annotation.shape.bbox) == (1, (10, 10, 20, 10))
    assert annotation.shape.rings == ((10, 10, 30, 10, 30, 20),)


def test_item_that_is_written() -> None:
    item = DIALECT.object_to_item(ExportObject("RBC", (10.0, 20.0, 2.0, 2.0), RING, 0.9))
    assert list(item.items()) == [
        ("type", "polygon"),
        ("data", RING),
        ("errors", []),
        ("category", "RBC"),
        ("proba", 0.9),
    ]


def test_class_of_the_constant_category_has_its_label_elsewhere() -> None:
    written = ExportObject("Annotation", (10.0, 20.0, 2.0, 2.0), RING, 0.9)
    item = DIALECT.object_to_item(written)
    assert item["attributes"] == {"label": "Annotation"}


def test_object_without_an_outline_is_written_as_a_box() -> None:
    written = ExportObject("RBC", (10.0, 20.0, 2.0, 2.0), None, 0.9)
    assert DIALECT.object_to_item(written) == boxes.DIALECT.object_to_item(written)
