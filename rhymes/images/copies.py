"""Pairs of images that are copies of each other, out of many."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from rhymes.images.copy_distance import CUTOFF, Prepared, prepared_to_distance
from rhymes.images.fingerprint import Fingerprints
from rhymes.images.neighbours import NeighbourSearch

_NEIGHBOURS = 8  # of each image
_MIN_SIMILARITY = 760  # per mille


class Copy(NamedTuple):
    """Two images that are copies of each other.

    Attributes:
        first: place of an image.
        second: place of another one, greater than `first`.
        distance: see rhymes/images/copy_distance.py.
    """

    first: int
    second: int
    distance: int


def find_copies(fingerprints: Fingerprints, cutoff: int = CUTOFF) -> list[Copy]:
    """Find copies among images, of each image at most eight.

    Args:
        fingerprints: uint8 [images, 32, 32, 3], read block by block.
        cutoff: the greatest distance of a pair.

    Returns:
        Pairs, sorted.
    """
    near = NeighbourSearch(fingerprints).find(fingerprints, _NEIGHBOURS, _MIN_SIMILARITY, own=0)

    @lru_cache(maxsize=512)
    def upright(index: int) -> Prepared:
        return Prepared(fingerprints[index])

    copies: dict[tuple[int, int], int] = {}
    compared: set[tuple[int, int]] = set()
    images, places = np.nonzero(near.index >= 0)
    with tqdm(total=len(images), desc="compare", unit=" pairs", disable=None, leave=False) as bar:
        for image, place in zip(images.tolist(), places.tolist(), strict=True):
            bar.update()
            other, turned = int(near.index[image, place]), int(near.turned[image, place])
            pair = (min(image, other), max(image, other))
            if pair in compared:
                continue
            compared.add(pair)
            one = upright(image) if not turned else Prepared(fingerprints[image], turned)
            distance = prepared_to_distance(one, upright(other))
            if distance <= cutoff:
                copies[pair] = distance
    return [Copy(*pair, distance) for pair, distance in sorted(copies.items())]
