from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from rhymes.images import neighbours
from rhymes.images.copies import Copy, find_copies
from rhymes.images.copy_distance import CUTOFF, FAR, fingerprints_to_distance
from rhymes.images.fingerprint import image_to_fingerprint
from rhymes.images.neighbours import NeighbourSearch
from tests.support.scenes import cut, encoded, scene


def fingerprints(images: Sequence[Image.Image]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.stack([image_to_fingerprint(image) for image in images])


def originals_and_copies(count: int) -> list[Image.Image]:
    originals = [scene(seed) for seed in range(count)]
    mirrored = [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in originals]
    return originals + [encoded(cut(image, 0.03, 0.02, 0.02, 0.03)) for image in mirrored]


def test_finds_each_copy_and_nothing_else() -> None:
    found = find_copies(fingerprints(originals_and_copies(20)))
    pairs = {(copy.first, copy.second) for copy in found}
    assert pairs <= {(n, n + 20) for n in range(20)}
    assert len(pairs) >= 19  # a disc of which the edge cuts a part may hide a copy
    assert all(0 <= copy.distance <= CUTOFF for copy in found)


def test_cells_find_what_all_pairs_find(monkeypatch: pytest.MonkeyPatch) -> None:
    prints = fingerprints(originals_and_copies(60))
    all_pairs = find_copies(prints)
    monkeypatch.setattr(neighbours, "_EXACT", 10)
    monkeypatch.setattr(neighbours, "_BLOCK", 7)
    monkeypatch.setattr(neighbours, "_ROWS", 11)
    assert len(all_pairs) >= 57
    assert set(find_copies(prints)) == set(all_pairs)


def test_the_same_images_many_times_and_none() -> None:
    prints = fingerprints([scene(1)] * 30)
    found = find_copies(prints)
    assert {copy.distance for copy in found} == {0}
    assert {index for copy in found for index in (copy.first, copy.second)} == set(range(30))
    assert find_copies(prints[:0]) == []
    assert find_copies(np.zeros((3, 32, 32, 3), np.uint8)) == []


def test_fixed_camera_is_not_joined() -> None:
    images = [scene(seed, 6, background=7) for seed in range(40)]
    assert find_copies(fingerprints(images)) == []


def test_other_images_are_looked_up_with_the_turn_that_fits() -> None:
    images = [scene(seed) for seed in range(10)]
    search = NeighbourSearch(fingerprints(images))
    asked = [images[n].transpose(Image.Transpose.ROTATE_180) for n in (3, 8)]
    near = search.find(fingerprints(asked), 2, 0)
    assert near.index[:, 0].tolist() == [3, 8]
    assert near.turned[:, 0].tolist() == [3, 3]
    assert (near.similarity[:, 0] >= 999).all()
    assert near.index.shape == (2, 2)


def test_distance_of_a_pair_is_that_of_its_fingerprints() -> None:
    prints = fingerprints(originals_and_copies(6))
    for copy in find_copies(prints):
        first, second = prints[copy.first], prints[copy.second]
        assert fingerprints_to_distance(first, second) <= CUTOFF < FAR
        assert isinstance(copy, Copy)
