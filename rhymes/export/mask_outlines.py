"""Masks as run lengths (RLE), as COCO and CVAT write them -> outlines along the pixels' edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rhymes.common.run_lengths import text_to_counts
from rhymes.export.geometry import Point, pixels_to_rings
from rhymes.images.images import PIXEL_LIMIT

Rings = list[list[Point]]


def coco_to_rings(segmentation: Mapping[str, Any]) -> Rings | None:
    """Trace a mask of COCO: {"size": [height, width], "counts": ...}.

    The counts are a list, or pycocotools' text of it. They run down the columns, and begin with
    the pixels that are not of the mask.

    Returns:
        The rings in pixels of the image, none for an empty mask; None where it is no such mask.
    """
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if isinstance(counts, str):
        try:
            counts = text_to_counts(counts)
        except ValueError:
            return None
    if not isinstance(size, list) or not isinstance(counts, list) or len(size) != 2:
        return None
    height, width = size
    return counts_to_rings(counts, width, height, by_columns=True)


def counts_to_rings(
    counts: Sequence[object], width: object, height: object, *, by_columns: bool = False
) -> Rings | None:
    """Trace a mask of some size, by its runs outside and inside by turns; see `coco_to_rings`."""
    if type(width) is not int or type(height) is not int or not all(map(_is_count, counts)):
        return None
    lengths = np.asarray(counts, np.int64)
    # Before anything of this size is made: run lengths are short, whatever they promise.
    if not 0 < width * height <= PIXEL_LIMIT or lengths.sum() != width * height or width < 0:
        return None
    pixels = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    mask = pixels.reshape(width, height).T if by_columns else pixels.reshape(height, width)
    return pixels_to_rings(mask)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= PIXEL_LIMIT
