"""Boxes and polygons clipped to the image, with their area.

Coordinates are pixels of the upright image, x to the right and y down from its top left corner, so
an image covers [0, width] x [0, height]. Boxes are (x, y, width, height), as in COCO.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
Point = tuple[float, float]
Region = shapely.Polygon | shapely.MultiPolygon

MIN_SIDE = 0.01
"""Pixels. A box thinner than this has no width in the float32 fractions of a TFRecord (their step
is 2e-4 pixels in an image of 4,000), and the logarithm of its size would upset training."""

_MIN_AREA = MIN_SIDE**2

GeometryError = shapely.errors.GEOSException
"""What the functions on rings raise where the arithmetic of GEOS gives up: on rings that cross
themselves with points both 1e-9 pixels and 1e6 pixels apart, which nobody has drawn."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What an image shows of one annotated object.

    Attributes:
        bbox: x, y, width, height; both sides at least `MIN_SIDE`. x + width and y + height are
            at most the image's width and height in floating point, too: those are whole numbers,
            to which a sum half a step above them is rounded.
        area: square pixels; of the polygon where there is one, else of the box.
        rings: COCO's `segmentation`: one flat list x1, y1, x2, y2, ... per part, the first point
            not repeated at the end. Empty for a box.
        clipped: whether a part that lay outside the image was cut off; shapes that look the same
            are equal whether they were cut or not.
    """

    bbox: Box
    area: float
    rings: tuple[tuple[float, ...], ...]
    clipped: bool = field(compare=False)


def clip_box(box: Box, width: int, height: int) -> Shape | None:
    """Cut a box to the image; None where nothing of it lies inside. Both sides are positive."""
    x, y, box_width, box_height = box
    right, bottom = x + box_width, y + box_height
    if x >= 0 and y >= 0 and right <= width and bottom <= height:
        return Shape(box, box_width * box_height, (), clipped=False)
    x, right = max(x, 0.0), min(right, float(width))
    y, bottom = max(y, 0.0), min(bottom, float(height))
    if right - x < MIN_SIDE or bottom - y < MIN_SIDE:
        return None
    inside = (x, y, right - x, bottom - y)
    return Shape(inside, inside[2] * inside[3], (), clipped=True)


def points_to_ring(points: Sequence[Point]) -> list[Point]:
    """Drop the closing points of an outline: COCO closes a ring by itself."""
    ring = list(points)
    while len(ring) > 1 and ring[-1] == ring[0]:
        ring.pop()
    return ring


def ring_to_region(ring: Sequence[Point]) -> Region:
    """Return what a ring of three or more points encloses: polygons that do not cross themselves.

    A ring that crosses itself (a bow tie) encloses each loop between its crossings by the even-odd
    rule, as pycocotools paints it; its signed (shoelace) area could even be 0. Spikes without area
    fall away, and an edge that is drawn twice counts once.

    Raises:
        GeometryError: see there.
    """
    polygon = shapely.Polygon(np.asarray(ring, dtype=np.float64))
    if shapely.is_valid(polygon):
        return polygon
    return shapely.MultiPolygon(_polygons(shapely.make_valid(polygon)))


def is_empty(region: Region) -> bool:
    """Say whether a region is too thin or too small to be an object (see `MIN_SIDE`)."""
    if region.area < _MIN_AREA:
        return True
    left, top, right, bottom = region.bounds
    return bool(right - left < MIN_SIDE or bottom - top < MIN_SIDE)


def clip_ring(ring: Sequence[Point], region: Region, width: int, height: int) -> Shape | None:
    """Cut a ring to the image; None where nothing of it lies inside.

    A ring inside the image stays as it was drawn. Of one that leaves it, each part inside becomes
    a ring of its own: a concave outline may fall into several.

    Args:
        ring: three or more points, without a closing one.
        region: what the ring encloses, from `ring_to_region`.
        width: of the image in pixels.
        height: of the image in pixels.

    Raises:
        GeometryError: see there.
    """
    points = np.asarray(ring, dtype=np.float64)
    if (points >= 0).all() and (points <= (width, height)).all():
        return _points_to_shape([points], float(region.area), clipped=False)
    inside = shapely.intersection(region, shapely.box(0, 0, width, height))
    pieces = _pieces(inside)
    visible = [piece for piece in pieces if not is_empty(piece)]
    if not visible:
        return None
    # A cut point may come out one rounding error outside the image.
    rings = [
        np.clip(shapely.get_coordinates(piece.exterior)[:-1], 0, (width, height))
        for piece in sorted(visible, key=lambda piece: (piece.bounds, piece.wkt))
    ]
    return _points_to_shape(rings, math.fsum(piece.area for piece in visible), clipped=True)


def join_shapes(shapes: Sequence[Shape]) -> Shape:
    """Make one object of its parts in one image; where they overlap, the area counts once.

    Raises:
        GeometryError: see there.
    """
    if len(shapes) == 1:
        return shapes[0]
    rings = tuple(ring for shape in shapes for ring in shape.rings)
    regions = [ring_to_region(list(zip(ring[::2], ring[1::2], strict=True))) for ring in rings]
    left = min(shape.bbox[0] for shape in shapes)
    top = min(shape.bbox[1] for shape in shapes)
    right = max(shape.bbox[0] + shape.bbox[2] for shape in shapes)
    bottom = max(shape.bbox[1] + shape.bbox[3] for shape in shapes)
    bbox = (left, top, right - left, bottom - top)
    area = float(shapely.union_all(regions).area)
    return Shape(bbox, area, rings, clipped=any(shape.clipped for shape in shapes))


def _points_to_shape(rings: list[np.ndarray], area: float, *, clipped: bool) -> Shape:
    points = np.concatenate(rings)
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    bbox = (left, top, right - left, bottom - top)
    flat = tuple(tuple(ring.ravel().tolist()) for ring in rings)
    return Shape(bbox, area, flat, clipped)


def _polygons(geometry: shapely.Geometry) -> list[shapely.Polygon]:
    """Return a geometry's polygons; lines and points, which have no area, are left out."""
    if isinstance(geometry, shapely.Polygon):
        return [] if geometry.is_empty else [geometry]
    parts = getattr(geometry, "geoms", ())
    return [polygon for part in parts for polygon in _polygons(part)]


