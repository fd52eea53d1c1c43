"""Height maps with colours: a thing seen from above before light falls on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor, sqrt

import numpy as np

from rhymes.sample.arithmetic import Bools, Floats, Generator, length, mixed, noise

SUPERSAMPLING = 3
"""A relief's pixels per side of an image's pixel."""


@dataclass(frozen=True)
class Material:
    """What a thing is made of.

    Attributes:
        colour: linear light, [3, 1, 1].
        edge: the colour that it takes towards its edge; None: the same.
        mottle: how much the brightness varies, 0..1.
        gloss: strength of highlights, 0 (paper) to 1 (glazed).
    """

    colour: Floats
    edge: Floats | None = None
    mottle: float = 0.1
    gloss: float = 0.1


@dataclass(frozen=True)
class Spot:
    """A window of a relief with coordinates of its own.

    Attributes:
        window: the rows and columns of the relief.
        u: points along the spot's axis from its place, float32 [h, w].
        v: points across the axis, float32 [h, w].
    """

    window: tuple[slice, slice]
    u: Floats
    v: Floats


class Relief:
    """A square field around a thing: colour, height, gloss, opacity, and what counts as the dish.

    Attributes:
        rng: where the randomness of this thing comes from.
        albedo: float32 [3, n, n], linear light.
        height: float32 [n, n], points above the tray.
        gloss: float32 [n, n].
        opacity: float32 [n, n]; 0 where nothing lies.
        dish: bool [n, n], what an annotator would outline.
    """

    def __init__(
        self, rng: Generator, reach: float, scale: float, axis: complex = 1, zoom: float = 1.0
    ) -> None:
        """Lay out an empty relief.

        Args:
            rng: where the randomness comes from.
            reach: half the side of the relief in points of the thing.
            scale: pixels of the relief per point of the image.
            axis: direction to which the thing's x axis is turned.
            zoom: points of the image per point of the thing.
        """
        self.rng, self.scale, self.axis = rng, scale * zoom, axis
        self._texture_scale = scale
        self.half = SUPERSAMPLING * ceil(reach * self.scale / SUPERSAMPLING)
        side = 2 * self.half
        self.albedo = np.zeros((3, side, side), np.float32)
        self.height = np.zeros((side, side), np.float32)
        self.gloss = np.zeros((side, side), np.float32)
        self.opacity = np.zeros((side, side), np.float32)
        self.dish = np.zeros((side, side), np.bool_)

    def spot(self, at: complex, radius: float, axis: complex = 1) -> Spot:
        """Return a window over the disc of `radius` around `at`, coordinates turned to `axis`."""
        return self._window(at, radius, radius, axis * self.axis)

    def box_spot(self, at: complex, half: complex, axis: complex = 1) -> Spot:
        """Return a window over a box around `at` with half sides along axis + across it * 1j."""
        turn = axis * self.axis
        cosine, sine = abs(turn.real), abs(turn.imag)
        wide = cosine * half.real + sine * half.imag
        high = sine * half.real + cosine * half.imag
        return self._window(at, wide, high, turn)

    def oval_spot(self, at: complex, radii: complex, axis: complex = 1) -> Spot:
        """Return a window over an ellipse around `at` with radii along axis + across it * 1j."""
        turn = axis * self.axis
        along, across = turn * radii.real, turn * radii.imag
        wide = sqrt(along.real * along.real + across.imag * across.imag)
        high = sqrt(along.imag * along.imag + across.real * across.real)
        return self._window(at, wide, high, turn)

    def _window(self, at: complex, wide: float, high: float, turn: complex) -> Spot:
        """Return the window of these half sides, level with the pixels, around `at`."""
        place = at * self.axis
        rows, columns = self._pixels(place.imag, high), self._pixels(place.real, wide)
        y = self._points(rows, place.imag)[:, None]
        x = self._points(columns, place.real)[None, :]
        real, imag = np.float32(turn.real), np.float32(turn.imag)
        return Spot((rows, columns), x * real + y * imag, y * real - x * imag)

    def _pixels(self, middle: float, reach: float) -> slice:
        """Return the rows or columns that lie within `reach` of `middle`, both in points."""
        first = floor(self.half + (middle - reach) * self.scale)
        last = ceil(self.half + (middle + reach) * self.scale) + 1
        return slice(min(max(first, 0), 2 * self.half), min(max(last, 0), 2 * self.half))

    def _points(self, pixels: slice, middle: float) -> Floats:
        """Return how many points behind `middle` the centres of rows or columns lie."""
        centres = np.arange(pixels.start, pixels.stop, dtype=np.float32)
        points = (centres + np.float32(0.5 - self.half)) / np.float32(self.scale)
        return np.asarray(points - np.float32(middle), np.float32)

    def whole(self) -> Spot:
        """Return the spot that covers all of the relief."""
        return self.spot(0, self.half / self.scale + 1)

    def cloud(self, spot: Spot) -> Floats:
        """Return coarse noise (features of some 7 points) over a spot, another at each call."""
        return self._texture(spot, 7, 3)

    def swell(self, spot: Spot) -> Floats:
        """Return slow, smooth noise (features of some 14 points) over a spot."""
        return self._texture(spot, 14, 1)

    def grain(self, spot: Spot) -> Floats:
        """Return fine noise (features of about a point) over a spot, another at each call."""
        return self._texture(spot, 1.3, 2)

    def _texture(self, spot: Spot, cell: float, octaves: int) -> Floats:
        rows, columns = spot.window
        tall, wide = rows.stop - rows.start, columns.stop - columns.start
        # A power of two, so that reliefs of about one size share a tile.
        side = 1 << (2 * self.half - 1).bit_length()
        tile = _tile(side, cell * self._texture_scale, octaves)
        down = int(self.rng.random() * (side - tall + 1))
        right = int(self.rng.random() * (side - wide + 1))
        return tile[down : down + tall, right : right + wide]

    def level(self, spot: Spot) -> float:
        """Return the height in the middle of a spot: what a thing put there rests on."""
        field = self.height[spot.window]
        return float(field[field.shape[0] // 2, field.shape[1] // 2]) if field.size else 0.0

    def put(
        self,
        spot: Spot,
        inside: Bools,
        albedo: Floats,
        height: Floats,
        *,
        gloss: float | Floats = 0.1,
        opacity: float | Floats = 1.0,
        dish: bool = True,
    ) -> None:
        """Cover what is `inside` a spot; `dish` says whether this is part of the dish or not."""
        np.copyto(self.albedo[:, *spot.window], albedo, where=inside)
        np.copyto(self.height[spot.window], height, where=inside)
        np.copyto(self.gloss[spot.window], np.float32(gloss), where=inside)
        np.copyto(self.opacity[spot.window], np.float32(opacity), where=inside)
        if dish:
            self.dish[spot.window] |= inside

    def put_oval(
        self,
        at: complex,
        radii: complex,
        axis: complex,
        material: Material,
        height: float,
        *,
        rough: float = 0.0,
        flat: bool = False,
        base: float | None = None,
        dish: bool = True,
    ) -> None:
        """Lay down an ellipse.

        Args:
            at: its centre.
            radii: along the axis + across it * 1j.
            axis: direction of the first radius.
            material: what it is made of.
            height: of its middle above what it rests on.
            rough: how irregular the outline is, as a share of the radii.
            flat: a slice with round edges instead of a dome.
            base: what it rests on; None: the height found at its centre.
            dish: whether it is part of the dish.
        """
        spot = self.oval_spot(at, radii * (1 + rough), axis)
        distance = length(spot.u / np.float32(radii.real), spot.v / np.float32(radii.imag))
        if rough:
            distance = distance + self.cloud(spot) * np.float32(rough)
        self.put_round(spot, distance, material, height, flat=flat, base=base, dish=dish)

    def put_round(
        self,
        spot: Spot,
        distance: Floats,
        material: Material,
        height: float,
        *,
        flat: bool = False,
        base: float | None = None,
        dish: bool = True,
    ) -> None:
        """Lay down what has `distance` < 1 (0 in its middle) as a dome or a slice."""
        square = distance * distance
        rise = 1 - square * square * square if flat else np.sqrt(np.maximum(1 - square, 0))
        bottom = self.level(spot) if base is None else base
        top = np.float32(bottom) + rise * np.float32(height)
        albedo = self.tinted(spot, material, square * square)
        self.put(spot, distance < 1, albedo, top, gloss=material.gloss, dish=dish)

    def tinted(self, spot: Spot, material: Material, edge: Floats) -> Floats:
        """Return a material's colour over a spot, [3, h, w]; `edge` is 1 at the thing's edge."""
        colour = material.colour
        if material.edge is not None:
            colour = mixed(colour, material.edge, np.clip(edge, 0, 1))
        if not material.mottle:
            return np.asarray(colour, np.float32)
        bright = 1 + np.float32(material.mottle) * self.grain(spot)
        return np.asarray(np.clip(colour * bright, 0, 1), np.float32)


@lru_cache(maxsize=12)
def _tile(side: int, cell: float, octaves: int) -> Floats:
    """Return a square of noise to cut textures from; the same in every process."""
    tile = noise(np.random.Generator(np.random.PCG64(octaves)), (side, side), cell, octaves)
    tile.setflags(write=False)
    return tile
