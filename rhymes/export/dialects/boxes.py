"""The boxes dialect: [x, y, width, height], and the class in `attributes.label`.

{"type": "boundingBox", "data": [10, 20, 30, 40], "category": "Annotation",
 "attributes": {"label": "SALAD"}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rhymes.export.annotations import Reason
from rhymes.export.dialect import (
    NO_CATEGORY,
    Dialect,
    ExportObject,
    Item,
    is_coordinate,
    value_to_label,
)
from rhymes.export.geometry import MIN_SIDE, Box, Shape, clip_box


def item_to_label(item: Item) -> str | None:
    """Return `attributes.label`."""
    attributes = item.get("attributes")
    return value_to_label(attributes.get("label")) if isinstance(attributes, Mapping) else None


def data_to_shape(data: object, width: int, height: int) -> Shape | Reason:
    """Read [x, y, width, height]."""
    if not isinstance(data, list | tuple) or len(data) != 4:
        return Reason.WRONG_FORM
    if any(isinstance(entry, list | tuple | Mapping) for entry in data):
        return Reason.WRONG_FORM
    if not all(map(is_coordinate, data)):
        return Reason.NOT_FINITE
    x, y, box_width, box_height = map(float, data)
    if min(box_width, box_height) < MIN_SIDE:
        return Reason.EMPTY_BOX
    return clip_box((x, y, box_width, box_height), width, height) or Reason.OUTSIDE_IMAGE


def data_to_box(data: object) -> Box | None:
    """Return the four numbers; None where they are not four."""
    if not isinstance(data, list | tuple) or len(data) != 4 or not all(map(is_coordinate, data)):
        return None
    x, y, box_width, box_height = map(float, data)
    return x, y, box_width, box_height


def object_to_item(written: ExportObject) -> dict[str, Any]:
    """Write an object's box; its outline is left out."""
    return {
        "type": DIALECT.item_type,
        "data": list(written.box),
        "errors": [],
        "category": NO_CATEGORY,
        "attributes": {"label": written.label},
        **written.proba,
    }


DIALECT = Dialect(
    name="boxes",
    image_column="cdn_file_url",
    item_type="boundingBox",
    item_to_label=item_to_label,
    data_to_shape=data_to_shape,
    data_to_box=data_to_box,
    data_form="[x, y, width, height] in pixels",
    object_to_item=object_to_item,
)
