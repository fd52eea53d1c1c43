"""Coverage -> polygon: exact outlines of what is seen."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from rhymes.sample.outlines import Polygon, coverage_to_polygon

FINE = 8


def drawn(points: list[tuple[float, float]], rows: int = 60, columns: int = 80) -> np.ndarray:
    """Coverage of a polygon, float32 [rows, columns]."""
    image = Image.new("L", (columns * FINE, rows * FINE))
    ImageDraw.Draw(image).polygon([(x * FINE - 0.5, y * FINE - 0.5) for x, y in points], fill=255)
    small = image.resize((columns, rows), Image.Resampling.BOX)
    return np.asarray(small, np.float32) / 255


def disc(x: float, y: float, radius: float) -> np.ndarray:
    turns = np.arange(200) * (2 * np.pi / 200)
    return drawn([(x + radius * np.cos(t), y + radius * np.sin(t)) for t in turns])


def area(ring: Polygon) -> float:
    x, y = np.array(ring).T
    return abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())) / 2


def box(ring: Polygon) -> tuple[float, float, float, float]:
    (left, top), (right, bottom) = np.min(ring, axis=0), np.max(ring, axis=0)
    return float(left), float(top), float(right), float(bottom)


def test_a_disc():
    ring = coverage_to_polygon(disc(40, 30, 20), (0, 0), 1)
    assert 12 <= len(ring) <= 60
    assert area(ring) == pytest.approx(3.14159 * 400, rel=0.02)
    assert box(ring) == pytest.approx((20, 10, 60, 50), abs=0.3)


def test_the_window_s_origin_is_added():
    ring = coverage_to_polygon(disc(40, 30, 20), (100, 7), 1)
    assert box(ring) == pytest.approx((120, 17, 160, 57), abs=0.3)


def test_a_rectangle_gets_points_on_its_sides():
    ring = coverage_to_polygon(drawn([(10, 10), (50, 10), (50, 30), (10, 30)]), (0, 0), 1)
    assert len(ring) >= 12
    assert len(set(ring)) == len(ring)
    assert area(ring) == pytest.approx(800, rel=0.02)


def test_a_ragged_outline_is_thinned():
    teeth = [(5 + k * 0.7, 20 if k % 2 else 8) for k in range(100)]
    ring = coverage_to_polygon(drawn([*teeth, (75, 50), (5, 50)]), (0, 0), 0.5)
    assert len(ring) <= 60


def test_gaps_are_bridged_and_holes_filled():
    gap = disc(40, 30, 20)
    gap[:, 39:41] = 0
    gap[18:24, 50:54] = 0
    ring = coverage_to_polygon(gap, (0, 0), 2)
    assert area(ring) == pytest.approx(3.14159 * 400, rel=0.03)


def test_the_largest_part_is_outlined():
    two = np.maximum(disc(20, 30, 12), disc(60, 30, 8))
    assert box(coverage_to_polygon(two, (0, 0), 1)) == pytest.approx((8, 18, 32, 42), abs=0.3)


@pytest.mark.parametrize(
    ("centre", "expected"),
    [
        pytest.param((0, 0), (0, 0, 20, 20), id="top left corner"),
        pytest.param((80, 60), (60, 40, 80, 60), id="bottom right corner"),
        pytest.param((0, 30), (0, 10, 20, 50), id="left edge"),
        pytest.param((45, 60), (25, 40, 65, 60), id="bottom edge"),
    ],
)
def test_an_outline_ends_at_the_image_s_edge(centre, expected):
    full = np.pad(disc(40, 30, 20), 40)
    top, left = 70 - centre[1], 80 - centre[0]
    image = full[top : top + 60, left : left + 80]
    ring = coverage_to_polygon(image, (0, 0), 2)
    found = box(ring)
    assert found == pytest.approx(expected, abs=0.3)
    for value, edge, wanted in zip(found, (0, 0, 80, 60), expected, strict=True):
        assert (value == edge) == (wanted == edge)
