"""Boxes and polygons against the edge of the image; areas against pycocotools' masks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from rhymes.export import geometry
from rhymes.export.geometry import Box, Point, Shape

WIDTH, HEIGHT = 100, 80


def polygon(*points: Point) -> Shape | None:
    ring = geometry.points_to_ring(points)
    return geometry.clip_ring(ring, geometry.ring_to_region(ring), WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        pytest.param((10, 20, 30, 40), (10, 20, 30, 40), id="inside"),
        pytest.param((0, 0, 100, 80), (0, 0, 100, 80), id="whole image"),
        pytest.param((-5, 20, 30, 40), (0, 20, 25, 40), id="left"),
        pytest.param((10, -5, 30, 40), (10, 0, 30, 35), id="top"),
        pytest.param((90, 20, 30, 40), (90, 20, 10, 40), id="right"),
        pytest.param((10, 70, 30, 40), (10, 70, 30, 10), id="bottom"),
        pytest.param((-10, -10, 200, 200), (0, 0, 100, 80), id="larger than the image"),
        pytest.param((99.5, 20, 30, 40), (99.5, 20, 0.5, 40), id="half a pixel left"),
        pytest.param((100, 20, 30, 40), None, id="touches the right edge from outside"),
        pytest.param((-30, 20, 30, 40), None, id="touches the left edge from outside"),
        pytest.param((10, 200, 30, 40), None, id="below"),
        pytest.param((99.995, 20, 30, 40), None, id="less than the least side left"),
    ],
)
def test_box_is_cut_to_the_image(box: Box, inside: Box | None) -> None:
    shape = geometry.clip_box(box, WIDTH, HEIGHT)
    if inside is None:
        assert shape is None
        return
    assert shape is not None
    assert shape.bbox == pytest.approx(inside)
    assert shape.area == pytest.approx(inside[2] * inside[3])
    assert shape.clipped is (box != inside)
    assert shape.rings == ()


sides = st.floats(geometry.MIN_SIDE, 1e6)
corners = st.floats(-1e6, 1e6)


@given(corners, corners, sides, sides)
def test_sums_of_a_cut_box_stay_in_the_image(x: float, y: float, w: float, h: float) -> None:
    shape = geometry.clip_box((x, y, w, h), WIDTH, HEIGHT)
    if shape is not None:
        x, y, w, h = shape.bbox
        assert x >= 0
        assert y >= 0
        assert w > 0
        assert h > 0
        # Model Garden drops a box whose sum is one rounding error above the image's side.
        assert x + w <= WIDTH
        assert y + h <= HEIGHT


def test_polygon_inside_stays_as_drawn() -> None:
    shape = polygon((10, 10), (30.25, 10), (30.25, 20), (10, 20))
    assert shape == Shape(
        (10, 10, 20.25, 10), 202.5, ((10, 10, 30.25, 10, 30.25, 20, 10, 20),), clipped=False
    )
    assert shape is not None
    assert not shape.clipped


def test_closing_point_is_left_out() -> None:
    closed = polygon((10, 10), (30, 10), (30, 20), (10, 20), (10, 10), (10, 10))
    assert closed == polygon((10, 10), (30, 10), (30, 20), (10, 20))


def test_triangle_over_the_corner_is_cut() -> None:
    shape = polygon((90, 70), (120, 70), (90, 100))
    assert shape is not None
    assert shape.clipped
    assert shape.bbox == pytest.approx((90, 70, 10, 10))
    # Its long side passes the image's corner at a distance.
    assert shape.area == pytest.approx(100)


def test_concave_polygon_falls_into_parts() -> None:
    """A U whose bottom lies below the image shows two arms."""
    shape = polygon((10, 60), (20, 60), (20, 90), (40, 90), (40, 60), (50, 60), (50, 99), (10, 99))
    assert shape is not None
    assert len(shape.rings) == 2
    assert shape.bbox == pytest.approx((10, 60, 40, 20))
    assert shape.area == pytest.approx(400)


def test_part_outside_does_not_widen_the_box() -> None:
    """Outside, the outline runs round the image's corner; its box must not."""
    shape = polygon(
        (50, 5), (60, 5), (60, -10), (-10, -10), (-10, 50), (-5, 50), (-5, -5), (50, -5)
    )
    assert shape is not None
    assert shape.bbox == pytest.approx((50, 0, 10, 5))


def test_outline_round_the_image_shows_nothing() -> None:
    outside = [(-9, -9), (109, -9), (109, 89), (-9, 89), (-9, 0)]
    inner = [(-5, 0), (-5, 85), (105, 85), (105, -5), (-9, -5)]
    assert polygon(*outside, *inner) is None


def test_outline_round_and_over_the_image_shows_all_of_it() -> None:
    shape = polygon((-9, -9), (109, -9), (109, 89), (-9, 89))
    assert shape is not None
    assert shape.bbox == (0, 0, WIDTH, HEIGHT)
    assert shape.area == pytest.approx(WIDTH * HEIGHT)


