"""The annotation cells of an export: the text of a cell <-> its items, an item -> an annotation.

A cell of the column `output_content` holds the objects of one image:
`{"identifications": [{"type": ..., "data": ..., ...}, ...]}`. An item says by its `type` which of
`rhymes.export.dialects` it is in, so that one file may mix them.

Nothing here raises for what a cell holds: each cell and item that cannot be used has a `Reason`.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import orjson

from rhymes.export.annotations import Annotation, LastTouch, Reason
from rhymes.export.categories import LabelMatcher
from rhymes.export.dialect import Item
from rhymes.export.dialects import DIALECTS, item_type_to_dialect

ANNOTATION_COLUMN = "output_content"

LAST_TOUCH_KEY = "last_touch"
"""Key of an item that says, by a `LastTouch`, who last touched it."""

_TOUCHES = frozenset(LastTouch)

# How SQL clients and spreadsheets write a cell without a value.
_NULLS = frozenset({"", "null", "none", "nan", r"\n"})

# Forty times the longest cell seen. A Python literal of this length takes 0.5 GB to parse.
MAX_CELL = 5_000_000

# Twenty times the nesting of any real cell. Python's own limits differ from release to release.
MAX_DEPTH = 100

_CONTAINERS = frozenset({dict, list, tuple})

# What a Python literal may hold besides literals: repr() of a NaN, and JSON's own constants.
_CONSTANTS: dict[str, float | bool | None] = {
    "nan": math.nan, "NaN": math.nan, "inf": math.inf, "Infinity": math.inf,
    "null": None, "true": True, "false": False,
}  # fmt: skip


def cell_to_items(cell: str) -> list[Any] | Reason:
    """Parse an annotation cell, JSON or a Python literal, into its items, unread.

    No value, `null`, and a mapping without `identifications` or with null there mean that nobody
    annotated the image: `no_identifications`. An empty list means that someone did and found
    nothing. What cannot be parsed or has another form is a `bad_cell`. Of a key that stands twice
    the last counts, as in the jsonb column that the cell comes from.
    """
    text = cell.strip()
    if text.lower() in _NULLS:
        return Reason.NO_IDENTIFICATIONS
    try:
        value = cell_to_value(text)
        _check_depth(value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return Reason.BAD_CELL
    if not isinstance(value, dict):
        return Reason.NO_IDENTIFICATIONS if value is None else Reason.BAD_CELL
    match value.get("identifications"):
        case None:
            return Reason.NO_IDENTIFICATIONS
        case list() | tuple() as items:
            return list(items)
        case _:
            return Reason.BAD_CELL


def cell_to_value(text: str) -> object:
    """Parse JSON (with NaN and Infinity), else a Python literal; never evaluates an expression.

    Raises:
        ValueError, SyntaxError, TypeError, RecursionError, MemoryError: it is neither.
    """
    if len(text) > MAX_CELL:
        raise ValueError("too long")
    try:
        return _json_to_value(text)
    except ValueError:
        tree = ast.parse(text, mode="eval")
    try:
        return ast.literal_eval(tree)
    except ValueError:
        return ast.literal_eval(_NamesToConstants().visit(tree))


def _json_to_value(text: str) -> object:
    """Parse JSON as Python's own parser does, by orjson wherever the two agree.

    They do not on NaN and half of a surrogate pair, which orjson refuses, nor on integers beyond
    64 bits, of which it makes floats.
    """
    try:
        data = text.encode()
        if _LONG_INTEGER not in data.translate(_DIGITS_AS_0):
            return orjson.loads(data)
    except ValueError:
        pass
    return json.loads(text)


_LONG_INTEGER = b"0" * 19
_DIGITS_AS_0 = bytes.maketrans(b"123456789", b"0" * 9)


def _check_depth(value: object) -> None:
    """Raise ValueError for lists and mappings in more than `MAX_DEPTH` of each other."""
    level: list[Any] = [[value]]
    for _ in range(MAX_DEPTH + 1):
        dicts = [outer for outer in level if type(outer) is dict]
        lists = [outer for outer in level if type(outer) is not dict] if dicts else level
        inner = list(chain(chain.from_iterable(lists), *(outer.values() for outer in dicts)))
        if _CONTAINERS.isdisjoint(map(type, inner)):
            return
        level = [each for each in inner if type(each) in _CONTAINERS]
    raise ValueError("nested too deeply")


class _NamesToConstants(ast.NodeTransformer):
    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id not in _CONSTANTS:
            return node
        return ast.copy_location(ast.Constant(_CONSTANTS[node.id]), node)


# What a Python literal is made of, besides names of `_CONSTANTS`.
_LITERALS = (
    ast.Expression, ast.Constant, ast.Dict, ast.List, ast.Tuple, ast.Set,
    ast.UnaryOp, ast.UAdd, ast.USub, ast.Load,
)  # fmt: skip


def first_expression(tree: ast.AST) -> ast.expr | None:
    """Return what makes a parsed text no literal, such as the call in `np.float64(3)`."""
    for node in ast.walk(tree):
        is_constant = isinstance(node, ast.Name) and node.id in _CONSTANTS
        if isinstance(node, ast.expr) and not isinstance(node, _LITERALS) and not is_constant:
            return node
    return None


def items_to_cell(items: Sequence[Mapping[str, Any]]) -> str:
    """Make the text of an `output_content` cell: JSON in one line, the same for the same items."""
    return json.dumps({"identifications": list(items)}, ensure_ascii=False, allow_nan=False)


def item_to_annotation(
    item: object, matcher: LabelMatcher, width: int, height: int
) -> Annotation | Reason:
    """Read one item of an image of `width` x `height` pixels.

    The first reason that applies is the one given, in the order of `Reason`: what an item is and
    whether its class is wanted come before its geometry, so that a broken box of a class that is
    not trained on costs nothing.
    """
    if not isinstance(item, Mapping):
        return Reason.NULL_ITEM
    dialect = item_type_to_dialect(item.get("type"))
    if dialect is None:
        return Reason.UNKNOWN_TYPE
    label = item_to_label(item)
    if label is None:
        return Reason.NO_LABEL if item_to_odd_label(item) is None else Reason.LABEL_NOT_TEXT
    class_id = matcher.class_id(label)
    if class_id is None:
        return Reason.UNKNOWN_LABEL
    shape = dialect.data_to_shape(item.get("data"), width, height)
    if isinstance(shape, Reason):
        return shape
    return Annotation(class_id, shape, item_to_last_touch(item))


def item_to_last_touch(item: Item) -> LastTouch:
    """Say whether a person or a model last touched an item.

    `rhymes merge` writes it into the item. Where that is missing, a score (`proba`) tells what a
    model found and nobody touched; what has none was drawn by a person.
    """
    told = item.get(LAST_TOUCH_KEY)
    if isinstance(told, str) and told in _TOUCHES:
        return LastTouch(told)
    return LastTouch.MODEL if type(item.get("proba")) in (int, float) else LastTouch.PERSON


def item_to_label(item: Item) -> str | None:
    """Return an item's label; None where it has none.

    The label of the item's own dialect counts first. Where there is none, those of the others
    count, since a file may hold polygons drawn in the boxes dialect.
    """
    own = item_type_to_dialect(item.get("type"))
    if own and (label := own.item_to_label(item)):
        return label
    others = (dialect for dialect in DIALECTS.values() if dialect is not own)
    return next((label for each in others if (label := each.item_to_label(item))), None)


def item_to_odd_label(item: Item) -> object:
    """Return what stands in place of an item's label and is no text; None where nothing does."""
    attributes = item.get("attributes")
    own = attributes.get("label") if isinstance(attributes, Mapping) else None
    labels = (own, item.get("category"))
    return next((label for label in labels if not isinstance(label, str | None)), None)
