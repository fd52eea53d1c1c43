"""The boxes dialect: each oddity of a box by its reason, and what is written."""

from __future__ import annotations

import math

import pytest

from rhymes.export.annotations import Annotation, Reason
from rhymes.export.categories import LabelMatcher
from rhymes.export.cells import item_to_annotation
from rhymes.export.dialect import ExportObject
from rhymes.export.dialects.boxes import DIALECT
from tests.support.export_csv import box


def read(item: object) -> Annotation | Reason:
    return item_to_annotation(item, LabelMatcher(["RBC"]), width=100, height=80)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        pytest.param(box(label=None), Reason.NO_LABEL, id="null label"),
        pytest.param(box(label=" "), Reason.NO_LABEL, id="blank label"),
        pytest.param(box(label=5), Reason.LABEL_NOT_TEXT, id="number for a label"),
        pytest.param(box(attributes=None), Reason.NO_LABEL, id="no attributes"),
        pytest.param(box(attributes=["label"]), Reason.NO_LABEL, id="attributes no mapping"),
        pytest.param(box([1, 2, math.nan, 4]), Reason.NOT_FINITE, id="NaN"),
        pytest.param(box([1, 2, None, 4]), Reason.NOT_FINITE, id="null coordinate"),
        pytest.param(box(["1", 2, 3, 4]), Reason.NOT_FINITE, id="text coordinate"),
        pytest.param(box([True, 2, 3, 4]), Reason.NOT_FINITE, id="boolean coordinate"),
        pytest.param(box([1, 2, 3e6, 4]), Reason.NOT_FINITE, id="beyond any image"),
        pytest.param(box([1, 2, 0, 4]), Reason.EMPTY_BOX, id="zero width"),
        pytest.param(box([50, 50, -3, 4]), Reason.EMPTY_BOX, id="negative width"),
        pytest.param(box([50, 50, 3, -4]), Reason.EMPTY_BOX, id="negative height"),
        pytest.param(box([-50, 50, 0, 4]), Reason.EMPTY_BOX, id="empty and outside"),
        pytest.param(box([1, 2, 3]), Reason.WRONG_FORM, id="three numbers"),
        pytest.param(box([]), Reason.WRONG_FORM, id="no numbers"),
        pytest.param(box(None), Reason.WRONG_FORM, id="null box"),
        pytest.param(box("1, 2, 3, 4"), Reason.WRONG_FORM, id="text box"),
        pytest.param(box({"x": 1, "y": 2, "width": 3, "height": 4}), Reason.WRONG_FORM, id="keys"),
        pytest.param(box([[1, 2], [3, 4]]), Reason.WRONG_FORM, id="two corners"),
        pytest.param(box([[1, 2], [3, 2], [3, 4], [1, 4]]), Reason.WRONG_FORM, id="four corners"),
        pytest.param(box([1, 2, 3, 4, 0.9]), Reason.WRONG_FORM, id="a score behind"),
        pytest.param(box(label=["RBC"]), Reason.LABEL_NOT_TEXT, id="list for a label"),
        pytest.param(box(label={"name": "RBC"}), Reason.LABEL_NOT_TEXT, id="mapping for a label"),
        pytest.param(
            box(label=None, category=3), Reason.LABEL_NOT_TEXT, id="number for a category"
        ),
        pytest.param(box([100, 2, 3, 4]), Reason.OUTSIDE_IMAGE, id="right of the image"),
        pytest.param(box([-5, -5, 5, 5]), Reason.OUTSIDE_IMAGE, id="touches the corner"),
    ],
)
def test_box_that_is_dropped(item: object, reason: Reason) -> None:
    assert read(item) is reason


@pytest.mark.parametrize(
    ("item", "bbox"),
    [
        pytest.param(box(), (10, 20, 30, 40), id="inside"),
        pytest.param(box([90, 20, 30, 40]), (90, 20, 10, 40), id="over the edge"),
        pytest.param(box([1.5, 2, 0.5, 4]), (1.5, 2, 0.5, 4), id="half a pixel wide"),
    ],
)
def test_box_that_is_kept(item: object, bbox: tuple[float, ...]) -> None:
    annotation = read(item)
    assert isinstance(annotation, Annotation)
    assert (annotation.class_id, annotation.shape.bbox) == (1, bbox)
    assert annotation.shape.rings == ()


@pytest.mark.parametrize("ring", [None, [[10.0, 20.0], [12.0, 20.0], [12.0, 22.0]]])
def test_item_that_is_written(ring: list[list[float]] | None) -> None:
    item = DIALECT.object_to_item(ExportObject("RBC", (10.0, 20.0, 2.0, 2.0), ring, 0.9))
    assert list(item.items()) == [
        ("type", "boundingBox"),
        ("data", [10.0, 20.0, 2.0, 2.0]),
        ("errors", []),
        ("category", "Annotation"),
        ("attributes", {"label": "RBC"}),
        ("proba", 0.9),
    ]
