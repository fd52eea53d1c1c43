from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhymes.common.errors import InputError
from rhymes.detections.detections import Detections
from rhymes.detections.masks import MaskCrop
from rhymes.export.annotations import Annotation
from rhymes.export.categories import LabelMatcher
from rhymes.export.cells import cell_to_items, item_to_annotation, items_to_cell
from rhymes.export.dialects import DIALECTS
from rhymes.predictions.export_cells import (
    Outlines,
    check_names,
    detections_to_items,
    detections_to_outlines,
    detections_to_prediction,
)

NAMES = {1: "RED", 2: "logic gate", 3: 'crème "brûlée", 1/2-x'}


def make(
    *boxes: tuple[float, float, float, float],
    scores: list[float] | None = None,
    class_ids: list[int] | None = None,
    masks: tuple[MaskCrop, ...] | None = None,
    size: tuple[int, int] = (100, 80),
) -> Detections:
    """Detections with corners `boxes`; by default of score 0.9 and class 1."""
    n = len(boxes)
    return Detections(
        *size,
        np.array(boxes, np.float32).reshape(n, 4),
        np.array(scores or [0.9] * n, np.float32),
        np.array(class_ids or [1] * n, np.int32),
        masks,
    )


def mask(*rows: str, x: int = 10, y: int = 20) -> MaskCrop:
    """A crop drawn with #."""
    return MaskCrop(x, y, np.array([[cell == "#" for cell in row] for row in rows], np.bool_))


def items(detections: Detections, dialect: str, names: dict[int, str] = NAMES) -> list[Any]:
    outlines = detections_to_outlines(detections)
    return detections_to_items(detections, outlines, names, DIALECTS[dialect])


def read_back(cell: str, names: dict[int, str], width: int, height: int) -> list[Annotation]:
    """What the pipeline makes of a cell; each item must be read."""
    read = cell_to_items(cell)
    assert isinstance(read, list)
    matcher = LabelMatcher(list(names.values()))
    annotations = [item_to_annotation(item, matcher, width, height) for item in read]
    assert all(isinstance(annotation, Annotation) for annotation in annotations), annotations
    return annotations  # type: ignore[return-value]


def test_items_of_the_boxes_dialect() -> None:
    found = make((10.126, 20.0, 30.5, 79.999), scores=[0.1], class_ids=[2])
    assert items(found, "boxes") == [
        {
            "type": "boundingBox",
            "data": [10.13, 20.0, 20.37, 60.0],
            "errors": [],
            "category": "Annotation",
            "attributes": {"label": "logic gate"},
            "proba": 0.1,  # not 0.10000000149011612
        }
    ]


def test_items_of_the_polygons_dialect() -> None:
    found = make((10, 20, 12, 22), class_ids=[3], masks=(mask("##", "##"),))
    (item,) = items(found, "polygons")
    assert list(item) == ["type", "data", "errors", "category", "proba"]
    assert item["type"] == "polygon"
    assert item["category"] == NAMES[3]
    xs, ys = zip(*item["data"], strict=True)
    assert (min(xs), min(ys), max(xs), max(ys)) == (10, 20, 12, 22)


def test_object_in_parts_gets_its_largest_ring_and_is_counted() -> None:
    found = make((10, 20, 16, 22), (0, 0, 5, 5), masks=(mask("#..##", "...##"), mask("##")))
    outlines = detections_to_outlines(found)
    assert (outlines.cut, outlines.empty) == (1, 0)
    ring = outlines.rings[0]
    assert ring is not None
    assert min(x for x, _ in ring) == 13


def test_object_without_a_mask_pixel_is_written_as_a_box_and_counted() -> None:
    found = make((10, 20, 16, 22), (0, 0, 5, 5), masks=(mask("..."), mask("##")))
    outlines = detections_to_outlines(found)
    assert (outlines.cut, outlines.empty) == (0, 1)
    assert [item["type"] for item in items(found, "polygons")] == ["boundingBox", "polygon"]


def test_model_without_masks_gives_boxes_in_either_dialect() -> None:
    found = make((1, 2, 3, 4))
    assert detections_to_outlines(found) == Outlines((None,))
    assert items(found, "polygons") == items(found, "boxes")


def test_prediction_has_the_shape_that_the_platform_loads() -> None:
    found = make((10, 20, 12, 22), (1, 2, 3, 4), masks=(mask("##", "##"), mask("..")))
    outlines = detections_to_outlines(found)
    prediction = detections_to_prediction(found, outlines, NAMES, {"version": 3})
    assert prediction["info"] == {"version": 3}
    first, second = prediction["identifications"]
    assert set(first) == {
        "type", "data", "errors", "category", "attributes", "proba", "polygone",
    }  # fmt: skip
    assert first["data"] == [10, 20, 2, 2]
    assert first["polygone"] == outlines.rings[0]
    assert second["polygone"] is None


