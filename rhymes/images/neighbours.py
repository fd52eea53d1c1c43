"""Which images may be copies of each other: pairs that are worth comparing, out of all.

An image is described by the luma of 8 x 8 places, less its mean and divided by its norm, in whole
numbers. Copies have a scalar product near that of an image with itself, also when they are cut by
some percent, if one of them is cut in the same way first: seven windows of it are looked up, each
in eight turns.

All pairs of 100,000 images would take an hour. So every image belongs to the most similar one of
some hundred others, its cell, and is looked up in the few cells that are most similar to it (an
inverted file index; Jegou, Douze, Schmid: Product Quantization for Nearest Neighbor Search, PAMI
2011). Products are of whole numbers, exact in float32, so every machine finds the same pairs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from rhymes.images.copy_distance import TURNS, Window, resample, turn
from rhymes.images.fingerprint import Fingerprints

_PLACES = 8
_NORM = 1024  # its square is exact in float32
# The whole image; cut by a 16th and an 8th of its sides, from all of them alike or from two.
_WINDOWS: tuple[Window, ...] = (
    (0, 128, 0, 128), (4, 124, 4, 124), (8, 120, 8, 120),
    (0, 120, 0, 120), (0, 120, 8, 128), (8, 128, 0, 120), (8, 128, 8, 128),
)  # fmt: skip
_EXACT = 4096  # up to so many images all pairs are looked at
_PROBED = 3  # cells
_BLOCK = 1024  # images described, and looked up, at once
_ROWS = 4096  # of a matrix of products

Floats = NDArray[Any]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The images most similar to each of some images.

    Attributes:
        index: int64 [images, k], which ones, the most similar first; -1 where there are fewer.
        turned: int64 [images, k], how the image is to be turned to fit, see `turn`.
        similarity: int64 [images, k], per mille: 1,000 for the same image.
    """

    index: Ints
    turned: Ints
    similarity: Ints


