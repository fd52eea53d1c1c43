"""How far an image is from being a copy of another one, by their fingerprints.

Copies here are what encoders, editors and augmentation make of an image: encoded anew, scaled,
cut by up to an eighth, mirrored, turned by a quarter, brighter or darker. Two photos of one scene
that differ in an object are no copies, although all the rest of them is the same. So the images
are laid over each other as well as possible, and the distance is the largest difference in one
place, not the mean.

1. Each image is resampled to 16 x 16 places. A difference counts in percent of the contrast (the
   standard deviation of luma, after which one image's contrast and mean are made equal to the
   other's). From the difference in luma, or twice the difference in colour (R - G and B - G), an
   eighth of the largest step to a neighbour is taken off for each image, as that much follows from
   images that do not lie over each other exactly. Where an image is saturated, it may well be
   darker than the other one predicts. The distance is the largest of the 256 places' differences.
2. Where it is above half the cut-off, the images may have been cut differently: windows of one are
   held against windows of the other. The pair whose luma, less its mean and divided by its norm,
   has the greatest scalar product is taken, and, where that is at least 0.9, its edges are moved,
   first by halves and then by quarters of a fingerprint's part, as long as the product grows. The
   smaller distance counts.
3. The other image may be turned and mirrored in eight ways: the one with the greatest product of
   two windows counts.

Machines agree on it to the last digit: sums are of integers and exact in any order, and of what
is rounded each value comes from divisions and roots, which IEEE 754 defines to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhymes.images.fingerprint import SIDE, Fingerprint

CUTOFF = 30
"""Images at most so far apart are copies; `python -m bench copies` measures what it finds."""

FAR = 1_000_000
"""The distance from an image without contrast, which says nothing."""

PLACES = 16
"""Places along a side of what is compared."""

TURNS = 8
"""Ways to turn and mirror an image."""

_QUARTERS = 4  # of a fingerprint's part: the unit of a window's edges
_MAX_CUT = 4  # parts; a window is at least 28 of 32 parts wide
_MIN_SIDE = (SIDE - _MAX_CUT - 1) * _QUARTERS  # while edges are moved
_NORM = 2048  # of a descriptor; its square is exact in float32
_MIN_PRODUCT = _NORM**2 * 9 // 10  # else they show different things, wherever they are cut
_FINE = 16  # steps of a grey level
_SATURATED = 238 * _FINE
_MIN_CONTRAST = 2 * _FINE  # standard deviation of luma
_PERMILLE = 1000

Floats = NDArray[Any]
Window = tuple[int, int, int, int]
"""Top, bottom, left, right, in quarters of a part."""


class Prepared:
    """A fingerprint, turned, with what comparisons need; windows are described when asked for.

    Attributes:
        channels: float64 [3, 32, 32], whole numbers: luma (R + 2 G + B), R - G, B - G.
        brightest: float64 [32, 32]: the largest of R, G, B.
    """

    def __init__(self, fingerprint: Fingerprint, turned: int = 0) -> None:
        """Turn a fingerprint, see `turn`."""
        values = turn(fingerprint, turned).astype(np.float64)
        red, green, blue = np.moveaxis(values, 2, 0)
        self.channels = np.stack([red + 2 * green + blue, red - green, blue - green])
        self.brightest: Floats = values.max(axis=2)

    @cached_property
    def windows(self) -> Floats:
        """Float32 [windows, 256], whole numbers: what is compared to find the best windows."""
        return _windows_to_descriptors(self.channels[0], _WINDOWS)

    @cached_property
    def whole(self) -> _Places:
        """The whole image's places."""
        return _window_to_places(self, _WINDOWS[0])


def turn(values: NDArray[Any], number: int) -> NDArray[Any]:
    """Turn the first two axes in one of eight ways; 0 leaves them as they are."""
    turned = np.swapaxes(values, 0, 1) if number & 4 else values
    turned = turned[::-1] if number & 2 else turned
    return turned[:, ::-1] if number & 1 else turned


def fingerprints_to_distance(first: Fingerprint, second: Fingerprint) -> int:
    """Return the distance of two images: 0 for equal ones, up to `CUTOFF` for copies."""
    one = Prepared(first)
    turned = [Prepared(second, number) for number in range(TURNS)]
    return prepared_to_distance(
        one, max(turned, key=lambda other: (one.windows @ other.windows.T).max())
    )


def prepared_to_distance(first: Prepared, second: Prepared) -> int:
    """Return the distance of two images, of which neither is turned any more."""
    distance = _largest_difference(first.whole, second.whole)
    if distance <= CUTOFF // 2 or distance == FAR:
        return distance
    products = first.windows @ second.windows.T
    if products.max() < _MIN_PRODUCT:
        return distance
    one, other = divmod(int(products.argmax()), len(_WINDOWS))
    windows = _move_edges((first, second), (_WINDOWS[one], _WINDOWS[other]))
    places = map(_window_to_places, (first, second), windows)
    return min(distance, _largest_difference(*places))


def _windows() -> list[Window]:
    """All square windows whose edges lie on whole parts."""
    sides = [
        (start * _QUARTERS, (start + side) * _QUARTERS)
        for side in range(SIDE, SIDE - _MAX_CUT - 1, -1)
        for start in range(SIDE - side + 1)
    ]
    return [(*y, *x) for y, x in product(sides, sides) if y[1] - y[0] == x[1] - x[0]]


_WINDOWS = _windows()


@dataclass(frozen=True, eq=False)
class _Places:
    """A window's places.

    Attributes:
        channels: float64 [3, 16, 16], whole numbers, 16ths of a level.
        saturated: bool [16, 16].
    """

    channels: Floats
    saturated: NDArray[np.bool_]