def _pieces(geometry: shapely.Geometry) -> list[shapely.Polygon]:
    """Return a geometry as polygons without holes."""
    return [piece for part in _polygons(geometry) for piece in _without_holes(part)]


def pixels_to_rings(mask: NDArray[np.bool_]) -> list[list[Point]]:
    """Return the outline of a mask along the edges of its pixels, in rings without holes.

    A pixel covers [x, x + 1] x [y, y + 1], so the rings enclose as much as there are pixels.

    Args:
        mask: bool [height, width].
    """
    padded = np.pad(mask, ((0, 0), (1, 1))).astype(np.int8)
    rows, edges = np.nonzero(np.diff(padded, axis=1))
    # Along a row an object begins and ends by turns.
    runs = shapely.box(edges[::2], rows[::2], edges[1::2], rows[::2] + 1)
    region = shapely.simplify(shapely.union_all(runs), 0)
    return [
        [(x, y) for x, y in shapely.get_coordinates(piece.exterior)[:-1].tolist()]
        for piece in _pieces(region)
    ]


def _without_holes(polygon: shapely.Polygon) -> list[shapely.Polygon]:
    """Cut a polygon through its holes until none is left: COCO's rings cannot express a hole."""
    if not polygon.interiors:
        return [polygon]
    left, top, right, bottom = polygon.bounds
    middle = polygon.interiors[0].centroid.x
    halves = (shapely.box(left, top, middle, bottom), shapely.box(middle, top, right, bottom))
    return [
        piece
        for half in halves
        for part in _polygons(shapely.intersection(polygon, half))
        for piece in _without_holes(part)
    ]