class NeighbourSearch:
    """Images in which others are looked up."""

    def __init__(self, fingerprints: Fingerprints) -> None:
        """Describe fingerprints, uint8 [images, 32, 32, 3]."""
        count = len(fingerprints)
        self._descriptors = np.empty((count, _PLACES**2), dtype=np.int16)
        for block in _blocks(count, _BLOCK):
            self._descriptors[block] = _descriptors(_luma(fingerprints[block]), _WINDOWS[0])
        cells = min(count, 1) if count <= _EXACT else 4 * math.isqrt(count)
        self._seeds = self._descriptors[np.arange(cells) * count // max(cells, 1)].astype(
            np.float32
        )
        of_image = np.empty(count, dtype=np.int64)
        for block in _blocks(count, _ROWS):
            products = self._descriptors[block].astype(np.float32) @ self._seeds.T
            of_image[block] = products.argmax(axis=1)
        order = np.argsort(of_image, kind="stable")
        ends = np.cumsum(np.bincount(of_image, minlength=cells))
        self._cells = np.split(order, ends[:-1]) if count else []

    def find(
        self, fingerprints: Fingerprints, k: int, min_similarity: int, own: int | None = None
    ) -> Neighbours:
        """Look up images.

        Args:
            fingerprints: uint8 [images, 32, 32, 3].
            k: how many neighbours each gets at most.
            min_similarity: per mille.
            own: the place of the first of them among the images of this search, in which they all
                follow each other; an image is no neighbour of itself. None: they are others.
        """
        least = min_similarity * _NORM**2 // 1000
        found = [(np.empty((0, k), dtype=np.int64),) * 3]
        blocks = list(_blocks(len(fingerprints) if len(self._descriptors) else 0, _BLOCK))
        for block in tqdm(blocks, desc="look up", unit=" blocks", disable=None, leave=False):
            start = None if own is None else own + block.start
            found.append(self._find_block(fingerprints[block], k, least, start))
        return Neighbours(*map(np.concatenate, zip(*found, strict=True)))

    def _find_block(
        self, fingerprints: NDArray[np.uint8], k: int, least: int, own: int | None
    ) -> tuple[Ints, Ints, Ints]:
        luma = _luma(fingerprints)
        queries = np.stack([_descriptors(luma, window) for window in _WINDOWS], axis=1)
        grids = np.moveaxis(queries.reshape(-1, len(_WINDOWS), _PLACES, _PLACES), (2, 3), (0, 1))
        turned = [np.moveaxis(turn(grids, number), (0, 1), (2, 3)) for number in range(TURNS)]
        queries = np.stack(turned, axis=1).reshape(-1, _PLACES**2)
        keys = [np.empty(0, dtype=np.int64)] * 3
        for hits in self._hits(queries, k, least):
            image = hits[0] // (len(_WINDOWS) * TURNS)
            kept = hits[1] != image + own if own is not None else np.ones(len(image), bool)
            new = (image, hits[1], hits[2] * TURNS + hits[0] // len(_WINDOWS) % TURNS)
            keys = _best([np.concatenate([a, b[kept]]) for a, b in zip(keys, new, strict=True)], k)
        return _to_rows(keys, len(fingerprints), k)

    def _hits(self, queries: Floats, k: int, least: int) -> Iterator[tuple[Ints, Ints, Ints]]:
        """Yield, cell by cell: number of a query, number of an image, their product."""
        probed = self._probe(queries)
        order = np.argsort(probed.ravel(), kind="stable")
        starts = np.searchsorted(probed.ravel()[order], np.arange(len(self._cells) + 1))
        for cell, members in enumerate(self._cells):
            asked = order[starts[cell] : starts[cell + 1]] // probed.shape[1]
            vectors = self._descriptors[members].astype(np.float32)
            for block in _blocks(len(asked), _ROWS):
                products = queries[asked[block]] @ vectors.T
                row, column = np.nonzero(products >= least)
                product = products[row, column].astype(np.int64)
                # Of many that are equally similar, as a fixed camera makes them, the first ones.
                ranked = np.lexsort((members[column], -product, row))
                row, column, product = row[ranked], column[ranked], product[ranked]
                kept = _rank_in_run(row) <= k
                yield asked[block][row[kept]], members[column[kept]], product[kept]

    def _probe(self, queries: Floats) -> Ints:
        """Return the cells in which each query is looked up: [queries, probed]."""
        count = min(_PROBED, len(self._cells))
        probed = np.empty((len(queries), count), dtype=np.int64)
        for block in _blocks(len(queries), _ROWS):
            products = (queries[block] @ self._seeds.T).astype(np.int64)
            # Distinct numbers, so that no sorting algorithm chooses among equal ones.
            ranks = products * len(self._cells) - np.arange(len(self._cells))
            probed[block] = np.argpartition(-ranks, count - 1, axis=1)[:, :count]
        return np.sort(probed, axis=1)


def _luma(fingerprints: NDArray[np.uint8]) -> Floats:
    """Return float64 [images, 32, 32], whole numbers."""
    values = np.asarray(fingerprints, dtype=np.float64)
    luma: Floats = values[..., 0] + 2 * values[..., 1] + values[..., 2]
    return luma


def _descriptors(luma: Floats, window: Window) -> Floats:
    """Return float32 [images, 64] of norm 1,024, whole numbers; 0 where there is no contrast."""
    fine = resample(luma, window)
    step = fine.shape[1] // _PLACES
    means = fine.reshape(-1, _PLACES, step, _PLACES, step).sum(axis=(2, 4)).reshape(len(luma), -1)
    centred = means * _PLACES**2 - means.sum(axis=1, keepdims=True)
    norms = np.sqrt((centred * centred).sum(axis=1, keepdims=True))
    descriptors: Floats = np.rint(centred * _NORM / np.maximum(norms, 1)).astype(np.float32)
    return descriptors


def _best(keys: list[Ints], k: int) -> list[Ints]:
    """Keep of each pair (image, neighbour) the best product, of each image k neighbours."""
    image, neighbour, key = keys
    order = np.lexsort((-key, neighbour, image))
    image, neighbour, key = image[order], neighbour[order], key[order]
    first = np.ones(len(image), dtype=bool)
    first[1:] = (image[1:] != image[:-1]) | (neighbour[1:] != neighbour[:-1])
    image, neighbour, key = image[first], neighbour[first], key[first]
    order = np.lexsort((neighbour, -key, image))
    order = order[_rank_in_run(image[order]) <= k]
    return [image[order], neighbour[order], key[order]]


def _rank_in_run(values: Ints) -> Ints:
    """Count, from 1, the places of equal values that follow each other."""
    starts = np.flatnonzero(np.diff(values, prepend=-1))
    lengths = np.diff(starts, append=len(values))
    return np.arange(len(values)) - np.repeat(starts, lengths) + 1


def _to_rows(keys: list[Ints], count: int, k: int) -> tuple[Ints, Ints, Ints]:
    image, neighbour, key = keys
    rank = _rank_in_run(image) - 1
    index = np.full((count, k), -1, dtype=np.int64)
    turned, similarity = np.zeros_like(index), np.zeros_like(index)
    index[image, rank] = neighbour
    turned[image, rank] = key % TURNS
    similarity[image, rank] = key // TURNS * 1000 // _NORM**2
    return index, turned, similarity


def _blocks(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
