"""Detections -> the items of an export's annotation cell in any dialect, and the prediction JSON.

What is written here, `rhymes.export.cells` reads: a pre-annotation is raw input of the pipeline.
Coordinates are rounded to 1/100 of a pixel, so the corners of a box that was read back lie within
0.005 pixels of the detection's (0.025 for a side shorter than 0.02: it is lengthened, because the
reader drops a box without a size). Scores are shortest decimals of the float32 and lose nothing.

A ring is one closed outline without holes: of an object in several parts the largest is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rhymes.common.errors import InputError
from rhymes.detections.detections import Detections
from rhymes.detections.masks import Ring, crop_to_polygons
from rhymes.export.categories import normalised
from rhymes.export.dialect import Dialect, ExportObject
from rhymes.export.dialects import boxes, polygons
from rhymes.export.geometry import Box

_DECIMALS = 2
# Pixels. Twice what the reader wants at least (geometry.MIN_SIDE), because the sum of a rounded
# corner and a rounded side may be half a step of floating point off.
_THINNEST = 0.02


@dataclass(frozen=True)
class Outlines:
    """What one ring for each object can say of the masks of an image.

    Attributes:
        rings: x and y in pixels, rounded; None for an object without a mask, or with an empty one.
        cut: number of objects of which the ring leaves out other parts.
        empty: number of objects whose mask has no pixel.
    """

    rings: tuple[list[list[float]] | None, ...]
    cut: int = 0
    empty: int = 0


def detections_to_outlines(detections: Detections) -> Outlines:
    """Trace each object's largest part."""
    if detections.masks is None:
        return Outlines((None,) * len(detections))
    traced = [crop_to_polygons(crop) for crop in detections.masks]
    return Outlines(
        tuple(_ring_to_points(parts[0]) if parts else None for parts in traced),
        cut=sum(len(parts) > 1 for parts in traced),
        empty=sum(not parts for parts in traced),
    )


def _ring_to_points(ring: Ring) -> list[list[float]]:
    return [[round(x, _DECIMALS), round(y, _DECIMALS)] for x, y in ring.tolist()]


def check_names(names: Mapping[int, str]) -> None:
    """Refuse class names from which an export could not tell its classes again.

    Raises:
        InputError: a name is blank, holds a line break, NUL or half a surrogate pair, or is the
            same as another one (but for outer spaces and the way accents are encoded).
    """
    seen: dict[str, int] = {}
    for class_id, name in names.items():
        if problem := _name_problem(name, seen):
            raise InputError(
                f"class {class_id}, {name!r}, {problem}, so that an export cannot name it; "
                "give a label map with names of one line that are all different"
            )
        seen[normalised(name)] = class_id


def _name_problem(name: str, seen: Mapping[str, int]) -> str:
    key = normalised(name)
    if not key:
        return "has no name"
    if len(key.splitlines()) > 1:
        return "holds a line break"
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in name):
        return "holds a character that no text file can"
    return f"has the name of class {seen[key]}" if key in seen else ""


def fitting_dialect(*, has_masks: bool) -> Dialect:
    """Return the dialect that loses least of what a model finds."""
    return polygons.DIALECT if has_masks else boxes.DIALECT


def detections_to_items(
    detections: Detections, outlines: Outlines, names: Mapping[int, str], dialect: Dialect
) -> list[dict[str, Any]]:
    """Make the items of an annotation cell, the best object first.

    Args:
        detections: The objects of one image.
        outlines: Of the same objects.
        names: Class names by id.
        dialect: Which makes the items.

    Raises:
        InputError: a class has no name.
    """
    objects = _detections_to_objects(detections, outlines, names)
    return [dialect.object_to_item(each) for each in objects]


def _detections_to_objects(
    detections: Detections, outlines: Outlines, names: Mapping[int, str]
) -> Iterator[ExportObject]:
    for i, ring in enumerate(outlines.rings):
        yield ExportObject(
            label=_name(detections, i, names),
            box=_rounded_box(detections, i),
            ring=ring,
            score=float(str(detections.scores[i])),
        )


def _name(detections: Detections, index: int, names: Mapping[int, str]) -> str:
    class_id = int(detections.class_ids[index])
    if class_id not in names:
        raise InputError(
            f"the model found an object of class {class_id}, which has no name among its "
            f"{len(names)} classes; give a label map that fits the model"
        )
    return names[class_id]


def _rounded_box(detections: Detections, index: int) -> Box:
    """Round a box to x, y, width, height that lie in the image and have a size."""
    xmin, ymin, xmax, ymax = detections.boxes[index].tolist()
    x, width = _side(xmin, xmax, detections.width)
    y, height = _side(ymin, ymax, detections.height)
    return x, y, width, height


def _side(low: float, high: float, size: int) -> tuple[float, float]:
    # The corners are rounded, not corner and length: else the far corner would be off twice.
    start, end = round(low, _DECIMALS), round(high, _DECIMALS)
    if end - start < _THINNEST:
        start = min(start, round(size - _THINNEST, _DECIMALS))
        return start, _THINNEST
    return start, round(end - start, _DECIMALS)


def detections_to_prediction(
    detections: Detections,
    outlines: Outlines,
    names: Mapping[int, str],
    info: Mapping[str, Any],
) -> dict[str, Any]:
    """Make the prediction JSON of one image, in the shape that the platform loads.

    Returns:
        {"info": ..., "identifications": [...]}: the items of the boxes dialect, each with its
        outline as `polygone` ([[x, y], ...]), null where there is none.
    """
    items = detections_to_items(detections, outlines, names, boxes.DIALECT)
    return {
        "info": dict(info),
        "identifications": [
            item | {"polygone": ring} for item, ring in zip(items, outlines.rings, strict=True)
        ],
    }
