"""A sample image: things put on a tray one after another, lit, photographed and outlined."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from rhymes.sample.arithmetic import Floats, Generator, between, norm, random_unit, turns_to_unit
from rhymes.sample.ground import Tray, ground_to_light
from rhymes.sample.lighting import (
    Light,
    Sprite,
    cast_shadow,
    photograph,
    random_light,
    relief_to_sprite,
)
from rhymes.sample.menu import Disc, Thing, random_meal
from rhymes.sample.outlines import Polygon, coverage_to_polygon
from rhymes.sample.relief import SUPERSAMPLING, Relief

POINTS = 320
"""Width and height of an image in points, whatever its pixels."""

_TRIES = 120  # to find room for a thing
_PLACES = 4  # tried before a thing that would hide a dish stays away
_MIN_VISIBLE = 0.45  # of a dish, or else what hides it goes elsewhere
_WHOLE = 0.9  # a dish of which others hide less than a tenth is outlined as a whole
_CLOSING = 3.0  # points


@dataclass(frozen=True)
class TrayImage:
    """A photographed tray with the outlines of its dishes.

    Attributes:
        image: RGB.
        dishes: (category, polygon in pixels) of each dish, from the lowest to the uppermost.
    """

    image: Image.Image
    dishes: list[tuple[str, Polygon]]


@dataclass
class ServedDish:
    """A dish on the tray and how much of it is seen.

    Attributes:
        name: its category.
        origin: x, y of the first pixel of the two fields in the image.
        whole: coverage by the dish as far as it is in the image, float32 [h, w] in 0..1.
        visible: the same less what other things hide.
        area: pixels that the dish would cover if nothing hid it and no edge cut it.
    """

    name: str
    origin: tuple[int, int]
    whole: Floats
    visible: Floats
    area: float

    def seen(self) -> Floats:
        """Return what an annotator outlines: all where little is hidden, else what is visible."""
        little = float(self.visible.sum()) >= _WHOLE * float(self.whole.sum())
        return self.whole if little else self.visible


@dataclass
class Scene:
    """The light on a tray so far, and what stands on it.

    Attributes:
        canvas: linear light, float32 [3, size, size].
        light: the light that falls on it.
        scale: pixels per point.
        discs: room that is taken, in points from the image's middle.
        dishes: from the lowest to the uppermost.
    """

    canvas: Floats
    light: Light
    scale: float
    discs: list[Disc] = field(default_factory=list)
    dishes: list[ServedDish] = field(default_factory=list)


def draw_image(seed: int, index: int, size: int) -> TrayImage:
    """Draw image number `index` of a sample; it depends on nothing but these numbers.

    Args:
        seed: the sample's seed.
        index: number of the image, from 1.
        size: width and height in pixels.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, index))))
    scene = serve_tray(rng, size)
    image = photograph(scene.canvas, rng, scene.scale)
    closing = _CLOSING * scene.scale
    outlines = [
        (dish.name, coverage_to_polygon(dish.seen(), dish.origin, closing)) for dish in scene.dishes
    ]
    return TrayImage(image, outlines)


def serve_tray(rng: Generator, size: int) -> Scene:
    """Put a random meal on a random tray, under random light, `size` pixels wide and high."""
    scale = size / POINTS
    light, tray = random_light(rng), _random_tray(rng)
    scene = Scene(ground_to_light(rng, tray, light, size, scale), light, scale)
    for thing in random_meal(rng):
        _serve(rng, scene, tray, thing)
    return scene


def _random_tray(rng: Generator) -> Tray:
    """Lay the tray into the image: turned a little, near or far, perhaps cut by the edge."""
    near = between(rng, 0.94, 1.16)
    half = complex(between(rng, 146, 158), between(rng, 122, 140)) * near
    turns = between(rng, -0.03, 0.03) + 0.25 * int(rng.integers(0, 4))
    middle = complex(between(rng, -26, 26), between(rng, -26, 26))
    return Tray(middle, turns_to_unit(turns), half)


def _serve(rng: Generator, scene: Scene, tray: Tray, thing: Thing) -> None:
    """Draw a thing and put it where there is room, or leave it out where there is none."""
    zoom = between(rng, 0.92, 1.16)
    axis = random_unit(rng)
    if thing.turn < 0.5:
        side = 0.25 if rng.random() < 0.8 else 0.0
        axis = tray.axis * turns_to_unit(side + between(rng, -thing.turn, thing.turn))
        axis *= 1 if rng.random() < 0.5 else -1
    relief = Relief(rng, thing.reach, scene.scale * SUPERSAMPLING, axis, zoom)
    thing.draw(relief)
    sprite = relief_to_sprite(relief, scene.light, thing.height * zoom)
    for _ in range(_PLACES):
        at = _room(rng, scene, tray, thing, axis * zoom)
        if at is None:
            return
        pixel = at + POINTS / 2 * (1 + 1j)
        x, y = round(pixel.real * scene.scale), round(pixel.imag * scene.scale)
        if _lay(scene, thing.name, sprite, (x, y)):
            room = [(at + place * axis * zoom, radius * zoom) for place, radius in thing.discs]
            scene.discs += room
            return


