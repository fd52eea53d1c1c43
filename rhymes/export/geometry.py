"""Boxes and polygons clipped to the image, with their area.

Coordinates are pixels of the upright image, x to the right and y down from its top left corner, so
an image covers [0, width] x [0, height]. Boxes are (x, y, width, height), as in COCO.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

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

# The work for one ring is bounded by what it holds, not by a clock, so that each machine drops the
# same. A ring at these bounds takes a few seconds. Outlines that are drawn by hand, or traced from
# a mask, stay far below them.
_MAX_POINTS = 50_000
_MAX_NEAR_PAIRS = 5_000_000
_MIN_CROSSINGS = 2_000
"""An outline may cross itself so often, or as often as it has points: it may be traced twice."""

# How many edges, and places, are looked at in one go.
_EDGES_AT_ONCE = 64
_PLACES_AT_ONCE = 16


class GeometryError(Exception):
    """A ring that is not worked out: it would take too long, or arithmetic gives up on it."""


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

    A valid ring is its own region, point by point. One that crosses or touches itself encloses what
    the annotator's tool painted: all that it winds around by the nonzero rule, which is the default
    of SVG and of the browser's canvas (docs/decisions/0017). So an outline that is traced twice is
    one object, both loops of a bow tie count, and an inner loop is a hole where it runs the other
    way. An outline that is traced to and fro winds around nothing; it, too, is one object. Spikes
    without area fall away.

    Raises:
        GeometryError: it has too many points, or crosses itself too often.
    """
    if len(ring) > _MAX_POINTS:
        raise GeometryError(f"an outline of {len(ring)} points; at most {_MAX_POINTS} are read")
    points = np.asarray(ring, dtype=np.float64)
    try:
        # Even to find that no two of them cross takes long where many edges come near each other.
        if _has_near_pairs(points):
            raise GeometryError(f"an outline of {len(ring)} points that runs to and fro")
        polygon = cast("shapely.Polygon", shapely.polygons(points))  # one, of one ring
        return polygon if shapely.is_valid(polygon) else _repair(points)
    except shapely.errors.GEOSException:
        # Points both 1e-9 pixels and 1e6 pixels apart, which nobody has drawn.
        raise GeometryError("an outline too fine and too large at once to compute with") from None


def _has_near_pairs(points: NDArray[np.float64]) -> bool:
    """Say whether too many pairs of a ring's edges come near each other."""
    # Most rings have too few points for that: to spare them the edges makes them ten times as fast.
    if len(points) ** 2 <= 2 * _MAX_NEAR_PAIRS:
        return False
    return _has_more_pairs(_edges(points), _MAX_NEAR_PAIRS, that_meet=False)


def _has_more_pairs(edges: NDArray[np.object_], limit: int, *, that_meet: bool) -> bool:
    """Say whether more than `limit` pairs of edges meet, or could: their bounding boxes meet."""
    if len(edges) ** 2 <= 2 * limit:
        return False
    tree = shapely.STRtree(edges)
    # Each pair is found from both its edges; each edge meets itself and the next one.
    left = 2 * limit + 3 * len(edges)
    for start in range(0, len(edges), _EDGES_AT_ONCE):
        some = edges[start : start + _EDGES_AT_ONCE]
        left -= tree.query(some, predicate="intersects" if that_meet else None).shape[1]
        if left < 0:
            return True
    return False


def _edges(points: NDArray[np.float64]) -> NDArray[np.object_]:
    """Return the distinct edges of a ring as lines; edges of no length are left out."""
    ends = np.stack([points, np.roll(points, -1, axis=0)], axis=1)
    ends = ends[(ends[:, 0] != ends[:, 1]).any(axis=1)]
    swapped = (ends[:, 0, 0] > ends[:, 1, 0]) | (
        (ends[:, 0, 0] == ends[:, 1, 0]) & (ends[:, 0, 1] > ends[:, 1, 1])
    )
    ends[swapped] = ends[swapped, ::-1]
    return np.asarray(shapely.linestrings(np.unique(ends, axis=0)), dtype=np.object_)


def _repair(points: NDArray[np.float64]) -> shapely.MultiPolygon:
    """Return what a ring encloses that crosses or touches itself."""
    edges = _edges(points)
    crossings = max(_MIN_CROSSINGS, len(points))
    if _has_more_pairs(edges, crossings, that_meet=True):
        raise GeometryError(
            f"an outline of {len(points)} points that crosses itself more than {crossings} times"
        )
    faces = shapely.get_parts(shapely.polygonize([shapely.unary_union(edges)]))
    if not len(faces):
        return shapely.MultiPolygon()
    with np.errstate(over="ignore"):  # of faces of 1e-150 square pixels
        places = shapely.get_coordinates(shapely.point_on_surface(faces))
    inside = _winding_numbers(places, points) != 0
    chosen = faces[inside] if inside.any() else faces
    return shapely.MultiPolygon(_polygons(shapely.coverage_union_all(chosen)))


