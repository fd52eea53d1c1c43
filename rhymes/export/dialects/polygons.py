"""The polygons dialect: one outline [[x, y], ...] an object, and the class in `category`.

{"type": "polygon", "data": [[10, 10], [30, 10], [30, 20]], "category": "SALAD"}
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, TypeGuard

from rhymes.export import geometry
from rhymes.export.annotations import Reason
from rhymes.export.dialect import (
    NO_CATEGORY,
    Dialect,
    ExportObject,
    Item,
    are_coordinates,
    value_to_label,
)
from rhymes.export.dialects import boxes
from rhymes.export.geometry import Box, Shape


def item_to_label(item: Item) -> str | None:
    """Return `category`, unless it is the constant of items that have their label elsewhere."""
    category = value_to_label(item.get("category"))
    return None if category == NO_CATEGORY else category


# Of which no part of an object may be: what is left of the object would be another one.
_BROKEN = (Reason.WRONG_FORM, Reason.NOT_FINITE, Reason.TOO_COMPLEX)


def data_to_shape(data: object, width: int, height: int) -> Shape | Reason:
    """Read [[x, y], ...]: three different points at least, closed or not, enclosing an area.

    An object in several parts, which other tools draw and the platform does not, is a list of
    such rings: parts that enclose nothing or lie outside are left out while another one counts.
    """
    if not _is_in_parts(data):
        return _ring_to_shape(data, width, height)
    parts = [_ring_to_shape(ring, width, height) for ring in data]
    shapes = [part for part in parts if isinstance(part, Shape)]
    broken = [part for part in parts if part in _BROKEN]
    if broken or not shapes:
        return broken[0] if broken else next(part for part in parts if isinstance(part, Reason))
    try:
        return geometry.join_shapes(shapes)
    except geometry.GeometryError:
        return Reason.TOO_COMPLEX


def _is_in_parts(data: object) -> TypeGuard[list[Any]]:
    """Whether an outline is a list of rings: its first entry's first entry is a point."""
    for _ in range(2):
        if not isinstance(data, list | tuple) or not data:
            return False
        data = data[0]
    return isinstance(data, list | tuple)


def _ring_to_shape(data: object, width: int, height: int) -> Shape | Reason:
    if not isinstance(data, list | tuple) or not _are_pairs(data):
        return Reason.WRONG_FORM
    if len(data) < 3:
        return Reason.TOO_FEW_POINTS
    if not are_coordinates(chain.from_iterable(data)):
        return Reason.NOT_FINITE
    points = [(float(x), float(y)) for x, y in data]
    ring = geometry.points_to_ring(points)
    if len(set(ring)) < 3:
        return Reason.TOO_FEW_POINTS
    try:
        region = geometry.ring_to_region(ring)
        if geometry.is_empty(region):
            return Reason.EMPTY_BOX
        return geometry.clip_region(region, width, height) or Reason.OUTSIDE_IMAGE
    except geometry.GeometryError:
        return Reason.TOO_COMPLEX


def _are_pairs(data: Sequence[Any]) -> bool:
    """Whether the entries of an outline have the form of points."""
    if not _LISTS.issuperset(map(type, data)) or not {2}.issuperset(map(len, data)):
        return False
    return _NESTED.isdisjoint(map(type, chain.from_iterable(data)))


_LISTS = frozenset({list, tuple})
_NESTED = frozenset({list, tuple, dict})


def data_to_box(data: object) -> Box | None:
    """Return the box around all points; None where one is no point."""
    rings = data if _is_in_parts(data) else [data]
    points = [point for ring in rings if isinstance(ring, list | tuple) for point in ring]
    if not points or not _are_pairs(points) or not are_coordinates(chain.from_iterable(points)):
        return None
    left, top = (float(min(values)) for values in zip(*points, strict=True))
    right, bottom = (float(max(values)) for values in zip(*points, strict=True))
    return left, top, right - left, bottom - top


def object_to_item(written: ExportObject) -> dict[str, Any]:
    """Write an object's outline; one without an outline as a box, rather than lose it."""
    if written.ring is None:
        return boxes.object_to_item(written)
    item: dict[str, Any] = {
        "type": DIALECT.item_type,
        "data": written.ring,
        "errors": [],
        "category": written.label,
    }
    # That category means none to a reader; a class of this very name needs its label elsewhere.
    if written.label == NO_CATEGORY:
        item["attributes"] = {"label": written.label}
    return item | written.proba


DIALECT = Dialect(
    name="polygons",
    image_column="image_url",
    item_type="polygon",
    item_to_label=item_to_label,
    data_to_shape=data_to_shape,
    data_to_box=data_to_box,
    data_form="[[x, y], [x, y], ...] in pixels",
    object_to_item=object_to_item,
)
