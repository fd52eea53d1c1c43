"""What is said of a cell or an item that is dropped leads to the cause, whatever it holds."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhymes.export.annotations import Reason
from rhymes.export.categories import LabelMatcher
from rhymes.export.cells import MAX_CELL, cell_to_items, item_to_annotation
from rhymes.export.problems import (
    Problem,
    cell_to_problem,
    item_to_problem,
    value_to_excerpt,
)
from tests.support.export_csv import box, cell, polygon

MATCHER = LabelMatcher(["RBC", "3"])
SIZE = (100, 80)


def problem_of_item(item: object) -> Problem:
    reason = item_to_annotation(item, MATCHER, *SIZE)
    assert isinstance(reason, Reason)
    return item_to_problem(item, reason, MATCHER, *SIZE)


def problem_of_cell(text: str) -> Problem:
    reason = cell_to_items(text)
    assert isinstance(reason, Reason)
    return cell_to_problem(text, reason)


@pytest.mark.parametrize(
    ("item", "value", "sentence"),
    [
        pytest.param(
            box({"x": 5, "y": 5, "width": 20, "height": 20}),
            "{'height': 20, 'width': 20, 'x': 5, 'y': 5}",
            "a mapping with the keys x, y, width, height; "
            "boundingBox has [x, y, width, height] in pixels",
            id="box as a mapping",
        ),
        pytest.param(
            box([[5, 5], [25, 25]]), "[[5, 5], [25, 25]]",
            "a list of 2 points; boundingBox has [x, y, width, height] in pixels",
            id="box as two corners",
        ),
        pytest.param(
            box("5 5 20 20"), "'5 5 20 20'",
            "a text; boundingBox has [x, y, width, height] in pixels", id="box as a text",
        ),
        pytest.param(
            box([5, 5, 20, 20, 0.9]), "[5, 5, 20, 20, 0.9]",
            "a flat list of 5 numbers; boundingBox has [x, y, width, height] in pixels",
            id="box with a score",
        ),
        pytest.param(
            box(None), "None", "null; boundingBox has [x, y, width, height] in pixels", id="null"
        ),
        pytest.param(
            {"type": "boundingBox", "attributes": {"label": "RBC"}, "bbox": [1, 2, 3, 4]},
            "{'attributes': {'label': 'RBC'}, 'bbox': [1, 2, 3, 4], 'type': 'boundingBox'}",
            "no `data`; the item has the keys type, attributes, bbox", id="another key",
        ),
        pytest.param(
            box([50, 50, -3, 4]), "[50, 50, -3, 4]",
            "width -3, height 4; expected [x, y, width, height] in pixels, sides from 0.01 pixels",
            id="negative width",
        ),
        pytest.param(
            box(["5", 5, 20, 20]), "['5', 5, 20, 20]",
            "'5' is a text; expected [x, y, width, height] in pixels", id="text coordinate",
        ),
        pytest.param(
            box([5, math.nan, 20, 20]), "[5, nan, 20, 20]",
            "nan is no number but NaN or infinity; expected [x, y, width, height] in pixels",
            id="NaN",
        ),
        pytest.param(
            box([5, 3e6, 20, 20]), "[5, 3000000.0, 20, 20]",
            "3000000.0 is beyond any image; expected [x, y, width, height] in pixels", id="huge",
        ),
        pytest.param(
            box([500, 5, 20, 20]), "[500, 5, 20, 20]",
            "lies outside its image of 100 x 80 pixels", id="outside",
        ),
        pytest.param(
            polygon([5, 5, 25, 5, 25, 25]), "[5, 5, 25, 5, 25, 25]",
            "a flat list of 6 numbers; polygon has [[x, y], [x, y], ...] in pixels", id="flat list",
        ),
        pytest.param(
            polygon([{"x": 5, "y": 5}, {"x": 25, "y": 5}, {"x": 25, "y": 25}]),
            "[{'x': 5, 'y': 5}, {'x': 25, 'y': 5}, {'x': 25, 'y': 25}]",
            "a list of 3 mappings with the keys x, y; polygon has [[x, y], [x, y], ...] in pixels",
            id="points as mappings",
        ),
        pytest.param(
            polygon([[1, 1, 0], [5, 5, 0], [9, 1, 0]]), "[[1, 1, 0], [5, 5, 0], [9, 1, 0]]",
            "a list of 3 lists; polygon has [[x, y], [x, y], ...] in pixels", id="points in space",
        ),
        pytest.param(
            polygon([[1, 1], [5, 5], [1, 1]]), "[[1, 1], [5, 5], [1, 1]]",
            "a list of 3 points; an outline has 3 different points or more", id="line",
        ),
        pytest.param(
            polygon([[1, 1], [5, 5], [9, 9]]), "[[1, 1], [5, 5], [9, 9]]",
            "a list of 3 points that enclose nothing", id="no area",
        ),
        pytest.param(
            box(label=3), "3", "the label is a number; expected a text in quotes", id="number"
        ),
        pytest.param(
            polygon(label=["RBC"]), "['RBC']",
            "the label is a list of 1 values; expected a text in quotes", id="labels",
        ),
        pytest.param(
            box(label={"name": "RBC"}), "{'name': 'RBC'}",
            "the label is a mapping with the key name; expected a text in quotes", id="class",
        ),
        pytest.param(
            {"type": "polygon", "data": [], "class": "RBC"},
            "{'class': 'RBC', 'data': [], 'type': 'polygon'}",
            "no label in `attributes.label` or `category`; the item has the keys type, data, class",
            id="label under another key",
        ),
        pytest.param(
            box(label="RBCS"), "'RBCS'", "not in the categories CSV; is it 'RBC'?", id="misspelt"
        ),
        pytest.param(box(label="cat"), "'cat'", "not in the categories CSV", id="unknown label"),
        pytest.param(
            box(type="rectangle"), "'rectangle'", "its `type`; expected boundingBox or polygon",
            id="another type",
        ),
        pytest.param(
            {"shape": "box"}, "the key shape",
            "an item without `type`; expected boundingBox or polygon", id="no type",
        ),
        pytest.param(
            [5, 5, 20, 20], "[5, 5, 20, 20]",
            "a flat list of 4 numbers; expected a mapping with `type` and `data`", id="bare box",
        ),
    ],
)  # fmt: skip
def test_problem_of_an_item(item: object, value: str, sentence: str) -> None:
    assert problem_of_item(item) == Problem(value, sentence)


@pytest.mark.parametrize("point", [(-20.0, 5.0), (30.0, 5.0)])
def test_problem_of_an_item_is_said_with_its_own_image(point: tuple[float, float]) -> None:
    x, y = point
    problem = item_to_problem(box([x, y, 3, 3]), Reason.OUTSIDE_IMAGE, MATCHER, 20, 10)
    assert problem.sentence == "lies outside its image of 20 x 10 pixels"


TWO_BOXES = cell(box(), box())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param(
            TWO_BOXES[:200], "the cell is cut off after 200 characters", id="cut off anywhere"
        ),
        pytest.param(
            (cell(*[box()] * 400))[:32_767],
            "the cell is cut off after 32,767 characters, the limit of a cell in Excel",
            id="cut off by Excel",
        ),
        pytest.param(
            repr({"identifications": [box()] * 400})[:32_767],
            "the cell is cut off after 32,767 characters, the limit of a cell in Excel",
            id="literal cut off by Excel",
        ),
        pytest.param(
            TWO_BOXES[:255],
            "the cell is cut off after 255 characters, the limit of a VARCHAR(255)",
            id="cut off by a database",
        ),
        pytest.param(
            '{"identifications": [1,, 2]}', "no JSON from line 1, column 23 on", id="comma too many"
        ),
        pytest.param(
            '{"identifications":\n [1 2]}', "no JSON from line 2, column 5 on", id="second line"
        ),
        pytest.param(
            "{'identifications': [1 2]}", "no Python literal from line 1, column 22 on",
            id="broken literal",
        ),
        pytest.param(
            "{'identifications': [np.float64(3.0)]}",
            "np.float64(3.0) at line 1, column 22 is no plain value",
            id="what numpy 2 writes",
        ),
        pytest.param(
            "{'é': 1, 'identifications': array([1, 2])}",
            "array([1, 2]) at line 1, column 29 is no plain value", id="array",
        ),
        pytest.param("<html>404</html>", "neither JSON nor a Python literal", id="HTML"),
        pytest.param(
            "[]", 'the cell holds an empty list; expected a mapping {"identifications": [...]}',
            id="list",
        ),
        pytest.param(
            json.dumps(TWO_BOXES),
            "a text that holds JSON, which was encoded twice; "
            'expected a mapping {"identifications": [...]}',
            id="encoded twice",
        ),
        pytest.param(
            "{1, 2}",
            'the cell holds a set; expected a mapping {"identifications": [...]}',
            id="set",
        ),
        pytest.param(
            "b'{}'", 'the cell holds a bytes; expected a mapping {"identifications": [...]}',
            id="bytes",
        ),
        pytest.param(
            '{"identifications": {"a": 1}}',
            "`identifications` is a mapping with the key a; expected a list of objects",
            id="mapping for the list",
        ),
        pytest.param(
            '{"identifications": ' + "[" * 300 + "]" * 300 + "}",
            "lists in more than 100 of each other", id="deep",
        ),
        pytest.param(
            "x" * (MAX_CELL + 1), "5000001 characters; at most 5000000 are read", id="too long"
        ),
        pytest.param("{}", "nobody annotated the image", id="not annotated"),
    ],
)  # fmt: skip
def test_problem_of_a_cell(text: str, sentence: str) -> None:
    assert problem_of_cell(text).sentence == sentence


def test_a_cell_is_shown_where_it_breaks_off() -> None:
    broken = TWO_BOXES.replace('"category": "Annotation"', '"category": Annotation')
    assert '"category": Annotation' in problem_of_cell(broken).value


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("\x1b[31mred\x07", id="colours and bells"),
        pytest.param("abc\u202edcba", id="text that runs backwards"),
        pytest.param("\ud800", id="half a surrogate pair"),
        pytest.param({"x": ["y" * 10**6] * 10**4}, id="megabytes"),
        pytest.param([[[[[[[1]]]]]]], id="deep"),
    ],
)
def test_any_value_is_shown_short_and_printable(value: Any) -> None:
    text = value_to_excerpt(value)
    assert text.isprintable()
    assert len(text) <= 103
    text.encode("utf-8")


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(
            st.sampled_from(["type", "data", "category", "attributes", "label", "\x1b"]), inner
        ),
    ),
    max_leaves=20,
)
likely_items = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["boundingBox", "polygon", "point"]),
        "data": values,
        "category": st.one_of(st.just("RBC"), values),
        "attributes": st.one_of(st.just({"label": "RBC"}), values),
    }
)


def assert_is_safe(problem: Problem) -> None:
    for text in (problem.value, problem.sentence):
        assert text.isprintable()
        assert len(text) < 400


@settings(deadline=None, max_examples=300)
@given(st.one_of(values, likely_items))
def test_any_dropped_item_has_a_problem(item: object) -> None:
    read = item_to_annotation(item, MATCHER, *SIZE)
    if isinstance(read, Reason):
        assert_is_safe(item_to_problem(item, read, MATCHER, *SIZE))


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(), values.map(json.dumps), values.map(repr)), st.integers(0, 200))
def test_any_dropped_cell_has_a_problem(text: str, length: int) -> None:
    for cut in (text, text[:length], f"{{'identifications': {text}"):
        read = cell_to_items(cut)
        if isinstance(read, Reason):
            assert_is_safe(cell_to_problem(cut, read))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 100_000, id="deep list"),
        pytest.param("{'a':" * 50_000, id="deep mapping"),
        pytest.param("1+" * 50_000 + "1", id="sums"),
        pytest.param("a." * 50_000 + "b", id="attributes"),
        pytest.param("9" * 10_000, id="a number of 10,000 digits"),
        pytest.param("{'a': 1}\0", id="NUL"),
        pytest.param("{[]: 1}", id="unhashable key"),
        pytest.param("\n" * 1000 + "{'a'\n: \n b}", id="lines"),
    ],
)
def test_hostile_cell_has_a_problem(text: str) -> None:
    assert_is_safe(problem_of_cell(text))