def _room(rng: Generator, scene: Scene, tray: Tray, thing: Thing, frame: complex) -> complex | None:
    """Find a place for a thing; the longer the search, the more it may overlap others.

    Loose things (bread, a fork, a pot) are now and then leant against another on purpose.
    """
    own = [(place * frame, radius * norm(frame)) for place, radius in thing.discs]
    leaning = bool(scene.discs) and thing.loose > 0.15 and rng.random() < thing.loose
    for attempt in range(_TRIES):
        if leaning and attempt < _TRIES // 2:
            other, taken = scene.discs[int(rng.integers(len(scene.discs)))]
            share = 1 - thing.loose * between(rng, 0.5, 1)
            at = other + random_unit(rng) * (taken + own[0][1]) * share
        else:
            where = complex(
                between(rng, -1, 1) * tray.half.real, between(rng, -1, 1) * tray.half.imag
            )
            at = tray.middle + where * tray.axis
            share = 1 - thing.loose * attempt / _TRIES
        discs = [(at + place, radius) for place, radius in own]
        if _on_tray(tray, at, discs) and not _crowded(discs, scene.discs, share):
            return at
    return None


def _on_tray(tray: Tray, at: complex, discs: list[Disc]) -> bool:
    """Tell whether discs lie on the tray, and enough of them in the image to be worth it."""
    if max(abs(at.real), abs(at.imag)) > POINTS / 2 - 0.3 * discs[0][1]:
        return False
    for place, radius in discs:
        local = (place - tray.middle) * tray.axis.conjugate()
        if abs(local.real) > tray.half.real - 0.8 * radius - 6:
            return False
        if abs(local.imag) > tray.half.imag - 0.8 * radius - 6:
            return False
    return True


def _crowded(discs: list[Disc], others: list[Disc], share: float) -> bool:
    """Tell whether two discs come nearer to each other than a share of their radii's sum."""
    return any(
        norm(place - other) < share * (radius + taken)
        for place, radius in discs
        for other, taken in others
    )


def _lay(scene: Scene, name: str, sprite: Sprite, at: tuple[int, int]) -> bool:
    """Lay a lit thing on the canvas, its shadow first, unless it would hide too much."""
    first = at[0] + sprite.first[0], at[1] + sprite.first[1]
    own, canvas = _windows(sprite.opacity.shape, first, scene.canvas.shape[1])
    opacity, dish = sprite.opacity[own], sprite.dish[own]
    origin = canvas[1].start, canvas[0].start
    area = float(sprite.dish.sum())
    after = [_left(served, opacity, origin) for served in scene.dishes]
    if name and float(dish.sum()) < _MIN_VISIBLE * area:
        return False
    pairs = list(zip(scene.dishes, after, strict=True))
    if any(float(left.sum()) < _MIN_VISIBLE * served.area for served, left in pairs):
        return False
    for served, left in pairs:
        served.visible = left
    lost, margin = cast_shadow(sprite.opacity, scene.light, sprite.height, scene.scale)
    corner = first[0] - margin, first[1] - margin
    shadow, ground = _windows(lost.shape, corner, scene.canvas.shape[1])
    scene.canvas[:, *ground] *= 1 - lost[shadow]
    scene.canvas[:, *canvas] *= 1 - opacity
    scene.canvas[:, *canvas] += sprite.light[:, *own]
    if name:
        scene.dishes.append(ServedDish(name, origin, dish, dish.copy(), area))
    return True


def _windows(
    shape: tuple[int, ...], first: tuple[int, int], size: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the part of a field that falls into the image, in its own and the image's pixels.

    Args:
        shape: rows, columns of the field.
        first: x, y of its first pixel in the image.
        size: the image's width and height.
    """
    own, canvas = [], []
    for begin, side in ((first[1], shape[0]), (first[0], shape[1])):
        start, stop = min(max(begin, 0), size), min(max(begin + side, 0), size)
        own.append(slice(start - begin, stop - begin))
        canvas.append(slice(start, stop))
    return (own[0], own[1]), (canvas[0], canvas[1])


def _left(dish: ServedDish, opacity: Floats, origin: tuple[int, int]) -> Floats:
    """Return what is still visible of a dish under something opaque at `origin`."""
    left = dish.visible.copy()
    rows, columns = left.shape
    right, down = origin[0] - dish.origin[0], origin[1] - dish.origin[1]
    top, bottom = max(down, 0), min(down + opacity.shape[0], rows)
    start, stop = max(right, 0), min(right + opacity.shape[1], columns)
    if top < bottom and start < stop:
        left[top:bottom, start:stop] *= (
            1 - opacity[top - down : bottom - down, start - right : stop - right]
        )
    return left
