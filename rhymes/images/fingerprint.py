"""A small picture of an image, by which its copies are found: the same bytes on every machine.

Each value is the mean of a channel over one of 32 x 32 equal parts of the image, whatever its size:
parts share the pixels that their borders cut. All arithmetic is on integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rhymes.common.errors import InputError

SIDE = 32
"""Parts along each side."""

_BYTES = SIDE * SIDE * 3

Fingerprint = NDArray[np.uint8]


class Fingerprints(Protocol):
    """Fingerprints of many images, an array or a file."""

    def __len__(self) -> int: ...
    def __getitem__(self, key: Any, /) -> Fingerprint: ...


class FingerprintFile:
    """Fingerprints in a file of `create_fingerprints`, read when they are asked for."""

    def __init__(self, path: Path, count: int, rows: Sequence[int] | None = None) -> None:
        """Open a file.

        Args:
            path: of the file.
            count: fingerprints that it must hold.
            rows: which of them are wanted, in order; None for all.

        Raises:
            InputError: it cannot be read, or holds others.
        """
        try:
            found = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(
                f"{path}: cannot be read ({error}); run the stage fetch again"
            ) from None
        if found.shape != (count, SIDE, SIDE, 3) or found.dtype != np.uint8:
            raise InputError(
                f"{path}: {found.dtype} {list(found.shape)} where index.csv asks for uint8 "
                f"{[count, SIDE, SIDE, 3]}; run the stage fetch again"
            )
        self._start = int(found.offset)
        # Read, not mapped: pages of a map count as this process's memory.
        self._file = path.open("rb")
        self._rows = range(count) if rows is None else rows

    def __len__(self) -> int:
        """Return how many fingerprints are wanted."""
        return len(self._rows)

    def __getitem__(self, key: Any, /) -> Fingerprint:
        """Read one, uint8 [32, 32, 3], or several of a slice."""
        if not isinstance(key, slice):
            return self._read(self._rows[key])
        wanted = self._rows[key]
        values = np.empty((len(wanted), SIDE, SIDE, 3), dtype=np.uint8)
        for place, row in enumerate(wanted):
            values[place] = self._read(row)
        return values

    def _read(self, row: int) -> Fingerprint:
        self._file.seek(self._start + row * _BYTES)
        data = np.frombuffer(self._file.read(_BYTES), dtype=np.uint8)
        return data.reshape(SIDE, SIDE, 3)


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