def _winding_numbers(places: NDArray[np.float64], ring: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how often a ring winds around each place (float64 [n, 2]): int64 [n].

    An edge that crosses the ray from a place to the right counts 1 upwards and -1 downwards.
    """
    edges = np.concatenate([ring, np.roll(ring, -1, axis=0)], axis=1)
    low, high = edges[:, 1::2].min(axis=1), edges[:, 1::2].max(axis=1)
    numbers = np.zeros(len(places), np.int64)
    downwards = np.argsort(places[:, 1], kind="stable")
    for start in range(0, len(places), _PLACES_AT_ONCE):
        some = downwards[start : start + _PLACES_AT_ONCE]
        x, y = places[some, :1], places[some, 1:]
        x1, y1, x2, y2 = edges[(low <= y.max()) & (high > y.min())].T
        side = (x2 - x1) * (y - y1) - (x - x1) * (y2 - y1)
        up = (y1 <= y) & (y < y2) & (side > 0)
        down = (y2 <= y) & (y < y1) & (side < 0)
        numbers[some] = up.sum(axis=1) - down.sum(axis=1)
    return numbers


def is_empty(region: Region) -> bool:
    """Say whether a region is too thin or too small to be an object (see `MIN_SIDE`)."""
    if region.area < _MIN_AREA:
        return True
    left, top, right, bottom = region.bounds
    return bool(right - left < MIN_SIDE or bottom - top < MIN_SIDE)


def clip_region(region: Region, width: int, height: int) -> Shape | None:
    """Cut a region to the image; None where nothing of it lies inside.

    Box, area and rings are of the same polygons. A valid ring inside the image stays as it was
    drawn. Of a region that leaves the image, or of a ring that was repaired, each part becomes a
    ring of its own, and no two of them overlap: so all rules of filling (even-odd, nonzero,
    pycocotools' own) paint the same.

    Args:
        region: what a ring encloses, from `ring_to_region`; not empty by `is_empty`.
        width: of the image in pixels.
        height: of the image in pixels.

    Raises:
        GeometryError: see there.
    """
    left, top, right, bottom = region.bounds
    clipped = left < 0 or top < 0 or right > width or bottom > height
    if not clipped and isinstance(region, shapely.Polygon):
        ring = tuple(shapely.get_coordinates(region)[:-1].ravel().tolist())
        return Shape((left, top, right - left, bottom - top), region.area, (ring,), clipped=False)
    try:
        inside = shapely.intersection(region, shapely.box(0, 0, width, height))
        pieces = _pieces(inside)
    except shapely.errors.GEOSException:
        raise GeometryError("an outline too fine and too large at once to compute with") from None
    visible = [piece for piece in pieces if not is_empty(piece)]
    visible.sort(key=lambda piece: (piece.bounds, piece.wkt))
    # A cut point may come out one rounding error outside the image.
    size = (width, height)
    cut = [shapely.transform(piece, lambda points: np.clip(points, 0, size)) for piece in visible]
    return _polygons_to_shape(cut, clipped=clipped) if cut else None


def join_shapes(shapes: Sequence[Shape]) -> Shape:
    """Make one object of its parts in one image.

    Parts that do not overlap stay as they are, and equal ones count once; of others that overlap
    their union is written.

    Raises:
        GeometryError: the parts have too many points, or cross each other too often.
    """
    if len(shapes) == 1:
        return shapes[0]
    flat = dict.fromkeys(ring for shape in shapes for ring in shape.rings)
    rings = [np.reshape(ring, (-1, 2)) for ring in flat]
    edges = np.concatenate([_edges(ring) for ring in rings])
    crossings = max(_MIN_CROSSINGS, len(edges))
    if _has_more_pairs(edges, _MAX_NEAR_PAIRS, that_meet=False) or _has_more_pairs(
        edges, crossings, that_meet=True
    ):
        raise GeometryError(f"parts of {len(edges)} points that cross each other too often")
    regions = [shapely.Polygon(ring) for ring in rings]
    union = shapely.union_all(regions)
    clipped = any(shape.clipped for shape in shapes)
    total = math.fsum(region.area for region in regions)
    if union.area < total * (1 - 1e-9):
        regions = _pieces(union)
    return _polygons_to_shape(regions, clipped=clipped)


def _polygons_to_shape(polygons: Sequence[shapely.Polygon], *, clipped: bool) -> Shape:
    """Make a shape of polygons without holes that do not overlap."""
    lefts, tops, rights, bottoms = zip(*(polygon.bounds for polygon in polygons), strict=True)
    left, top = min(lefts), min(tops)
    bbox = (left, top, max(rights) - left, max(bottoms) - top)
    rings = (shapely.get_coordinates(polygon)[:-1] for polygon in polygons)
    flat = tuple(tuple(ring.ravel().tolist()) for ring in rings)
    return Shape(bbox, math.fsum(polygon.area for polygon in polygons), flat, clipped)


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
    """Cut a polygon through its holes until none is left: COCO's rings cannot express a hole.

    Holes too small to be seen are filled. Each cut goes through the hole in the middle, so that of
    many holes each half has half.
    """
    holes = [hole for hole in polygon.interiors if not is_empty(shapely.Polygon(hole))]
    if not holes:
        return [shapely.Polygon(polygon.exterior)]
    left, top, right, bottom = polygon.bounds
    middles = sorted(_middle(hole.bounds[0], hole.bounds[2]) for hole in holes)
    middle = middles[len(middles) // 2]
    whole = shapely.Polygon(polygon.exterior, holes)
    halves = (shapely.box(left, top, middle, bottom), shapely.box(middle, top, right, bottom))
    return [
        piece
        for half in halves
        for part in _polygons(shapely.intersection(whole, half))
        for piece in _without_holes(part)
    ]


def _middle(low: float, high: float) -> float:
    """Return the middle of two numbers, whole where one lies between: an edge of pixels."""
    middle = (low + high) / 2
    return float(round(middle)) if low < round(middle) < high else middle
