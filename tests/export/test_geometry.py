"""Boxes and polygons against the edge of the image; areas against pycocotools' masks."""

from __future__ import annotations

import math
import random
import time

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
    return geometry.clip_region(geometry.ring_to_region(ring), WIDTH, HEIGHT)


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


SQUARE: list[Point] = [(20, 20), (60, 20), (60, 60), (20, 60)]
INNER: list[Point] = [(30, 30), (50, 30), (50, 50), (30, 50)]
BESIDE: list[Point] = [(50, 50), (80, 50), (80, 70), (50, 70)]


def closed(ring: list[Point]) -> list[Point]:
    return [*ring, ring[0]]


def star(tips: int, step: int, radius: float = 35) -> list[Point]:
    turns = [2 * math.pi * step * tip / tips for tip in range(tips)]
    return [(50 + radius * math.cos(t), 40 + radius * math.sin(t)) for t in turns]


INVALID_RINGS = [
    # Ring, area and box x, y, width, height of what the annotator saw painted.
    pytest.param(SQUARE * 2, 1600, (20, 20, 40, 40), id="traced twice"),
    pytest.param(SQUARE * 3, 1600, (20, 20, 40, 40), id="traced three times"),
    pytest.param(
        closed(SQUARE) + SQUARE[2:] + SQUARE[:2], 1600, (20, 20, 40, 40), id="twice, half a turn on"
    ),
    pytest.param(closed(SQUARE) + SQUARE[:0:-1], 1600, (20, 20, 40, 40), id="traced to and fro"),
    pytest.param(
        [*closed(SQUARE), *closed([(x + 1, y + 1) for x, y in SQUARE]), SQUARE[0]], 1679,
        (20, 20, 41, 41), id="traced twice, a pixel off",
    ),
    pytest.param([(10, 10), (30, 30), (30, 10), (10, 30)], 200, (10, 10, 20, 20), id="bow tie"),
    pytest.param(
        [*SQUARE[:2], (75, 20), (60, 20), *SQUARE[2:]], 1600, (20, 20, 40, 40), id="spike"
    ),
    pytest.param(
        [*SQUARE, (20, 40), (35, 40), (20, 40)], 1600, (20, 20, 40, 40), id="spike to the inside"
    ),
    pytest.param(
        [point for each in SQUARE for point in (each, each, each)], 1600, (20, 20, 40, 40),
        id="each point three times",
    ),
    pytest.param(
        [*closed(SQUARE), INNER[0], *INNER[:0:-1], INNER[0]], 1200, (20, 20, 40, 40),
        id="hole by a bridge",
    ),
    pytest.param([*closed(SQUARE), *closed(INNER)], 1600, (20, 20, 40, 40), id="nested, same way"),
    pytest.param(
        [(20, 20), (60, 20), (60, 60), (40, 20), (20, 60)], 800, (20, 20, 40, 40),
        id="touches itself with a corner",
    ),
    pytest.param(
        [*closed(SQUARE), *closed(BESIDE), SQUARE[0]], 2100, (20, 20, 60, 50),
        id="loops that overlap",
    ),
    pytest.param(star(5, 2), 1375.1, (21.68, 6.71, 63.32, 66.57), id="pentagram, its middle too"),
    pytest.param(
        [(20, 20), (40, 20), (60, 20), (60, 60), (60, 20), (20, 20), (20, 60), (60, 60)], 800,
        (20, 20, 40, 40), id="edges on each other",
    ),
    pytest.param([(-10, 20), (20, 20), (20, 40), (-10, 40)] * 2, 400, (0, 20, 20, 20),
                 id="traced twice, over the edge"),
    pytest.param(
        [(-40, 10), (30, 30), (30, 10), (-40, 30)], 342.9, (0, 10, 30, 20),
        id="bow tie over the edge",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("points", "area", "bbox"), INVALID_RINGS)
def test_invalid_ring_is_one_region(
    points: list[Point], area: float, bbox: tuple[float, ...]
) -> None:
    shape = polygon(*points)
    assert shape is not None
    assert shape.area == pytest.approx(area, abs=0.1)
    assert shape.bbox == pytest.approx(bbox, abs=0.01)
    assert_one_geometry(shape)
    assert painted_area(shape) == pytest.approx(area, rel=0.01)


def assert_one_geometry(shape: Shape) -> None:
    """Rings are valid, do not overlap, and have the shape's area and box."""
    parts = [shapely.Polygon(points_of(ring)) for ring in shape.rings]
    assert all(shapely.is_valid(part) for part in parts)
    assert math.fsum(part.area for part in parts) == pytest.approx(shape.area, rel=1e-9)
    union = shapely.union_all(parts)
    assert union.area == pytest.approx(shape.area, rel=1e-9, abs=1e-6)
    left, top, right, bottom = union.bounds
    assert shape.bbox == pytest.approx((left, top, right - left, bottom - top))


@pytest.mark.parametrize(
    "points",
    [
        pytest.param(SQUARE, id="square"),
        pytest.param(SQUARE[::-1], id="the other way"),
        pytest.param([*SQUARE[:2], SQUARE[1], *SQUARE[2:]], id="a point twice in a row"),
        pytest.param([(20, 20), (40, 20), (60, 20), (60, 60)], id="a point on an edge"),
        pytest.param([(0.1, 0.2), (99.9, 0.30000000000000004), (50, 79.7)], id="fractions"),
    ],
)
def test_valid_ring_stays_as_drawn(points: list[Point]) -> None:
    shape = polygon(*points)
    assert shape is not None
    assert shape.rings == (tuple(float(value) for point in points for value in point),)


def test_many_holes_are_cut_apart() -> None:
    """Of 200 holes none is left, and their area is not part of the object."""
    plate = shapely.box(1, 1, 99, 79)
    holes = [shapely.box(3 + 6 * i, 3 + 6 * j, 5 + 6 * i, 5 + 6 * j)
             for i in range(16) for j in range(12)]  # fmt: skip
    rings = [shapely.get_coordinates(hole)[:-1] for hole in holes]
    region = shapely.MultiPolygon([shapely.Polygon(plate.exterior, rings)])
    shape = geometry.clip_region(region, WIDTH, HEIGHT)
    assert shape is not None
    assert shape.area == pytest.approx(98 * 78 - 4 * len(holes))
    assert_one_geometry(shape)
    assert painted_area(shape) == pytest.approx(shape.area, rel=0.01)


def test_parts_that_do_not_overlap_stay_as_drawn() -> None:
    one, other = polygon(*INNER), polygon(*BESIDE)
    assert one is not None
    assert other is not None
    both = geometry.join_shapes([one, other])
    assert both == Shape((30, 30, 50, 40), 1000, one.rings + other.rings, clipped=False)


def test_parts_that_overlap_are_one_region() -> None:
    one, other = polygon(*SQUARE), polygon(*BESIDE)
    assert one is not None
    assert other is not None
    both = geometry.join_shapes([one, other, one])
    assert both.area == pytest.approx(2100)
    assert_one_geometry(both)
    assert painted_area(both) == pytest.approx(2100, rel=0.01)


def test_work_for_many_parts_is_bounded() -> None:
    strips = [polygon((i, 1), (i + 0.5, 1), (i + 0.5, 70), (i, 70)) for i in range(60)]
    lines = [polygon((1, i), (70, i), (70, i + 0.5), (1, i + 0.5)) for i in range(60)]
    with pytest.raises(geometry.GeometryError, match="cross each other too often"):
        geometry.join_shapes([part for part in (*strips, *lines) if part])


def scribble(points: int, seed: int = 0) -> list[Point]:
    chance = random.Random(seed)
    return [(chance.uniform(0, 640), chance.uniform(0, 480)) for _ in range(points)]


def strokes(points: int, lean: float = 0) -> list[Point]:
    """Strokes to and fro, closed round the bottom."""
    ends = [(lean * (i % 2) + 300 * i / points, 50 + 300.0 * (i % 2)) for i in range(points)]
    return [*ends, (600, 400), (-1, 400)]


@pytest.mark.parametrize(
    ("points", "problem"),
    [
        pytest.param(scribble(400), "crosses itself more than 2000 times", id="scribble"),
        pytest.param(scribble(1000), "crosses itself", id="larger scribble"),
        pytest.param(scribble(40_000), "runs to and fro", id="huge scribble"),
        pytest.param(
            [*strokes(150), *((y, x) for x, y in strokes(150))], "crosses itself", id="hatching"
        ),
        pytest.param(strokes(40_000, lean=500), "runs to and fro", id="leaning strokes, valid"),
        pytest.param(
            [(300, 200), *((300 + 0.001 * i, 200) for i in range(40_000)), (300, 300)] * 2,
            "points", id="too many points",
        ),
        pytest.param(
            [(x, y) for i in range(20_000) for x, y in ((300.0, 200.0), (301 + 0.01 * i, 200.0))]
            + [(300, 300)],
            "runs to and fro", id="spikes on each other",
        ),
    ],
)  # fmt: skip
def test_work_for_a_ring_is_bounded(points: list[Point], problem: str) -> None:
    """Each of them keeps shapely's make_valid, or its check, busy for minutes."""
    start = time.process_time()
    with pytest.raises(geometry.GeometryError, match=problem):
        geometry.ring_to_region(points)
    assert time.process_time() - start < 20


def test_long_outlines_are_read() -> None:
    """40,000 points, such as a mask of a large image has, and 5,000 traced twice by hand."""
    turns = [2 * math.pi * i / 40_000 for i in range(40_000)]
    waves = [40 + 35 * math.sin(t) + 0.2 * math.sin(900 * t) for t in turns]
    outline = [(50 + 45 * math.cos(t), y) for t, y in zip(turns, waves, strict=True)]
    assert geometry.ring_to_region(outline).area == pytest.approx(math.pi * 45 * 35, rel=0.01)
    rough = outline[::8]
    again = [(x + 0.3 * math.sin(i), y + 0.3 * math.cos(7 * i)) for i, (x, y) in enumerate(rough)]
    area = geometry.ring_to_region([*rough, *again]).area
    assert area == pytest.approx(math.pi * 45 * 35, rel=0.02)


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


# No tool writes a coordinate of 1e-188; what is too fine to compute with is an error, see below.
coordinates = st.one_of(
    st.integers(-30, 130), st.floats(-30, 130).map(lambda number: round(number, 6))
)
points = st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=8)
# Points of a coarse grid meet, and lie on each other's edges.
grid_points = st.lists(
    st.tuples(*[st.sampled_from(range(-20, 121, 20))] * 2), min_size=3, max_size=12
)
rings = st.one_of(
    points,
    grid_points,
    points.map(lambda ring: ring * 2),
    grid_points.map(lambda ring: [*ring, *ring[::-1]]),
)


@settings(deadline=None, max_examples=200)
@given(rings)
def test_any_ring_is_cut_as_pycocotools_paints_it(points: list[Point]) -> None:
    ring = geometry.points_to_ring([(float(x), float(y)) for x, y in points])
    if len(set(ring)) < 3:
        return
    region = geometry.ring_to_region(ring)
    if geometry.is_empty(region):
        return
    shape = geometry.clip_region(region, WIDTH, HEIGHT)
    if shape is None:
        return
    x, y, w, h = shape.bbox
    assert (x >= 0, y >= 0, x + w <= WIDTH, y + h <= HEIGHT) == (True,) * 4
    assert all(len(ring) >= 6 for ring in shape.rings)
    assert_one_geometry(shape)
    if shapely.is_valid(shapely.Polygon(ring)) and not shape.clipped:
        assert shape.rings == (tuple(value for point in ring for value in point),)
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