def test_bow_tie_keeps_both_loops() -> None:
    """Its shoelace area is 0, as its loops turn in different directions."""
    shape = polygon((10, 10), (30, 30), (30, 10), (10, 30))
    assert shape is not None
    assert shape.area == pytest.approx(200)
    assert shape.rings == ((10, 10, 30, 30, 30, 10, 10, 30),)


def test_cut_ring_that_crosses_itself_has_no_hole() -> None:
    """The middle of a pentagram is outside by the even-odd rule; COCO has no holes."""
    turns = [math.radians(90 + 144 * turn) for turn in range(5)]
    star = [(50 + 45 * math.cos(t), 40 + 45 * math.sin(t)) for t in turns]
    shape = polygon(*star)
    assert shape is not None
    assert shape.clipped
    assert shape.area == pytest.approx(painted_area(shape), rel=0.01)
    loop = [(20.0, 20.0), (60.0, 20.0), (60.0, 60.0), (20.0, 60.0), (20.0, 20.0)]
    inner = [(30.0, 30.0), (30.0, 50.0), (50.0, 50.0), (50.0, 30.0), (30.0, 30.0)]
    shape = polygon(*loop, *inner, (20, 20), (-10, 21), (-10, 22))
    assert shape is not None
    assert shape.area == pytest.approx(painted_area(shape), rel=0.01)


@pytest.mark.parametrize(
    "points",
    [
        pytest.param([(10, 10), (20, 20), (40, 40)], id="on a line"),
        pytest.param([(10, 10), (10, 40), (10, 20)], id="on an upright line"),
        pytest.param([(10, 10), (10.001, 40), (10.002, 10)], id="thinner than the least side"),
    ],
)
def test_ring_without_area_is_empty(points: list[Point]) -> None:
    assert geometry.is_empty(geometry.ring_to_region(points))


def painted_area(shape: Shape, scale: int = 20) -> float:
    """The area of pycocotools' mask, painted enlarged."""
    rings = [[value * scale for value in ring] for ring in shape.rings]
    painted = coco_mask.merge(coco_mask.frPyObjects(rings, HEIGHT * scale, WIDTH * scale))
    return float(coco_mask.area(painted)) / scale**2


def points_of(ring: tuple[float, ...]) -> list[Point]:
    return list(zip(ring[::2], ring[1::2], strict=True))


def is_drawn_twice(ring: list[Point]) -> bool:
    """Whether edges lie on each other: painting by the even-odd rule they cancel out."""
    line = shapely.LinearRing(ring)
    return bool(shapely.node(line).length < line.length - 1e-6)


coordinates = st.one_of(st.integers(-30, 130), st.floats(-30, 130))
rings = st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=8)


@settings(deadline=None, max_examples=200)
@given(rings)
def test_any_ring_is_cut_as_pycocotools_paints_it(points: list[Point]) -> None:
    ring = geometry.points_to_ring([(float(x), float(y)) for x, y in points])
    if len(set(ring)) < 3:
        return
    region = geometry.ring_to_region(ring)
    if geometry.is_empty(region) or is_drawn_twice(ring):
        return
    shape = geometry.clip_ring(ring, region, WIDTH, HEIGHT)
    if shape is None:
        return
    x, y, w, h = shape.bbox
    assert (x >= 0, y >= 0, x + w <= WIDTH, y + h <= HEIGHT) == (True,) * 4
    assert all(len(ring) >= 6 for ring in shape.rings)
    # Painting rounds to pixels (a twentieth of ours) along the outline.
    outline = sum(shapely.LinearRing(points_of(ring)).length for ring in shape.rings)
    assert shape.area == pytest.approx(painted_area(shape), abs=0.05 * outline)


@given(st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 2), min_size=3, max_size=8))
def test_far_away_points_do_no_harm(points: list[Point]) -> None:
    try:
        shape = polygon(*points) if len(set(points)) > 2 else None
    except geometry.GeometryError:
        return
    assert shape is None or shape.area <= WIDTH * HEIGHT * 1.001


@pytest.mark.parametrize(
    ("rows", "areas"),
    [
        pytest.param(["....", ".##.", ".#..", "...."], [3], id="corner"),
        pytest.param(["#..#", "#..#"], [2, 2], id="two parts"),
        pytest.param(["####", "#..#", "####"], [5, 5], id="hole"),
        pytest.param(["#...", ".#.."], [1, 1], id="pixels that touch at a corner"),
        pytest.param(["...."], [], id="nothing"),
        pytest.param(["##", "##"], [4], id="all"),
    ],
)
def test_outline_of_pixels_encloses_as_much_as_they_cover(
    rows: list[str], areas: list[int]
) -> None:
    mask = np.array([[pixel == "#" for pixel in row] for row in rows])
    rings = geometry.pixels_to_rings(mask)
    assert sorted(shapely.Polygon(ring).area for ring in rings) == areas
    height, width = mask.shape
    flat = [[value for point in ring for value in point] for ring in rings]
    encoded = coco_mask.merge(coco_mask.frPyObjects(flat, height, width)) if flat else None
    assert encoded is None or (coco_mask.decode(encoded) == mask).all(), "as pycocotools paints it"
