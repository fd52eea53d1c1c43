"""COCO's compressed RLE: pycocotools' own is taken, and what it would not survive is not."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco_masks

from rhymes.detections.rle import check_rle


@pytest.mark.parametrize("seed", range(20))
def test_what_pycocotools_writes_is_taken(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 200, 2)
    blocks = rng.random((height, width)) < rng.random()
    pixels = np.asfortranarray(np.repeat(blocks, rng.integers(1, 40), axis=0)[:height], np.uint8)
    counts = coco_masks.encode(pixels)["counts"].decode()
    check_rle(counts, int(width), int(height))
    with pytest.raises(ValueError, match="its runs are not those"):
        check_rle(counts, int(width) + 1, int(height))


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        pytest.param("", "runs are not those", id="nothing"),
        pytest.param("T31", "runs are not those", id="another size"),
        pytest.param("é", "no character", id="beyond ASCII"),
        pytest.param("p", "no character", id="one past the last"),
        pytest.param("/", "no character", id="one before the first"),
        pytest.param("T3o", "breaks off", id="cut"),
        pytest.param("O5", "runs are not those", id="a negative run"),
        pytest.param("0" * 999, "runs are not those", id="runs of nothing"),
    ],
)
def test_what_would_write_past_the_picture_is_an_error(counts: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_rle(counts, 10, 10)


def test_by_hand() -> None:
    check_rle("T3", 10, 10)  # 100 pixels of background: 4 and 3 << 5
    check_rle("0583", 3, 7)  # 0, 5, 8 and, as a difference to the 5, 8
