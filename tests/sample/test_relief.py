"""Painting on a relief: windows, coordinates, layers."""

from __future__ import annotations

import numpy as np
import pytest

from rhymes.sample.arithmetic import rgb, turns_to_unit
from rhymes.sample.relief import Material, Relief

RED = Material(rgb(0xFF0000), mottle=0)
BLUE = Material(rgb(0x0000FF), mottle=0)


def relief(reach: float = 20, scale: float = 3, axis: complex = 1, zoom: float = 1) -> Relief:
    return Relief(np.random.Generator(np.random.PCG64(1)), reach, scale, axis, zoom)


def test_coordinates_are_points_from_the_place():
    spot = relief().spot(5 - 2j, 3)
    assert spot.u.shape == spot.v.shape
    assert abs(spot.u).max() <= 3.7
    assert float(spot.u.mean()) == pytest.approx(0, abs=0.4)
    assert np.allclose(np.diff(spot.u, axis=1), 1 / 3, atol=1e-5)
    assert np.allclose(np.diff(spot.v, axis=0), 1 / 3, atol=1e-5)


@pytest.mark.parametrize("turns", [0, 0.1, 0.25, 0.7])
def test_first_coordinate_runs_along_the_axis(turns):
    field = relief(axis=turns_to_unit(0.05))
    axis = turns_to_unit(turns)
    spot = field.spot(0, 10, axis)
    rows, columns = spot.window
    y, x = np.mgrid[rows, columns]
    place = ((x + 0.5 - field.half) + 1j * (y + 0.5 - field.half)) / 3
    expected = place * (axis * turns_to_unit(0.05)).conjugate()
    assert np.allclose(spot.u, expected.real, atol=1e-4)
    assert np.allclose(spot.v, expected.imag, atol=1e-4)


@pytest.mark.parametrize("turns", [0, 0.06, 0.125, 0.25, 0.4])
def test_windows_hold_the_whole_shape(turns):
    axis = turns_to_unit(turns)
    field = relief()
    for make, inside in (
        (field.oval_spot, lambda u, v: (u / 12) ** 2 + (v / 3) ** 2 < 1),
        (field.box_spot, lambda u, v: (abs(u) < 12) & (abs(v) < 3)),
    ):
        whole = field.spot(0, 19, axis)
        spot = make(0, 12 + 3j, axis)
        assert inside(spot.u, spot.v).sum() == inside(whole.u, whole.v).sum()
        assert spot.u.size <= whole.u.size


def test_an_oval_covers_its_area_at_its_zoom():
    field = relief(zoom=1.5)
    field.put_oval(2 + 1j, 8 + 4j, turns_to_unit(0.1), RED, 2)
    area = field.dish.sum() / (3 * 1.5) ** 2
    assert area == pytest.approx(3.14159 * 8 * 4, rel=0.02)
    assert np.array_equal(field.opacity > 0, field.dish)


def test_what_is_put_later_lies_on_top():
    field = relief()
    field.put_oval(0, 8 + 8j, 1, RED, 3, flat=True)
    field.put_oval(0, 4 + 4j, 1, BLUE, 2, flat=True, dish=False)
    middle = field.half
    assert field.albedo[:, middle, middle].tolist() == [0, 0, 1]
    assert field.albedo[:, middle, middle + 18].tolist() == [1, 0, 0]
    assert field.height[middle, middle] == pytest.approx(5, abs=0.01)
    assert field.dish.sum() / 9 == pytest.approx(3.14159 * 64, rel=0.02)


def test_what_lies_beyond_the_relief_is_cut_off():
    field = relief(reach=5)
    field.put_oval(40, 3 + 3j, 1, RED, 1)
    assert not field.dish.any()
    field.put_oval(5, 3 + 3j, 1, RED, 1)
    assert 0 < field.dish.sum() / 9 < 3.14159 * 9 * 0.6


def test_textures_differ_between_calls_and_repeat_for_a_seed():
    field, again = relief(), relief()
    spot = field.spot(0, 6)
    first = field.grain(spot)
    assert first.shape == spot.u.shape
    assert not np.array_equal(first, field.grain(spot))
    assert np.array_equal(first, again.grain(spot))
