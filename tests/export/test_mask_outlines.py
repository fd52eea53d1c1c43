"""Masks as run lengths, against pycocotools; hostile ones take no memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as mask_api

from rhymes.export.mask_outlines import coco_to_rings, counts_to_rings


@given(arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_masks_of_pycocotools_come_back(mask: np.ndarray[Any, Any]) -> None:
    encoded = mask_api.encode(np.asfortranarray(mask.astype(np.uint8)))
    size, text = encoded["size"], encoded["counts"].decode()
    rings = coco_to_rings({"size": list(size), "counts": text})
    assert rings is not None
    assert sum(shapely.Polygon(ring).area for ring in rings) == mask.sum()
    if rings:
        flat = [[value for point in ring for value in point] for ring in rings]
        painted = mask_api.decode(mask_api.merge(mask_api.frPyObjects(flat, *size)))
        assert (painted == mask).all()


def test_counts_that_are_not_compressed() -> None:
    rings = coco_to_rings({"size": [2, 3], "counts": [2, 1, 3]})
    assert rings is not None
    assert [set(ring) for ring in rings] == [{(1, 0), (2, 0), (2, 1), (1, 1)}]


def test_long_runs_of_large_masks() -> None:
    mask = np.zeros((3000, 2000), np.uint8)
    mask[100:2900, 100:1900] = 1
    encoded = mask_api.encode(np.asfortranarray(mask))
    rings = coco_to_rings({"size": [3000, 2000], "counts": encoded["counts"].decode()})
    assert rings is not None
    assert [set(ring) for ring in rings] == [{(100, 100), (1900, 100), (1900, 2900), (100, 2900)}]


@pytest.mark.parametrize(
    "mask",
    [
        {}, {"size": [2, 2]}, {"size": [2, 2], "counts": 4}, {"size": [2], "counts": [4]},
        {"size": [2, 2], "counts": [3]}, {"size": [2, 2], "counts": [5]},
        {"size": [2, 2], "counts": [-1, 5]}, {"size": [2, 2], "counts": [4.0]},
        {"size": [0, 2], "counts": []}, {"size": [-2, -2], "counts": [4]},
        {"size": [2.0, 2], "counts": [4]}, {"size": [2, 2], "counts": "!"},
        {"size": [2, 2], "counts": "o" * 99}, {"size": [2, 2], "counts": "é"},
    ],
)  # fmt: skip
def test_what_is_no_mask(mask: dict[str, Any]) -> None:
    assert coco_to_rings(mask) is None


def test_size_that_would_take_all_memory_is_refused() -> None:
    assert counts_to_rings([10**12], 10**6, 10**6) is None
    assert counts_to_rings([10**9, 0], 10**5, 10**4) is None
