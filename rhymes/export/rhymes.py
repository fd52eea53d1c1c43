"""Rhymes' annotation cells -> annotations, in both dialects of the export.

A cell of the column `output_content` holds the objects of one image:
`{"identifications": [{"type": ..., "data": ..., "category": ..., "attributes": {"label": ...}}]}`.
An item says by its `type` which dialect it is in, so that one file may mix them:

    type         data                         class
    boundingBox  [x, y, width, height]        attributes.label (category is "Annotation")
    polygon      [[x, y], [x, y], ...]        category

Nothing here raises for what a cell holds: each cell and item that cannot be used has a `Reason`.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rhymes.export import geometry
from rhymes.export.categories import LabelMatcher
from rhymes.export.geometry import Point, Shape

ANNOTATION_COLUMN = "output_content"


class Reason(StrEnum):
    """Why a row or an item is not in the training data; the codes of report.json."""

    NO_IDENTIFICATIONS = "no_identifications"
    BAD_CELL = "bad_cell"
    IMAGE_FAILED = "image_failed"
    NULL_ITEM = "null_item"
    UNKNOWN_TYPE = "unknown_type"
    NO_LABEL = "no_label"
    UNKNOWN_LABEL = "unknown_label"
    NOT_FINITE = "not_finite"
    TOO_FEW_POINTS = "too_few_points"
    EMPTY_BOX = "empty_box"
    OUTSIDE_IMAGE = "outside_image"
    DUPLICATE_ITEM = "duplicate_item"


ROW_REASONS = (Reason.NO_IDENTIFICATIONS, Reason.BAD_CELL, Reason.IMAGE_FAILED)
ITEM_REASONS = tuple(reason for reason in Reason if reason not in ROW_REASONS)

BOX, POLYGON = "boundingBox", "polygon"

# What the boxes dialect writes as every item's category; it is read as none.
NO_CATEGORY = "Annotation"

# How SQL clients and spreadsheets write a cell without a value.
_NULLS = frozenset({"", "null", "none", "nan", r"\n"})

# Forty times the longest cell seen. A Python literal of this length takes 0.5 GB to parse.
_MAX_CELL = 5_000_000

# Twenty times the nesting of any real cell. Python's own limits differ from release to release.
_MAX_DEPTH = 100

# Far beyond any image (JPEG ends at 65,535 pixels), and small enough to compute with.
_MAX_COORDINATE = 1e6
_NUMBERS = (int, float)

# What a Python literal may hold besides literals: repr() of a NaN, and JSON's own constants.
_CONSTANTS: dict[str, float | bool | None] = {
    "nan": math.nan, "NaN": math.nan, "inf": math.inf, "Infinity": math.inf,
    "null": None, "true": True, "false": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Annotation:
    """One object in an image: its class id, from 1, and its shape, cut to the image."""

    class_id: int
    shape: Shape


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
        value = _text_to_value(text)
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


def _text_to_value(text: str) -> object:
    """Parse JSON (with NaN and Infinity), else a Python literal; never evaluates an expression."""
    if len(text) > _MAX_CELL:
        raise ValueError("too long")
    try:
        return json.loads(text)
    except ValueError:
        tree = ast.parse(text, mode="eval")
    try:
        return ast.literal_eval(tree)
    except ValueError:
        return ast.literal_eval(_NamesToConstants().visit(tree))


def _check_depth(value: object) -> None:
    """Raise ValueError for lists and mappings in more than `_MAX_DEPTH` of each other."""
    level: list[Any] = [[value]]
    for _ in range(_MAX_DEPTH + 1):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list, tuple))
        ]
        if not level:
            return
    raise ValueError("nested too deeply")


class _NamesToConstants(ast.NodeTransformer):
    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id not in _CONSTANTS:
            return node
        return ast.copy_location(ast.Constant(_CONSTANTS[node.id]), node)


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
    kind = item.get("type")
    if kind not in (BOX, POLYGON):
        return Reason.UNKNOWN_TYPE
    label = item_to_label(item)
    if label is None:
        return Reason.NO_LABEL
    class_id = matcher.class_id(label)
    if class_id is None:
        return Reason.UNKNOWN_LABEL
    read = _data_to_box_shape if kind == BOX else _data_to_polygon_shape
    shape = read(item.get("data"), width, height)
    return shape if isinstance(shape, Reason) else Annotation(class_id, shape)


def item_to_label(item: Mapping[Any, Any]) -> str | None:
    """Return an item's label; None where it has none.

    Each dialect's own place counts first. Where it is empty (or holds the boxes dialect's constant
    "Annotation") the other's counts, since a file may hold polygons drawn in the boxes dialect. A
    label that is no text, or blank, is none.
    """
    attributes = item.get("attributes")
    label = _text(attributes.get("label")) if isinstance(attributes, Mapping) else None
    category = _text(item.get("category"))
    if category == NO_CATEGORY:
        category = None
    return category or label if item.get("type") == POLYGON else label or category


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _data_to_box_shape(data: object, width: int, height: int) -> Shape | Reason:
    """Read [x, y, width, height]; without four entries there is no box."""
    if not isinstance(data, list | tuple) or len(data) != 4:
        return Reason.EMPTY_BOX
    if not all(map(_is_coordinate, data)):
        return Reason.NOT_FINITE
    x, y, box_width, box_height = map(float, data)
    if min(box_width, box_height) < geometry.MIN_SIDE:
        return Reason.EMPTY_BOX
    return geometry.clip_box((x, y, box_width, box_height), width, height) or Reason.OUTSIDE_IMAGE


def _data_to_polygon_shape(data: object, width: int, height: int) -> Shape | Reason:
    """Read [[x, y], ...]: three different points at least, closed or not, enclosing an area."""
    if not isinstance(data, list | tuple) or len(data) < 3:
        return Reason.TOO_FEW_POINTS
    points = _points(data)
    if points is None:
        return Reason.NOT_FINITE
    ring = geometry.points_to_ring(points)
    if len(set(ring)) < 3:
        return Reason.TOO_FEW_POINTS
    try:
        region = geometry.ring_to_region(ring)
        if geometry.is_empty(region):
            return Reason.EMPTY_BOX
        return geometry.clip_ring(ring, region, width, height) or Reason.OUTSIDE_IMAGE
    except geometry.GeometryError:
        return Reason.NOT_FINITE


def _points(data: Sequence[Any]) -> list[Point] | None:
    """Return the points of an outline; None where an entry is no pair of coordinates."""
    points: list[Point] = []
    for entry in data:
        if not isinstance(entry, list | tuple) or len(entry) != 2:
            return None
        x, y = entry
        if not (_is_coordinate(x) and _is_coordinate(y)):
            return None
        points.append((float(x), float(y)))
    return points


def _is_coordinate(value: Any) -> bool:
    """Refuse NaN, infinity, numbers beyond 1e6, texts (also "12") and truth values."""
    # The type itself, because bool is a subclass of int.
    return type(value) in _NUMBERS and -_MAX_COORDINATE <= value <= _MAX_COORDINATE
