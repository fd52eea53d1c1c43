"""Bit-exact arithmetic: directions, waves, noise and distances equal on every machine.

Only operations that IEEE 754 rounds exactly are used (+ - * / and the square root), never the
sine, exponential or power of a maths library: those differ in the last bit between processors,
and an image's bytes would with them.

Lengths are in points: an image is `scene.POINTS` (320) of them wide, whatever its pixels. A place
or a direction in the plane is a complex number, x to the right and y down.
"""

from __future__ import annotations

from math import floor, sqrt

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Generator = np.random.Generator

_EIGHTH = 0.7853981633974483  # a turn's eighth in radians


def turns_to_unit(turns: float) -> complex:
    """Return the direction after so many turns from the x axis towards the y axis."""
    eighths = floor(turns * 8)
    angle = (turns * 8 - eighths) * _EIGHTH
    square = angle * angle
    cosine = sine = 1.0
    for k in range(9, 0, -1):  # the Taylor series up to the 18th power, by Horner's rule
        cosine = 1 - cosine * square / ((2 * k - 1) * (2 * k))
        sine = 1 - sine * square / ((2 * k) * (2 * k + 1))
    unit = complex(cosine, sine * angle)
    if eighths % 2:
        unit *= complex(1, 1) / sqrt(2)
    return unit * (1, 1j, -1, -1j)[eighths % 8 // 2]


def norm(place: complex) -> float:
    """Return the distance from 0 (`abs` would ask the maths library)."""
    return sqrt(place.real * place.real + place.imag * place.imag)


def random_unit(rng: Generator) -> complex:
    """Return a direction, each as likely as any other."""
    return turns_to_unit(float(rng.random()))


def between(rng: Generator, low: float, high: float) -> float:
    """Return a number from `low` to `high`, each as likely as any other."""
    return low + (high - low) * float(rng.random())


def somewhere(rng: Generator, radius: float) -> complex:
    """Return a place in the disc of `radius` around 0, each as likely as any other."""
    return random_unit(rng) * radius * sqrt(float(rng.random()))


def rgb(code: int) -> Floats:
    """Turn an sRGB code such as 0xFFEECC into linear light, float32 [3, 1, 1] in 0..1 (gamma 2)."""
    levels = np.array([code >> 16 & 255, code >> 8 & 255, code & 255], np.float32) / 255
    return np.asarray(levels * levels, np.float32)[:, None, None]


def mixed(first: Floats, second: Floats, share: float | Floats) -> Floats:
    """Return `first` where `share` is 0, `second` where it is 1, and what lies between."""
    return np.asarray(first + (second - first) * share, np.float32)


def length(x: Floats, y: Floats) -> Floats:
    """Return the length of (x, y), elementwise."""
    return np.sqrt(x * x + y * y)


def ramp(value: Floats, low: float, high: float) -> Floats:
    """Rise smoothly from 0 at `low` to 1 at `high` (falls where `high` is below `low`)."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def wave(turns: Floats) -> Floats:
    """Return a smooth wave from -1 to 1 with period 1; it is 1 at 0."""
    fraction = turns - np.floor(turns)
    t = np.abs(2 * fraction - 1)
    return np.asarray(t * t * (6 - 4 * t) - 1, np.float32)


def box_distance(x: Floats, y: Floats, half: complex, corner: float) -> Floats:
    """Return the signed distance to a rounded box around 0 with half sides `half`.

    It is negative inside; `corner` is the radius of the corners.
    """
    over_x = np.abs(x) - (half.real - corner)
    over_y = np.abs(y) - (half.imag - corner)
    outside = length(np.maximum(over_x, 0), np.maximum(over_y, 0))
    return np.asarray(outside + np.minimum(np.maximum(over_x, over_y), 0) - corner, np.float32)


def resized(field: Floats, shape: tuple[int, int], how: Image.Resampling) -> Floats:
    """Resample a field [h, w] to another shape."""
    image = Image.fromarray(field).resize((shape[1], shape[0]), how)
    return np.asarray(image, np.float32)


def blurred(field: Floats, cell: int) -> Floats:
    """Blur a field [h, w] over about `cell` pixels, by way of a smaller one."""
    shape = field.shape[0], field.shape[1]
    small = (max(2, shape[0] // cell), max(2, shape[1] // cell))
    less = resized(field, small, Image.Resampling.BOX)
    return resized(less, shape, Image.Resampling.BICUBIC)


def noise(rng: Generator, shape: tuple[int, int], cell: float, octaves: int) -> Floats:
    """Return smooth noise, float32 `shape`, most of it within -1..1.

    Args:
        rng: gives one number, however much noise is made: what it gives next is the same for
            every shape.
        shape: rows, columns.
        cell: size of the coarsest features in pixels.
        octaves: layers, each half as large and half as strong as the one before.
    """
    own = np.random.Generator(np.random.PCG64(int(rng.integers(2**62))))
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        cells = [min(max(2, floor(side * 2**octave / cell) + 1), side) for side in shape]
        grid = own.random(cells, dtype=np.float32) * 2 - 1
        total += resized(grid, shape, Image.Resampling.BICUBIC) / 2**octave
    return total
