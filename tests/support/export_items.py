"""Items and cells of an annotations CSV, as annotators' exports have them."""

from __future__ import annotations

import json
from typing import Any


def box(data: Any = (10, 20, 30, 40), label: Any = "RBC", **changes: Any) -> dict[str, Any]:
    """An item of the boxes dialect; `changes` replace its keys."""
    item = {"type": "boundingBox", "data": data, "errors": [], "category": "Annotation"}
    return item | {"attributes": {"label": label}} | changes


def polygon(
    data: Any = ((10, 10), (30, 10), (30, 20)), label: Any = "RBC", **changes: Any
) -> dict[str, Any]:
    """An item of the polygons dialect; `changes` replace its keys."""
    return {"type": "polygon", "data": data, "category": label} | changes


def cell(*items: Any) -> str:
    """The JSON of an `output_content` cell."""
    return json.dumps({"identifications": items})
