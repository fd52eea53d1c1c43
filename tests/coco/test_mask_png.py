"""Mask PNGs against pycocotools' dense masks, read by Pillow and OpenCV."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_masks

from rhymes.coco.mask_png import crop_to_mask_png, polygons_to_mask_png
from rhymes.common.errors import InputError

SQUARE = [2.0, 3.0, 7.0, 3.0, 7.0, 9.0, 2.0, 9.0]


def dense_mask(polygons: list[list[float]], width: int, height: int) -> np.ndarray:
    """As Model Garden's converter draws it."""
    rles = coco_masks.frPyObjects(polygons, height, width)
    return np.amax(coco_masks.decode(rles), axis=2)


def read_png(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        assert (image.format, image.mode) == ("PNG", "L")
        return np.asarray(image)


@pytest.mark.parametrize(
    ("polygons", "width", "height"),
    [
        pytest.param([SQUARE], 20, 10, id="inside"),
        pytest.param([[0, 0, 20, 0, 20, 10, 0, 10]], 20, 10, id="the whole image"),
        pytest.param([[-5, -5, 30, -5, 30, 30, -5, 30]], 20, 10, id="beyond every edge"),
        pytest.param([[15.5, 5.5, 20, 5.5, 20, 10, 15.5, 10]], 20, 10, id="the lower right corner"),
        pytest.param([SQUARE, [12, 1, 18, 1, 18, 4]], 20, 10, id="two parts"),
        pytest.param([SQUARE, SQUARE], 20, 10, id="parts that overlap"),
        pytest.param([[3.1, 3.1, 3.2, 3.1, 3.2, 3.2]], 20, 10, id="smaller than a pixel"),
        pytest.param([[-9, -9, -5, -9, -5, -5]], 20, 10, id="outside, upper left"),
        pytest.param([[25, 12, 30, 12, 30, 20]], 20, 10, id="outside, lower right"),
        pytest.param([[0, 0, 1, 0, 1, 1, 0, 1]], 1, 1, id="an image of one pixel"),
        pytest.param([[9, 300, 4000, 310, 2000, 2900]], 4032, 3024, id="12 megapixels"),
    ],
)
def test_a_mask_is_drawn_as_pycocotools_draws_it(
    polygons: list[list[float]], width: int, height: int
) -> None:
    data = polygons_to_mask_png(polygons, width, height)
    np.testing.assert_array_equal(read_png(data), dense_mask(polygons, width, height))


@st.composite
def drawings(draw: st.DrawFn) -> tuple[list[list[float]], int, int]:
    width, height = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    # Fifths of a pixel are where the rounding of a polygon's points turns.
    fine = st.integers(-30, 330).map(lambda fifths: fifths / 5)
    coordinate = st.one_of(fine, st.floats(-6, 66, allow_subnormal=False))
    ring = st.lists(coordinate, min_size=6, max_size=16).map(
        lambda ring: ring[: len(ring) // 2 * 2]
    )
    return draw(st.lists(ring, min_size=1, max_size=3)), width, height


@given(drawings())
@settings(max_examples=300, deadline=None)
@example(([[0.1, 0.1, 50.3, 0.7, 59.9, 59.9]], 60, 60))
def test_any_polygon_is_drawn_as_pycocotools_draws_it(
    drawing: tuple[list[list[float]], int, int],
) -> None:
    data = polygons_to_mask_png(*drawing)
    expected = dense_mask(*drawing)
    np.testing.assert_array_equal(read_png(data), expected)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(decoded, expected)


def test_a_crop_without_pixels_is_an_empty_image() -> None:
    data = crop_to_mask_png(np.zeros((0, 0), np.uint8), 0, 0, 7, 5)
    np.testing.assert_array_equal(read_png(data), np.zeros((5, 7), np.uint8))


def test_a_small_object_in_a_large_image_is_a_small_file() -> None:
    assert len(polygons_to_mask_png([SQUARE], 4032, 3024)) < 100_000


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        pytest.param([[1, 2, 3, 4]], "ring of 4 numbers", id="two points, or a box"),
        pytest.param([[1, 2, 3, 4, 5, 6, 7]], "ring of 7 numbers", id="half a point"),
        pytest.param([], "no polygon", id="no ring"),
        pytest.param({"size": [9, 9], "counts": "x"}, "run-length", id="run-length encoding"),
    ],
)
def test_what_cannot_be_drawn_is_refused(segmentation: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        polygons_to_mask_png(segmentation, 20, 10)  # type: ignore[arg-type]
