"""A small picture of an image, by which its copies are found: the same bytes on every machine.

Each value is the mean of a channel over one of 32 x 32 equal parts of the image, whatever its size:
parts share the pixels that their borders cut. All arithmetic is on integers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rhymes.common.errors import InputError

SIDE = 32
"""Parts along each side."""

Fingerprint = NDArray[np.uint8]


def image_to_fingerprint(pixels: Image.Image) -> Fingerprint:
    """Return uint8 [32, 32, 3] of an upright RGB image: rows from its top, channels R, G, B."""
    values = np.asarray(pixels.convert("RGB"))
    # Rows first: the strips that are left are small, whatever the image's size.
    sums = _part_sums(np.swapaxes(_part_sums(values), 0, 1))
    parts = np.swapaxes(sums, 0, 1)
    area = _repeated(pixels.width) * _repeated(pixels.height)  # in the units of _part_sums
    return ((2 * parts + area) // (2 * area)).astype(np.uint8)


def _repeated(length: int) -> int:
    """The length of a side of which every part has at least a pixel."""
    return length * -(-SIDE // length)


def _part_sums(values: NDArray[Any]) -> NDArray[np.int64]:
    """Sum the first axis over its 32 parts: [n, ...] -> [32, ...], in units of a 32nd of a row."""
    length = len(values)
    if length < SIDE:
        values = np.repeat(values, _repeated(length) // length, axis=0)
        length = len(values)
    borders = np.arange(SIDE + 1) * length
    rows, cuts = borders // SIDE, borders % SIDE  # the border cuts a row after cuts / 32 of it
    whole: NDArray[np.int64] = np.add.reduceat(values, rows[:-1], axis=0, dtype=np.int64) * SIDE
    # A border at the very end cuts nothing.
    cut = values[np.minimum(rows, length - 1)] * cuts.reshape(-1, *[1] * (values.ndim - 1))
    return whole - cut[:-1] + cut[1:]


def create_fingerprints(path: Path, count: int) -> NDArray[np.uint8]:
    """Create a file of `count` fingerprints, all 0, and map it: uint8 [count, 32, 32, 3].

    What is written goes to the file (NumPy's format NPY), so that memory does not grow with it.
    """
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, SIDE, SIDE, 3))


def load_fingerprints(path: Path, count: int) -> NDArray[np.uint8]:
    """Map a file of `create_fingerprints`.

    Raises:
        InputError: it cannot be read, or does not hold `count` fingerprints.
    """
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read ({error}); run the stage fetch again") from None
    if found.shape != (count, SIDE, SIDE, 3) or found.dtype != np.uint8:
        raise InputError(
            f"{path}: {found.dtype} {list(found.shape)} where index.csv asks for uint8 "
            f"{[count, SIDE, SIDE, 3]}; run the stage fetch again"
        )
    return found  # type: ignore[no-any-return]
