"""Polygon annotations of the sample: the outline of what is seen of a dish."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rhymes.sample.arithmetic import Floats, resized

Polygon = list[tuple[float, float]]

FINE = 4
"""Contours are followed on a grid this many times finer than the image."""

# A contour goes through the centres of the outermost fine pixels, half of one within the outline:
# a threshold lowered by as much as coverage falls over that distance makes up for it.
_EDGE = 0.5 - 0.5 / FINE
_MIN_POINTS, _MAX_POINTS = 12, 60


def coverage_to_polygon(coverage: Floats, origin: tuple[int, int], closing: float) -> Polygon:
    """Follow the outline of the largest part of a coverage field.

    Gaps narrower than twice `closing` (between chips, under a fork) are bridged and holes filled,
    as annotators do. Points are pixels, x right and y down from the image's top left corner,
    within the window, rounded to 0.01; 12 to 60 of them, one ring, not closed.

    Args:
        coverage: float32 [h, w] in 0..1 at the image's resolution, a window of the image.
        origin: x, y of the window's first pixel.
        closing: in pixels.
    """
    radius = max(1, round(closing))
    pad = radius + 2
    padded = np.pad(coverage, pad, mode="edge")
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    closed = np.asarray(cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc), np.float32)
    shape = (padded.shape[0] * FINE, padded.shape[1] * FINE)
    fine = resized(closed, shape, Image.Resampling.BILINEAR)
    mask = (fine >= _EDGE).astype(np.uint8)
    rings, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    ring = max(rings, key=lambda found: (cv2.contourArea(found), found.tolist()))
    points = (ring[:, 0, :].astype(np.float32) + 0.5) / FINE - pad
    inside = np.clip(points, 0, coverage.shape[::-1]).astype(np.float32)
    few = _filled_up(_thinned(inside)) + np.array(origin, np.float32)
    return [(round(float(x), 2), round(float(y), 2)) for x, y in few]


def _thinned(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Drop points while the outline moves little (Douglas and Peucker), until few enough stay."""
    tolerance = 0.3
    while True:
        few = cv2.approxPolyDP(points[:, None, :], tolerance, True)[:, 0, :].astype(np.float32)
        if len(few) <= _MAX_POINTS:
            return few
        tolerance *= 1.25


def _filled_up(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Halve the longest sides until there are enough points."""
    while len(points) < _MIN_POINTS:
        steps = np.roll(points, -1, axis=0) - points
        longest = int(np.argmax(steps[:, 0] * steps[:, 0] + steps[:, 1] * steps[:, 1]))
        points = np.insert(points, longest + 1, points[longest] + steps[longest] / 2, axis=0)
    return points
