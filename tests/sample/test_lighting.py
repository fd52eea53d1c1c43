"""Light, shadows and the camera of the drawn trays."""

from __future__ import annotations

import numpy as np
import pytest

from rhymes.sample.arithmetic import Floats, rgb
from rhymes.sample.lighting import (
    Light,
    cast_shadow,
    lit,
    photograph,
    random_light,
    relief_to_sprite,
)
from rhymes.sample.relief import SUPERSAMPLING, Material, Relief

LEFT = Light(-0.6 + 0j, 0.8, rgb(0xFFFFFF) * 0.5, rgb(0xFFFFFF) * 0.4, 0.5, 3)


def seeded(seed: int = 1) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def ramp_up(slope: float) -> Floats:
    """A field that rises to the right, 40 x 40."""
    return np.tile(np.arange(40, dtype=np.float32) * np.float32(slope), (40, 1))


def shaded(height: Floats) -> float:
    white = np.ones((3, *height.shape), np.float32)
    return float(lit(white, height, np.zeros_like(height), LEFT, 1.0)[0, 20, 20])


def test_slopes_towards_the_light_are_brighter():
    away, level, towards = (shaded(ramp_up(slope)) for slope in (-0.3, 0.0, 0.3))
    assert away < level < towards
    assert level == pytest.approx(0.5 * 0.8 + 0.4, abs=1e-4)


def test_a_wall_shades_what_lies_behind_it():
    height = np.zeros((40, 40), np.float32)
    height[:, 14:18] = 8
    white = np.ones((3, 40, 40), np.float32)
    out = lit(white, height, np.zeros_like(height), LEFT, 1.0)[0, 20]
    assert out[21] < 0.7 * out[35]
    assert out[5] == pytest.approx(out[35], abs=0.02)


def test_random_light_is_a_unit_vector_from_above():
    for seed in range(50):
        light = random_light(seeded(seed))
        assert abs(light.towards) ** 2 + light.height**2 == pytest.approx(1)
        assert light.height > 0.6
        level = light.sun * light.height + light.sky
        assert 0.5 < level.min() <= level.max() < 1.15


def test_sprite_holds_the_thing_and_little_else():
    relief = Relief(seeded(), 30, SUPERSAMPLING)
    relief.put_oval(12 - 5j, 6 + 6j, 1, Material(rgb(0x808080), mottle=0), 2)
    sprite = relief_to_sprite(relief, LEFT, 2)
    assert sprite.opacity.shape == sprite.dish.shape == sprite.light.shape[1:]
    assert max(sprite.opacity.shape) <= 16
    assert float(sprite.dish.sum()) == pytest.approx(3.14159 * 36, rel=0.02)
    y, x = np.mgrid[: sprite.dish.shape[0], : sprite.dish.shape[1]] + 0.5
    total = sprite.dish.sum()
    assert float((x * sprite.dish).sum() / total) + sprite.first[0] == pytest.approx(12, abs=0.05)
    assert float((y * sprite.dish).sum() / total) + sprite.first[1] == pytest.approx(-5, abs=0.05)
    assert not sprite.light[:, sprite.opacity == 0].any()


def test_shadow_falls_away_from_the_light():
    thing = np.zeros((20, 30), np.float32)
    thing[8:12, 10:20] = 1
    lost, margin = cast_shadow(thing, LEFT, 10, 1.0)
    assert lost.shape == (20 + 2 * margin, 30 + 2 * margin)
    assert 0 <= lost.min() <= lost.max() < 1
    columns = np.arange(lost.shape[1]) - margin
    assert (lost.sum(axis=0) * columns).sum() / lost.sum() > 17  # the thing's middle is at 14.5


@pytest.mark.parametrize("size", [64, 100])
def test_photograph_is_an_rgb_image_of_the_same_size(size):
    scene = np.full((3, size, size), 0.5, np.float32)
    image = photograph(scene, seeded(), size / 320)
    assert (image.mode, image.size) == ("RGB", (size, size))
    assert 110 < np.asarray(image).mean() < 220
    assert image.tobytes() == photograph(scene, seeded(), size / 320).tobytes()
