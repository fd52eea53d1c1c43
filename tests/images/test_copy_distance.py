from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from rhymes.images.copy_distance import CUTOFF, FAR, TURNS, fingerprints_to_distance, turn
from rhymes.images.fingerprint import image_to_fingerprint
from tests.support.scenes import brightened, cut, encoded, scene

COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "same": lambda image: image,
    "encoded": lambda image: encoded(image, 30),
    "smaller": lambda image: image.resize((160, 160)),
    "larger": lambda image: image.resize((500, 500)),
    "other aspect": lambda image: image.resize((400, 300)),
    "cut on all sides": lambda image: cut(image, 0.025, 0.025, 0.025, 0.025),
    "cut on two sides": lambda image: cut(image, 0, 0, 0.05, 0.05),
    "cut on one side": lambda image: cut(image, 0.05, 0, 0, 0),
    "brighter": lambda image: brightened(image, 1.2),
    "darker": lambda image: brightened(image, 0.8),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "all": lambda image: encoded(
        brightened(cut(image.resize((240, 240)), 0.02, 0.03, 0.03, 0.02), 0.8).transpose(
            Image.Transpose.FLIP_LEFT_RIGHT
        )
    ),
}


def distance(one: Image.Image, other: Image.Image) -> int:
    return fingerprints_to_distance(image_to_fingerprint(one), image_to_fingerprint(other))


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("seed", range(3))
def test_copies_are_near(seed: int, how: str) -> None:
    image = scene(seed)
    assert distance(image, encoded(COPIES[how](image), 90)) <= CUTOFF


@pytest.mark.parametrize("seed", range(5))
def test_other_scenes_are_far(seed: int) -> None:
    assert distance(scene(seed), scene(seed + 100)) > 3 * CUTOFF


@pytest.mark.parametrize("seed", range(5))
def test_one_object_more_before_a_fixed_camera_makes_another_image(seed: int) -> None:
    image = scene(seed)
    other = image.copy()
    x, y = np.random.default_rng(seed).integers(30, 290, 2).tolist()
    under = image.getpixel((x, y))
    assert isinstance(under, tuple)
    colour = tuple(round(value + 90) % 256 for value in under)
    ImageDraw.Draw(other).ellipse((x - 20, y - 20, x + 20, y + 20), fill=colour)
    assert distance(image, other) > CUTOFF


def test_colour_alone_tells_images_apart() -> None:
    image = scene(1)
    red, green, blue = image.split()
    assert distance(image, Image.merge("RGB", (blue, green, red))) > CUTOFF


def test_equal_images_have_no_distance() -> None:
    assert distance(scene(1), scene(1)) == 0


@pytest.mark.parametrize("other", [scene(1), Image.new("RGB", (64, 64), "white")])
def test_image_without_contrast_is_no_copy(other: Image.Image) -> None:
    assert distance(Image.new("RGB", (64, 64), "white"), other) == FAR


def test_distance_is_the_same_everywhere() -> None:
    found = [distance(scene(seed), cut(scene(seed), 0.04, 0.01, 0.02, 0.03)) for seed in range(4)]
    found += [distance(scene(seed), scene(seed + 1)) for seed in range(4)]
    assert found == [0, 0, 1, 0, 459, 419, 505, 517]


def test_turns_are_all_eight() -> None:
    values = np.arange(9).reshape(3, 3)
    assert len({turn(values, number).tobytes() for number in range(TURNS)}) == 8
    assert (turn(values, 0) == values).all()
