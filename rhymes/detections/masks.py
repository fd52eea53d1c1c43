"""Masks of single objects: crops with an offset, and what is made of them.

A detector gives each mask as a small grid of probabilities inside its box. Pasting each into a
image of its own is what makes masks slow: 100 objects in 12 megapixels would be 1.2 GB. Here
nothing larger than an object's own crop is ever made: COCO's RLE for the whole image and
polygons both come from the crop.

Coordinates are continuous pixels: pixel (column x, row y) covers [x, x+1] x [y, y+1], its centre
is (x + 0.5, y + 0.5). So a box is as wide as xmax - xmin.

COCO's compressed RLE is checked before it is given to pycocotools or hotcoco. Their C code trusts
it: counts that run past the image write past their memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_masks

from rhymes.common.errors import InputError
from rhymes.common.run_lengths import text_to_counts


def check_rle(counts: str, width: int, height: int) -> None:
    """Make sure that the runs are those of an image of this size.

    Raises:
        ValueError: saying what is wrong.
    """
    try:
        runs = text_to_counts(counts)
    except ValueError as error:
        raise ValueError(f"mask: {error}") from None
    if min(runs, default=-1) < 0 or sum(runs) != width * height:
        raise ValueError(f"mask: its runs are not those of {width} x {height} pixels")


Ring = NDArray[np.float32]
"""A closed polygon: float32 [points, 2], x and y in pixels, the first point not repeated."""

# How far a simplified ring may lie from the outline, in pixels. Below 0.4 the staircase of a
# slanted edge stays; 1 pixel on a small object would cost it a tenth of its area.
_FINEST, _COARSEST = 0.4, 1.0


@dataclass(frozen=True, eq=False)
class MaskCrop:
    """One object's mask, cut out of its image.

    Attributes:
        x: Column of the image at which the crop begins.
        y: Row of the image at which the crop begins.
        pixels: bool [height, width], True where the object is; may have no pixel at all.
    """

    x: int
    y: int
    pixels: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or self.pixels.dtype != np.bool_:
            raise ValueError(
                "pixels: expected bool [height, width], "
                f"got {self.pixels.dtype} {list(self.pixels.shape)}"
            )
        if self.x < 0 or self.y < 0:
            raise ValueError(f"offset: expected x, y >= 0, got {self.x}, {self.y}")

    @property
    def area(self) -> int:
        """Number of pixels that belong to the object."""
        return int(np.count_nonzero(self.pixels))


def probabilities_to_crop(
    probabilities: NDArray[np.float32], box: Sequence[float], width: int, height: int
) -> MaskCrop:
    """Resize a mask that fills its box to the image's pixels and cut it at 0.5.

    The grid's cells tile the box, so cell (i, j) has its centre at half a cell from its edges.
    Probabilities are interpolated bilinearly between those centres, at the centres of the pixels;
    beyond the outermost centres they stay constant. A pixel belongs to the box when its centre
    does, so a box thinner than a pixel may have an empty mask.

    Args:
        probabilities: float [h, w], the box stretched over h x w cells.
        box: xmin, ymin, xmax, ymax in pixels, before clipping: it may leave the image.
        width: Of the image, in pixels.
        height: Of the image, in pixels.
    """
    xmin, ymin, xmax, ymax = (float(edge) for edge in box)
    x, columns = _pixels_between(xmin, xmax, width)
    y, rows = _pixels_between(ymin, ymax, height)
    if columns == 0 or rows == 0:
        return MaskCrop(x, y, np.zeros((rows, columns), np.bool_))
    across = probabilities.shape[1] / (xmax - xmin)  # cells per pixel
    down = probabilities.shape[0] / (ymax - ymin)
    pixel_to_cell = np.array(
        [
            [across, 0, (x + 0.5 - xmin) * across - 0.5],
            [0, down, (y + 0.5 - ymin) * down - 0.5],
        ]
    )
    resized = cv2.warpAffine(
        np.ascontiguousarray(probabilities, np.float32),
        pixel_to_cell,
        (columns, rows),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return MaskCrop(x, y, np.asarray(resized) > 0.5)


def _pixels_between(low: float, high: float, size: int) -> tuple[int, int]:
    """The first of the pixels with their centre from `low` to `high` along an axis; how many."""
    first, last = (min(max(int(np.ceil(edge - 0.5)), 0), size) for edge in (low, high))
    return first, max(last - first, 0)


def crop_to_dense(crop: MaskCrop, width: int, height: int) -> NDArray[np.bool_]:
    """Paste a crop into an empty image: bool [height, width]."""
    dense = np.zeros((height, width), np.bool_)
    rows, columns = crop.pixels.shape
    dense[crop.y : crop.y + rows, crop.x : crop.x + columns] = crop.pixels
    return dense


def crop_to_rle(crop: MaskCrop, width: int, height: int) -> dict[str, Any]:
    """Encode a crop as COCO's compressed RLE of the whole image.

    COCO counts pixels column by column, background first. Within a column a run begins or ends
    where a pixel differs from the one above it, so these places alone are looked for.

    Returns:
        {"size": [height, width], "counts": str}, equal to pycocotools' encoding of the dense mask.
    """
    rows, columns = crop.pixels.shape
    framed = np.zeros((rows + 2, columns), np.bool_)
    framed[1:-1] = crop.pixels
    # One flat index and a division are several times as fast as two index arrays.
    edge_rows, edge_columns = np.divmod(np.flatnonzero(framed[1:] != framed[:-1]), max(columns, 1))
    edges = np.sort((edge_columns + crop.x) * height + edge_rows + crop.y)
    # A run to the bottom of one column that goes on at the top of the next has no edge there,
    # nor has one that ends with the image.
    same = np.flatnonzero(edges[1:] == edges[:-1])
    edges = np.delete(edges, np.concatenate([same, same + 1]))
    edges = edges[edges < width * height]
    counts = np.diff(edges, prepend=0, append=width * height).tolist()
    encoded = coco_masks.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return {"size": [height, width], "counts": encoded["counts"].decode("ascii")}


def rle_to_crop(rle: Mapping[str, Any]) -> MaskCrop:
    """Decode COCO's compressed RLE of a whole image; the other way of `crop_to_rle`.

    Raises:
        InputError: it is no such RLE.
    """
    try:
        height, width = rle["size"]
        check_rle(rle["counts"], width, height)
        x, y, columns, rows = (int(edge) for edge in coco_masks.toBbox(dict(rle)))
        pixels = coco_masks.decode(dict(rle))[y : y + rows, x : x + columns]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"not COCO's compressed RLE of a mask ({error!r})") from None
    return MaskCrop(x, y, np.ascontiguousarray(pixels).astype(np.bool_))


def polygons_to_crop(polygons: Sequence[Sequence[float]], width: int, height: int) -> MaskCrop:
    """Draw COCO polygons (one object's parts) as a crop, by pycocotools' own rule.

    Args:
        polygons: [[x1, y1, x2, y2, ...], ...] in pixels.
        width: Of the image, in pixels.
        height: Of the image, in pixels.
    """
    points = np.concatenate([np.reshape(polygon, (-1, 2)) for polygon in polygons])
    x, y = (max(int(np.floor(low)) - 1, 0) for low in points.min(axis=0))
    columns = min(int(np.ceil(points[:, 0].max())) + 1, width) - x
    rows = min(int(np.ceil(points[:, 1].max())) + 1, height) - y
    if columns <= 0 or rows <= 0:
        raise InputError(f"polygon lies outside its image of {width} x {height} pixels")
    moved = [(np.reshape(polygon, (-1, 2)) - (x, y)).ravel().tolist() for polygon in polygons]
    encoded = coco_masks.merge(coco_masks.frPyObjects(moved, rows, columns))
    return MaskCrop(x, y, coco_masks.decode(encoded).astype(np.bool_))


def crop_to_polygons(crop: MaskCrop, tolerance: float | None = None) -> list[Ring]:
    """Trace a crop's outlines: one ring for each connected part, the largest first.

    A ring runs halfway between the object's pixels and the background's, so its area is that of
    the pixels (through their centres, as OpenCV traces, a disc 20 pixels wide would lose a tenth).
    Pixels that touch at a corner are connected. Holes are not cut out, for neither COCO's polygons
    nor the export's can say them: the RLE can.

    Args:
        crop: The mask.
        tolerance: Greatest distance in pixels between a ring and the traced outline; 0 keeps
            every point. By default a hundredth of the part's size (the root of its area), but at
            least 0.4 and at most 1 pixel.
    """
    if crop.pixels.size == 0:
        return []
    pixels = np.ascontiguousarray(crop.pixels).view(np.uint8)
    chains, _ = cv2.findContours(pixels, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    rings = [_chain_to_outline(np.asarray(chain, np.int32)[:, 0]) for chain in chains]
    rings.sort(key=_ring_area, reverse=True)
    offset = np.array([crop.x, crop.y], np.float32)
    return [_simplified(ring, tolerance) + offset for ring in rings]


# Steps of a chain code, clockwise on the screen from the right; even ones cross a pixel's side.
_STEPS = np.array([[1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0], [-1, -1], [0, -1], [1, -1]])
_STEP_CODES = np.array([[5, 6, 7], [4, 0, 0], [3, 2, 1]])  # by [dy + 1, dx + 1]


def _passed_sides() -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Sides of a pixel that the outline passes, by the chain's steps into and out of that pixel.

    OpenCV goes around an object counter-clockwise on the screen: turning the same way from the
    pixel it came from to the one it goes to, it meets nothing but background.

    Returns:
        The sides' middles relative to the pixel's corner, float32 [8, 8, 4, 2], and which of the
        four are used, bool [8, 8, 4].
    """
    middles = np.zeros((8, 8, 4, 2), np.float32)
    used = np.zeros((8, 8, 4), np.bool_)
    for step_in, step_out in np.ndindex(8, 8):
        turn = (step_in + 4 - step_out - 1) % 8
        met = [(step_in + 4 - 1 - i) % 8 for i in range(turn)]
        for index, side in enumerate(code for code in met if code % 2 == 0):
            middles[step_in, step_out, index] = 0.5 + 0.5 * _STEPS[side]
            used[step_in, step_out, index] = True
    return middles, used


_MIDDLES, _USED = _passed_sides()


def _chain_to_outline(chain: NDArray[np.int32]) -> Ring:
    """Boundary pixels in order, int [n, 2] -> the outline through the middles of their sides."""
    if len(chain) == 1:
        return (chain + 0.5 + 0.5 * _STEPS[[0, 6, 4, 2]]).astype(np.float32)
    steps = np.roll(chain, -1, axis=0) - chain
    leaving = _STEP_CODES[steps[:, 1] + 1, steps[:, 0] + 1]
    entering = np.roll(leaving, 1)
    points = (chain[:, None, :] + _MIDDLES[entering, leaving]).astype(np.float32)
    outline: Ring = points[_USED[entering, leaving]]
    return outline


def _simplified(ring: Ring, tolerance: float | None) -> Ring:
    """Leave out points by Douglas and Peucker's rule, unless no area would be left."""
    if tolerance is None:
        tolerance = min(max(0.01 * _ring_area(ring) ** 0.5, _FINEST), _COARSEST)
    if tolerance <= 0:
        return ring
    simple = cv2.approxPolyDP(ring[:, None], tolerance, True)
    return ring if len(simple) < 3 else np.asarray(simple, np.float32).reshape(-1, 2)


def _ring_area(ring: Ring) -> float:
    return float(cv2.contourArea(ring))
