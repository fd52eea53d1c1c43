"""Cells and their items, each oddity by its reason; nothing that a cell holds raises."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhymes.export.annotations import Annotation, Reason
from rhymes.export.categories import LabelMatcher
from rhymes.export.cells import cell_to_items, item_to_annotation
from tests.support.export_csv import box, polygon

WIDTH, HEIGHT = 100, 80
MATCHER = LabelMatcher(["RBC", "salad", "salad-bar"], separator="-")


def read(item: object) -> Annotation | Reason:
    return item_to_annotation(item, MATCHER, WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        pytest.param('{"identifications": [1, null]}', [1, None], id="JSON"),
        pytest.param("{'identifications': [1, None, True]}", [1, None, True], id="Python literal"),
        pytest.param("{'identifications': (1, 2)}", [1, 2], id="Python tuple"),
        pytest.param("{'identifications': [null, true]}", [None, True], id="literal, JSON names"),
        pytest.param('\n {"identifications": [] } \t', [], id="empty list, blanks around"),
        pytest.param('{"identifications": [], "identifications": [1]}', [1], id="last key wins"),
        pytest.param('{"info": 1, "identifications": ["é\\u00e9"]}', ["éé"], id="accents"),
        pytest.param("", Reason.NO_IDENTIFICATIONS, id="empty cell"),
        pytest.param("  \n", Reason.NO_IDENTIFICATIONS, id="blank cell"),
        pytest.param("NULL", Reason.NO_IDENTIFICATIONS, id="SQL's NULL"),
        pytest.param(r"\N", Reason.NO_IDENTIFICATIONS, id="PostgreSQL's NULL"),
        pytest.param("nan", Reason.NO_IDENTIFICATIONS, id="a spreadsheet's nothing"),
        pytest.param("null", Reason.NO_IDENTIFICATIONS, id="JSON null"),
        pytest.param("None", Reason.NO_IDENTIFICATIONS, id="Python None"),
        pytest.param("{}", Reason.NO_IDENTIFICATIONS, id="no key"),
        pytest.param('{"identifications": null}', Reason.NO_IDENTIFICATIONS, id="null list"),
        pytest.param('{"identifications": {}}', Reason.BAD_CELL, id="mapping for the list"),
        pytest.param('{"identifications": "[]"}', Reason.BAD_CELL, id="text for the list"),
        pytest.param("[]", Reason.BAD_CELL, id="top level list"),
        pytest.param("7", Reason.BAD_CELL, id="top level number"),
        pytest.param('"{}"', Reason.BAD_CELL, id="top level text"),
        pytest.param('{"identifications": [', Reason.BAD_CELL, id="cut off"),
        pytest.param("<html>404</html>", Reason.BAD_CELL, id="HTML"),
        pytest.param("{'identifications': [x]}", Reason.BAD_CELL, id="name"),
        pytest.param("{'identifications': [open('a')]}", Reason.BAD_CELL, id="call"),
        pytest.param("{'identifications': [1 + 1]}", Reason.BAD_CELL, id="expression"),
        pytest.param("{[]: 1}", Reason.BAD_CELL, id="unhashable key"),
        pytest.param("{'a': 1}\0", Reason.BAD_CELL, id="NUL"),
    ],
)
def test_cell(cell: str, expected: object) -> None:
    assert cell_to_items(cell) == expected


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param("[" * 100_000, id="deep list"),
        pytest.param('{"identifications": ' + "[" * 5000 + "]" * 5000 + "}", id="deep, closed"),
        pytest.param('{"identifications": ' + "[" * 100 + "]" * 100 + "}", id="too deep by one"),
        pytest.param("{'identifications': " + "[" * 100 + "]" * 100 + "}", id="a literal as deep"),
        pytest.param("{'a':" * 50_000, id="deep mapping"),
        pytest.param("-" * 100_000 + "1", id="minus signs"),
        pytest.param("1+" * 50_000 + "1", id="sums"),
        pytest.param("a." * 50_000 + "b", id="attributes"),
        pytest.param("(" * 150 + ")" * 150, id="brackets"),
        pytest.param("9" * 10_000, id="a number of 10,000 digits"),
        pytest.param("9**" * 1000 + "9", id="a power"),
        pytest.param("'a' * 10 ** 9", id="a long text"),
        pytest.param('{"identifications": []}' + " " * 10 + "x" * 6_000_000, id="too long"),
    ],
)
def test_hostile_cell_is_bad(cell: str) -> None:
    assert cell_to_items(cell) is Reason.BAD_CELL


@pytest.mark.parametrize("quote", "\"'")
def test_a_cell_of_a_hundred_levels_is_read(quote: str) -> None:
    """One limit for all Pythons, whose own differ: the same cells have to be bad on each."""
    cell = f"{{{quote}identifications{quote}: {'[' * 99}{']' * 99}}}"
    assert str(cell_to_items(cell)) == "[" * 99 + "]" * 99


def test_cell_of_a_million_characters_is_read() -> None:
    items = [box() for _ in range(9000)]
    cell = json.dumps({"identifications": items})
    assert len(cell) > 1_000_000
    assert len(cell_to_items(cell)) == 9000
    assert len(cell_to_items(repr({"identifications": items}))) == 9000


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param(json.dumps({"identifications": [box([math.nan, 1, 2, 3])]}), id="JSON"),
        pytest.param(repr({"identifications": [box([math.nan, 1, 2, 3])]}), id="literal NaN"),
        pytest.param(repr({"identifications": [box([-math.inf, 1, 2, 3])]}), id="literal -inf"),
        pytest.param(json.dumps({"identifications": [box([0, 1, math.inf, 3])]}), id="inf"),
        pytest.param(json.dumps({"identifications": [box()]}).replace("30", "1e999"), id="1e999"),
        pytest.param(json.dumps({"identifications": [box()]}).replace("30", "3" * 400), id="huge"),
    ],
)
def test_number_that_is_none_costs_its_item_alone(cell: str) -> None:
    items = cell_to_items(cell)
    assert not isinstance(items, Reason)
    assert [read(item) for item in items] == [Reason.NOT_FINITE]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        pytest.param(None, Reason.NULL_ITEM, id="null"),
        pytest.param([], Reason.NULL_ITEM, id="list"),
        pytest.param("boundingBox", Reason.NULL_ITEM, id="text"),
        pytest.param({}, Reason.UNKNOWN_TYPE, id="no type"),
        pytest.param(box(type="point"), Reason.UNKNOWN_TYPE, id="another type"),
        pytest.param(box(type=["boundingBox"]), Reason.UNKNOWN_TYPE, id="type no text"),
        pytest.param(box(label="CAT"), Reason.UNKNOWN_LABEL, id="unknown label"),
        pytest.param(box(label="rbc"), Reason.UNKNOWN_LABEL, id="other case"),
        pytest.param(box([math.nan] * 4, "CAT"), Reason.UNKNOWN_LABEL, id="label before geometry"),
    ],
)
def test_item_that_is_dropped(item: object, reason: Reason) -> None:
    assert read(item) is reason


@pytest.mark.parametrize(
    ("item", "class_id"),
    [
        pytest.param(box(label=" RBC "), 1, id="label with blanks"),
        pytest.param(box(label="salad-2"), 2, id="instance of a class"),
        pytest.param(box(label="salad-bar"), 3, id="whole label first"),
        pytest.param(
            polygon(label="Annotation", attributes={"label": "RBC"}), 1,
            id="polygon of the boxes dialect",
        ),
        pytest.param(box(category="salad"), 1, id="a box's own label first"),
        pytest.param(polygon(attributes={"label": "salad"}), 1, id="a polygon's own label first"),
        pytest.param(box(attributes={}, category="RBC"), 1, id="box of the other dialect"),
    ],
)  # fmt: skip
def test_class_of_an_item(item: object, class_id: int) -> None:
    annotation = read(item)
    assert isinstance(annotation, Annotation)
    assert annotation.class_id == class_id


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from(["boundingBox", "polygon", "RBC", "Annotation"]),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(
            st.sampled_from(["type", "data", "category", "attributes", "label"]), inner, max_size=5
        ),
    ),
    max_leaves=20,
)
likely_items = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["boundingBox", "polygon", "point"]),
        "data": st.one_of(
            values,
            st.lists(st.one_of(st.integers(-50, 150), scalars), max_size=5),
            st.lists(st.lists(st.integers(-50, 150), min_size=2, max_size=2), max_size=6),
        ),
        "category": st.one_of(st.just("RBC"), values),
        "attributes": st.one_of(st.just({"label": "RBC"}), values),
    }
)


@settings(deadline=None, max_examples=300)
@given(st.one_of(values, likely_items))
def test_any_item_is_read_or_has_a_reason(item: object) -> None:
    assert isinstance(read(item), Annotation | Reason)


@settings(deadline=None)
@given(st.one_of(st.text(), values.map(json.dumps), values.map(repr), st.binary().map(repr)))
def test_any_cell_is_read_or_has_a_reason(cell: str) -> None:
    assert isinstance(cell_to_items(cell), list | Reason)


@given(st.lists(values, max_size=4))
def test_both_spellings_of_a_cell_give_the_same_items(items: list[object]) -> None:
    value = {"identifications": items}
    # repr also of the items: NaN is not equal to itself.
    assert repr(cell_to_items(json.dumps(value))) == repr(cell_to_items(repr(value)))
