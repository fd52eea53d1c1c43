"""Whole trays: what is outlined is what is seen."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from rhymes.sample.menu import DISHES, random_meal
from rhymes.sample.outlines import Polygon
from rhymes.sample.scene import ServedDish, draw_image, serve_tray

SIZE = 160


def seeded(*seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))


@pytest.fixture(scope="module")
def images():
    return [draw_image(1, index, SIZE) for index in range(1, 31)]


@pytest.fixture(scope="module")
def rings(images) -> list[Polygon]:
    return [ring for image in images for _, ring in image.dishes]


def ring_to_coverage(ring: Polygon, dish: ServedDish) -> np.ndarray:
    rows, columns = dish.whole.shape
    image = Image.new("L", (columns * 8, rows * 8))
    left, top = dish.origin
    shifted = [((x - left) * 8 - 0.5, (y - top) * 8 - 0.5) for x, y in ring]
    ImageDraw.Draw(image).polygon(shifted, fill=255)
    return np.asarray(image.resize((columns, rows), Image.Resampling.BOX), np.float32) / 255


def test_polygons_fit_the_dishes_that_were_drawn():
    fits: dict[str, list[float]] = {}
    for index in range(1, 25):
        dishes = serve_tray(seeded(1, index), SIZE).dishes
        for dish, (name, ring) in zip(dishes, draw_image(1, index, SIZE).dishes, strict=True):
            assert dish.name == name
            got, seen = ring_to_coverage(ring, dish), dish.seen()
            fits.setdefault(name, []).append(
                float(np.minimum(got, seen).sum() / np.maximum(got, seen).sum())
            )
    assert set(fits) == {dish.name for dish in DISHES}
    # Between chips there are gaps, over which an outline goes.
    loose = fits.pop("STEAK_FRITES")
    assert min(loose) > 0.8
    assert min(min(values) for values in fits.values()) > 0.9
    assert np.median([fit for values in fits.values() for fit in values]) > 0.95


def test_polygons_are_inside_the_image_and_large_enough(rings):
    for ring in rings:
        points = np.array(ring)
        assert 12 <= len(ring) <= 60
        assert points.min() >= 0
        assert points.max() <= SIZE
        assert (np.ptp(points, axis=0) > 0.05 * SIZE).all()
        assert ring[0] != ring[-1]
        x, y = points.T
        area = abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2
        assert area > 0.003 * SIZE * SIZE


def test_polygons_do_not_cross_themselves(rings):
    def side(p, q, r):
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    for ring in rings:
        sides = list(zip(ring, [*ring[1:], ring[0]], strict=True))
        for (a, b), (c, d) in combinations(sides, 2):
            crossing = side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
            assert not crossing, ring


def test_some_dishes_are_partly_hidden_and_some_cut_by_the_edge():
    dishes = [dish for index in range(1, 41) for dish in serve_tray(seeded(1, index), 64).dishes]
    shares = [float(dish.visible.sum()) / dish.area for dish in dishes]
    assert min(shares) >= 0.44
    assert sum(share < 0.9 for share in shares) >= 5
    assert sum(float(dish.whole.sum()) < 0.97 * dish.area for dish in dishes) >= 3
    for dish in dishes:
        hidden = float(dish.visible.sum()) / float(dish.whole.sum())
        assert (dish.seen() is dish.visible) == (hidden < 0.9)


def test_trays_hold_two_to_six_dishes_or_none(images):
    counts = [len(image.dishes) for image in images]
    assert set(counts) <= {0, 2, 3, 4, 5, 6}
    assert len(set(counts) - {0}) >= 4


def test_a_scene_scales_with_the_image():
    small, large = draw_image(1, 3, 96), draw_image(1, 3, 288)
    assert [name for name, _ in small.dishes] == [name for name, _ in large.dishes]
    for (_, one), (_, other) in zip(small.dishes, large.dishes, strict=True):
        assert np.mean(other, axis=0) / 3 == pytest.approx(np.mean(one, axis=0), abs=3)
    shrunk = np.asarray(large.image.resize((96, 96), Image.Resampling.BOX), np.float32)
    assert np.abs(shrunk - np.asarray(small.image, np.float32)).mean() < 15


def test_images_differ_by_seed_and_by_index():
    data = {draw_image(seed, index, 64).image.tobytes() for seed in (1, 2) for index in (1, 2)}
    assert len(data) == 4


def test_images_have_contrast_and_are_not_burnt_out(images):
    for image in images:
        pixels = np.asarray(image.image)
        assert pixels.std() > 12
        assert (pixels >= 254).all(axis=2).mean() < 0.12


def test_meals_are_varied_and_have_two_mains_at_most():
    mains = {"STEAK_FRITES", "POISSON_RIZ", "PATES_BOLOGNAISE"}
    served = [[thing.name for thing in random_meal(seeded(k)) if thing.name] for k in range(400)]
    assert max(sum(name in mains for name in names) for names in served) == 2
    counts = {dish.name: sum(names.count(dish.name) for names in served) for dish in DISHES}
    assert min(counts, key=counts.__getitem__) == "TARTE_AUX_POMMES"  # the rare one
    assert max(counts.values()) < 2.2 * min(counts.values())
    assert 10 <= sum(not names for names in served) <= 60