def test_nothing_found_is_an_image_without_objects_not_one_that_nobody_annotated() -> None:
    cell = items_to_cell(items(make(), "boxes"))
    assert cell_to_items(cell) == []


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "name",
    ["Annotation", "a, b", 'a "b"', "it's", "crème brûlée", "=1+1", "-", "西瓜", "a\\b", "a\tb"],
)  # fmt: skip
def test_class_is_read_back_whatever_its_name(name: str, dialect: str) -> None:
    names = {1: "other", 2: name}
    check_names(names)
    found = make((10, 20, 12, 22), class_ids=[2], masks=(mask("##", "##"),))
    (annotation,) = read_back(items_to_cell(items(found, dialect, names)), names, 100, 80)
    assert annotation.class_id == 2
    assert bool(annotation.shape.rings) == (dialect == "polygons")


def test_cell_is_one_line_and_the_same_each_time() -> None:
    found = make((10, 20, 12, 22), class_ids=[3], masks=(mask("##", "##"),))
    first, second = (items_to_cell(items(found, "polygons")) for _ in range(2))
    assert first == second
    assert len(first.splitlines()) == 1
    assert "crème" in first


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        pytest.param({1: ""}, "has no name", id="empty"),
        pytest.param({1: "a", 2: " "}, "class 2, ' ', has no name", id="blank"),
        pytest.param({1: "a\nb"}, "line break", id="line break"),
        pytest.param({1: "a\u2028b"}, "line break", id="Unicode's line break"),
        pytest.param({1: "a\0"}, "no text file can", id="NUL"),
        pytest.param({1: "\ud800"}, "no text file can", id="half a pair"),
        pytest.param({1: "a", 2: "b", 3: "a "}, "has the name of class 1", id="same name"),
        pytest.param({1: "\u00e9", 2: "e\u0301"}, "has the name of class 1", id="same accent"),
    ],
)
def test_names_that_no_export_can_tell_apart_are_refused(
    names: dict[int, str], problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        check_names(names)


def test_names_that_differ_pass() -> None:
    check_names({1: "salad", 2: "Salad", 3: "salad-2", 4: " spaces "})


def test_class_without_a_name_is_an_error() -> None:
    with pytest.raises(InputError, match="class 7, which has no name among its 3 classes"):
        items(make((1, 2, 3, 4), class_ids=[7]), "boxes")


@st.composite
def found_boxes(draw: st.DrawFn) -> Detections:
    """Boxes of any size down to the thinnest that float32 has, often at an edge."""
    width, height = draw(st.integers(1, 5000)), draw(st.integers(1, 5000))
    boxes = []
    for _ in range(draw(st.integers(1, 4))):
        sides = []
        for size in (width, height):
            low = draw(st.floats(0, size, width=32) | st.just(0.0))
            high = draw(st.floats(0, size, width=32) | st.just(float(size)))
            low, high = min(low, high), max(low, high)
            if low == high:
                low = float(np.nextafter(np.float32(high), np.float32(0)))
            if low == high:
                high = float(np.nextafter(np.float32(0), np.float32(1)))
            sides.append((low, high))
        (xmin, xmax), (ymin, ymax) = sides
        boxes.append((xmin, ymin, xmax, ymax))
    scores = sorted(
        draw(st.lists(st.floats(0, 1, width=32), min_size=len(boxes), max_size=len(boxes))),
        reverse=True,
    )
    return make(*boxes, scores=scores, size=(width, height))


@settings(max_examples=500, deadline=None)
@given(found_boxes())
def test_boxes_are_read_back_within_a_hundredth_of_a_pixel(found: Detections) -> None:
    cell = items_to_cell(items(found, "boxes"))
    read = read_back(cell, NAMES, found.width, found.height)
    for i, annotation in enumerate(read):
        x, y, width, height = annotation.shape.bbox
        assert not annotation.shape.rings
        sides = found.boxes[i, 2:] - found.boxes[i, :2]
        for side, corners in ((0, (x, x + width)), (1, (y, y + height))):
            tolerance = 0.00501 if sides[side] > 0.02 else 0.02501
            expected = found.boxes[i, [side, side + 2]].astype(float)
            assert np.abs(expected - corners).max() < tolerance
        proba = json.loads(cell)["identifications"][i]["proba"]
        assert np.float32(proba) == found.scores[i]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=36), st.integers(1, 6), st.integers(0, 50))
def test_rings_are_read_back_to_the_digit(cells: list[bool], columns: int, offset: int) -> None:
    rows = [cells[i : i + columns] for i in range(0, len(cells) - columns + 1, columns)]
    if not any(map(any, rows)):
        return
    crop = MaskCrop(offset, offset, np.array(rows, np.bool_))
    found = make((0, 0, 60, 60), masks=(crop,))
    outlines = detections_to_outlines(found)
    assert outlines.rings[0] is not None
    (annotation,) = read_back(items_to_cell(items(found, "polygons")), NAMES, 100, 80)
    assert annotation.shape.rings == (tuple(np.ravel(outlines.rings[0]).tolist()),)
    assert not annotation.shape.clipped