@cache
def _weights(start: int, end: int) -> Floats:
    """How much of each part lies in each place: float64 [16, 32], whole numbers.

    A row's sum is `end - start`, in units of a 64th of a part.
    """
    edges = start * PLACES + np.arange(PLACES + 1) * (end - start)
    parts = np.arange(SIDE + 1) * (_QUARTERS * PLACES)
    overlaps = np.minimum(edges[1:, None], parts[1:]) - np.maximum(edges[:-1, None], parts[:-1])
    weights: Floats = np.clip(overlaps, 0, None).astype(np.float64)
    return weights


@lru_cache(maxsize=4096)
def _stacked_weights(windows: tuple[Window, ...]) -> tuple[Floats, Floats, Floats]:
    rows = np.stack([_weights(top, bottom) for top, bottom, _, _ in windows])
    columns = np.stack([_weights(left, right).T for _, _, left, right in windows])
    areas = [[(bottom - top) * (right - left)] for top, bottom, left, right in windows]
    return rows, columns, np.array(areas, dtype=np.float64)


def resample(values: Floats, window: Window) -> Floats:
    """Return the means of a window's places: [..., 32, 32] -> [..., 16, 16], whole 16ths."""
    top, bottom, left, right = window
    sums = _weights(top, bottom) @ values @ _weights(left, right).T
    means: Floats = np.rint(sums * _FINE / ((bottom - top) * (right - left)))
    return means


def _windows_to_descriptors(luma: Floats, windows: Sequence[Window]) -> Floats:
    """Return float32 [windows, 256] of norm 2048, whole numbers; 0 where there is no contrast."""
    rows, columns, areas = _stacked_weights(tuple(windows))
    sums = (rows @ luma @ columns).reshape(len(windows), -1)
    means = np.rint(sums * _FINE / areas)
    centred = means * means.shape[1] - means.sum(axis=1, keepdims=True)
    norms = np.sqrt((centred * centred).sum(axis=1, keepdims=True))
    descriptors: Floats = np.rint(centred * _NORM / np.maximum(norms, 1)).astype(np.float32)
    return descriptors


def _move_edges(
    images: tuple[Prepared, Prepared], windows: tuple[Window, Window]
) -> tuple[Window, Window]:
    """Move one edge after the other to where the windows are most alike."""
    found = list(windows)
    descriptors = [
        _windows_to_descriptors(image.channels[0], [window])[0]
        for image, window in zip(images, found, strict=True)
    ]
    best = float(descriptors[0] @ descriptors[1])
    for step in (2, 1):
        while True:
            moves = [
                (side, moved) for side in (0, 1) for moved in _moved_windows(found[side], step)
            ]
            tried = [
                _windows_to_descriptors(
                    images[side].channels[0], [moved for which, moved in moves if which == side]
                )
                for side in (0, 1)
            ]
            products = np.concatenate([tried[0] @ descriptors[1], tried[1] @ descriptors[0]])
            chosen = int(products.argmax())
            if products[chosen] <= best:
                break
            best = float(products[chosen])
            side, found[side] = moves[chosen]
            descriptors[side] = np.concatenate(tried)[chosen]
    return found[0], found[1]


@cache
def _moved_windows(window: Window, step: int) -> tuple[Window, ...]:
    """A window with one of its edges moved."""
    moved = []
    for edge, way in product(range(4), (-step, step)):
        edges = list(window)
        edges[edge] += way
        top, bottom, left, right = edges
        inside = min(edges) >= 0 and max(edges) <= SIDE * _QUARTERS
        if inside and min(bottom - top, right - left) >= _MIN_SIDE:
            moved.append((top, bottom, left, right))
    return tuple(moved)


def _window_to_places(image: Prepared, window: Window) -> _Places:
    saturated = resample(image.brightest, window) >= _SATURATED
    return _Places(resample(image.channels, window), saturated)


def _largest_difference(first: _Places, second: _Places) -> int:
    saturated = first.saturated | second.saturated
    usable = ~saturated
    if 4 * usable.sum() < usable.size:
        usable[:] = True
    one, other = _scale(first.channels, usable), _scale(second.channels, usable)
    if one is None or other is None:
        return FAR
    difference = one - other
    # The darker of two may be so because it is saturated; no more is known of its colour.
    luma = np.where(
        difference[0] < 0,
        np.where(first.saturated, 0, -difference[0]),
        np.where(second.saturated, 0, difference[0]),
    )
    colour = np.where(saturated, 0, 2 * np.abs(difference[1:]))
    excess = np.concatenate([luma[None], colour]) * 8
    excess -= (_steps(one) + _steps(other)) * np.array([1, 2, 2])[:, None, None]
    return max(int(excess.max()) * 100 // (8 * _PERMILLE), 0)


def _scale(channels: Floats, usable: NDArray[np.bool_]) -> Floats | None:
    """Bring the usable places' luma to mean 0 and a standard deviation of 1,000, in whole numbers.

    Colours get the same factor. None: there is no contrast.
    """
    count = int(usable.sum())
    centred = channels * count - channels[:, usable].sum(axis=1)[:, None, None]
    deviation = np.sqrt((centred[0, usable] ** 2).sum() / count)
    if deviation < 4 * _MIN_CONTRAST * count:  # luma counts four channels
        return None
    scaled: Floats = np.rint(centred * _PERMILLE / deviation)
    return scaled


def _steps(channels: Floats) -> Floats:
    """The largest difference to one of a place's eight neighbours: [3, 16, 16]."""
    padded = np.pad(channels, ((0, 0), (1, 1), (1, 1)), mode="edge")
    size = channels.shape[1]
    around = [
        np.abs(padded[:, y : y + size, x : x + size] - channels)
        for y, x in product(range(3), range(3))
    ]
    steps: Floats = np.max(around, axis=0)
    return steps
