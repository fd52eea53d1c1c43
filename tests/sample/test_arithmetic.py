"""Numbers of the drawn trays: right to the last bits, though made without a maths library."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest

from rhymes.sample.arithmetic import (
    blurred,
    box_distance,
    mixed,
    noise,
    norm,
    ramp,
    rgb,
    somewhere,
    turns_to_unit,
    wave,
)


def seeded(seed: int = 1) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def field(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


@pytest.mark.parametrize("turns", [0, 0.01, 0.124, 0.125, 0.25, 0.49, 0.5, 0.875, 1, 1.3, -0.2, 7])
def test_turns_to_unit_is_the_exponential(turns):
    assert turns_to_unit(turns) == pytest.approx(cmath.exp(2j * math.pi * turns), abs=1e-14)


def test_turns_to_unit_at_a_quarter_is_exact():
    assert [turns_to_unit(k / 4) for k in range(4)] == [1, 1j, -1, -1j]


def test_norm_is_the_absolute_value():
    assert norm(3 - 4j) == 5


def test_rgb_is_linear_light_of_gamma_two():
    assert rgb(0xFF8000)[:, 0, 0] == pytest.approx([1, (128 / 255) ** 2, 0])


def test_mixed_takes_a_share_for_each_pixel():
    out = mixed(rgb(0x000000), rgb(0xFFFFFF), np.array([[0, 0.25, 1]], np.float32))
    assert out.shape == (3, 1, 3)
    assert out[0, 0].tolist() == [0, 0.25, 1]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        pytest.param(0, 1, [0, 0, 0.5, 1, 1], id="rises"),
        pytest.param(1, 0, [1, 1, 0.5, 0, 0], id="falls"),
    ],
)
def test_ramp(low, high, expected):
    assert ramp(field(-1, 0, 0.5, 1, 2), low, high).tolist() == expected


def test_wave_has_period_one():
    assert wave(field(0, 0.25, 0.5, 0.75, 1, -3)).tolist() == [1, 0, -1, 0, 1, 1]


def test_box_distance_is_zero_on_the_outline():
    x, y = field(10, 0, 0, 12, 10), field(0, 5, 0, 0, 5)
    far = box_distance(x, y, 10 + 5j, 2)
    assert far[:4].tolist() == [0, 0, -5, 2]
    assert far[4] == pytest.approx(math.sqrt(8) - 2)  # the corner is cut off


def test_noise_takes_one_number_whatever_its_shape():
    small, large = seeded(), seeded()
    noise(small, (4, 4), 2, 1)
    noise(large, (64, 32), 3, 3)
    assert small.random() == large.random()


def test_noise_is_repeatable_and_differs_from_call_to_call():
    rng = seeded()
    first, second = noise(rng, (16, 24), 4, 2), noise(rng, (16, 24), 4, 2)
    assert first.dtype == np.float32
    assert first.shape == (16, 24)
    assert np.array_equal(first, noise(seeded(), (16, 24), 4, 2))
    assert not np.array_equal(first, second)
    assert -2 < first.min() < -0.2 < 0.2 < first.max() < 2


def test_blurred_keeps_the_mean_and_lowers_the_contrast():
    rough = noise(seeded(), (64, 64), 2, 1)
    soft = blurred(rough, 8)
    assert soft.shape == rough.shape
    assert float(soft.mean()) == pytest.approx(float(rough.mean()), abs=0.01)
    assert soft.std() < 0.5 * rough.std()


def test_somewhere_stays_in_the_disc_and_fills_it():
    rng = seeded()
    far = [abs(somewhere(rng, 10)) for _ in range(400)]
    assert max(far) <= 10
    assert sum(r < math.sqrt(50) for r in far) == pytest.approx(200, abs=40)
