"""Crops, RLE and polygons against dense masks, pycocotools and Model Garden's own paste."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco_masks

from rhymes.common.errors import InputError
from rhymes.detections.masks import (
    MaskCrop,
    check_rle,
    crop_to_dense,
    crop_to_polygons,
    crop_to_rle,
    polygons_to_crop,
    probabilities_to_crop,
    rle_to_crop,
)


def disc_probabilities(cells: int = 28) -> np.ndarray:
    """A disc that touches its box, as a detector would give it: a soft edge two cells wide."""
    centres = (np.arange(cells) + 0.5) / cells - 0.5
    distance = np.hypot(*np.meshgrid(centres, centres))
    return (1 / (1 + np.exp((distance - 0.4) * cells * 2))).astype(np.float32)


def true_disc(box: tuple[float, ...], width: int, height: int) -> np.ndarray:
    """The pixels whose centre lies in the disc (an ellipse in a longish box)."""
    xmin, ymin, xmax, ymax = box
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    across = (x - (xmin + xmax) / 2) / (xmax - xmin)
    down = (y - (ymin + ymax) / 2) / (ymax - ymin)
    return across**2 + down**2 < 0.4**2


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return (one & other).sum() / (one | other).sum()


def centre(mask: np.ndarray) -> np.ndarray:
    """Mean x and y of the mask's pixels, at their centres."""
    rows, columns = np.nonzero(mask)
    return np.array([columns.mean(), rows.mean()]) + 0.5


def crop_of(rows: list[str], x: int = 0, y: int = 0) -> MaskCrop:
    """A crop from a drawing: '#' is the object."""
    return MaskCrop(x, y, np.array([[pixel == "#" for pixel in row] for row in rows]))


def ring_area(ring: np.ndarray) -> float:
    x, y = ring.astype(float).T
    return 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))


class TestProbabilitiesToCrop:
    @pytest.mark.parametrize("fraction", [0.0, 0.25, 0.5, 0.75])
    @pytest.mark.parametrize(
        ("across", "down"),
        [
            pytest.param(20, 20, id="smaller than the grid"),
            pytest.param(28, 28, id="as large as the grid"),
            pytest.param(103, 57, id="longish"),
            pytest.param(300, 300, id="ten times the grid"),
        ],
    )
    def test_disc_is_where_it_should_be(self, across: int, down: int, fraction: float) -> None:
        box = (11 + fraction, 7 + fraction, 11 + fraction + across, 7 + fraction + down)
        pasted = crop_to_dense(probabilities_to_crop(disc_probabilities(), box, 340, 320), 340, 320)
        ground_truth = true_disc(box, 340, 320)
        assert iou(pasted, ground_truth) > 0.95
        assert np.abs(centre(pasted) - centre(ground_truth)).max() < 0.15

    def test_no_shift_on_the_average(self) -> None:
        shifts = []
        for fraction in np.linspace(0, 1, 21):
            box = (5 + fraction, 5 + fraction, 45 + fraction, 45 + fraction)
            crop = probabilities_to_crop(disc_probabilities(), box, 60, 60)
            shifts.append(centre(crop_to_dense(crop, 60, 60)) - (25 + fraction))
        assert np.abs(np.mean(shifts, axis=0)).max() < 0.02

    @pytest.mark.parametrize(
        ("box", "x", "y", "shape"),
        [
            pytest.param((2, 3, 6, 8), 2, 3, (5, 4), id="whole pixels"),
            pytest.param((2.4, 3.4, 6.4, 8.4), 2, 3, (5, 4), id="rounded down"),
            pytest.param((2.6, 3.6, 6.6, 8.6), 3, 4, (5, 4), id="rounded up"),
            pytest.param((-3, -2, 4, 5), 0, 0, (5, 4), id="leaves at the top left"),
            pytest.param((16, 7, 25, 14), 16, 7, (3, 4), id="leaves at the bottom right"),
            pytest.param((-5, -5, 30, 30), 0, 0, (10, 20), id="larger than the image"),
        ],
    )
    def test_certain_mask_fills_the_pixels_with_their_centre_in_the_box(
        self, box: tuple[float, ...], x: int, y: int, shape: tuple[int, int]
    ) -> None:
        crop = probabilities_to_crop(np.ones((28, 28), np.float32), box, 20, 10)
        assert (crop.x, crop.y, crop.pixels.shape) == (x, y, shape)
        assert crop.pixels.all()

    @pytest.mark.parametrize(
        "box",
        [
            pytest.param((4.1, 2, 4.4, 6), id="between two centres"),
            pytest.param((25, 2, 30, 6), id="right of the image"),
            pytest.param((-9, -9, -3, -3), id="above the image"),
            pytest.param((3, 3, 3, 3), id="a point"),
        ],
    )
    def test_box_without_pixels_gives_an_empty_mask(self, box: tuple[float, ...]) -> None:
        crop = probabilities_to_crop(np.ones((28, 28), np.float32), box, 20, 10)
        assert crop.area == 0
        assert not crop_to_dense(crop, 20, 10).any()
        assert crop_to_polygons(crop) == []
        assert coco_masks.area(crop_to_rle(crop, 20, 10)) == 0

    def test_clipping_cuts_but_does_not_stretch(self) -> None:
        probabilities = disc_probabilities()
        whole = crop_to_dense(
            probabilities_to_crop(probabilities, (10, 10, 50, 40), 60, 60), 60, 60
        )
        cut = crop_to_dense(probabilities_to_crop(probabilities, (-10, -5, 30, 25), 60, 60), 60, 60)
        np.testing.assert_array_equal(cut[:30, :30], whole[15:45, 20:50])

    def test_grid_need_not_be_square(self) -> None:
        probabilities = np.zeros((2, 4), np.float32)
        probabilities[:, 3] = 1
        crop = probabilities_to_crop(probabilities, (0, 0, 40, 10), 40, 10)
        assert crop.pixels[:, 30:].all()
        assert not crop.pixels[:, :30].any()

    def test_interpolates_exactly(self) -> None:
        # Rising by 1/2 a cell from 0.25: 0.5 is reached in the middle between the two centres,
        # 300 pixels from the left. OpenCV before 5 rounded positions to 1/32 of a cell.
        for offset in np.arange(0, 3, 0.25):
            crop = probabilities_to_crop(
                np.array([[0.25, 0.75]], np.float32), (offset, 0, offset + 600, 1), 700, 1
            )
            first = crop.x + int(np.argmax(crop.pixels[0]))
            assert first - 0.5 <= offset + 300 <= first + 0.5

    @pytest.mark.tf
    @pytest.mark.parametrize("box", [(10, 12, 90, 70), (10.3, 12.8, 51.9, 60.2), (-20, 5, 60, 45)])
    def test_agrees_with_model_garden(self, box: tuple[float, ...]) -> None:
        from official.vision.ops import mask_ops

        xywh = np.array([[box[0], box[1], box[2] - box[0], box[3] - box[1]]], np.float32)
        theirs = mask_ops.paste_instance_masks_v2(disc_probabilities()[None], xywh, 80, 100)[0] > 0
        ours = crop_to_dense(probabilities_to_crop(disc_probabilities(), box, 100, 80), 100, 80)
        assert iou(ours, theirs) > 0.98
        assert np.abs(centre(ours) - centre(theirs)).max() < 0.05


class TestRle:
    @pytest.mark.parametrize(
        ("crop", "width", "height"),
        [
            pytest.param(crop_of(["#"], 3, 2), 8, 5, id="one pixel"),
            pytest.param(crop_of([".."], 3, 2), 8, 5, id="no pixel"),
            pytest.param(crop_of(["##", "##"]), 2, 2, id="the whole image"),
            pytest.param(crop_of(["#.#", "###", ".#."], 1, 0), 5, 3, id="runs over columns"),
            pytest.param(crop_of(["##", "##"], 3, 3), 5, 5, id="the last pixel"),
            pytest.param(crop_of(["##", ".."], 0, 0), 5, 5, id="the first pixel"),
            pytest.param(crop_of(["#.#.#"] * 2, 0, 1), 5, 4, id="stripes"),
        ],
    )
    def test_equals_pycocotools(self, crop: MaskCrop, width: int, height: int) -> None:
        dense = np.asfortranarray(crop_to_dense(crop, width, height).view(np.uint8))
        expected = coco_masks.encode(dense)
        assert crop_to_rle(crop, width, height) == {
            "size": expected["size"],
            "counts": expected["counts"].decode(),
        }

    @given(
        arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=9)),
        st.tuples(*[st.integers(0, 3)] * 4),
    )
    @settings(max_examples=150, deadline=None)
    def test_equals_pycocotools_for_any_crop(
        self, pixels: np.ndarray, margins: tuple[int, int, int, int]
    ) -> None:
        left, above, right, below = margins
        crop = MaskCrop(left, above, pixels)
        width, height = left + pixels.shape[1] + right, above + pixels.shape[0] + below
        self.test_equals_pycocotools(crop, width, height)

    def test_needs_no_memory_for_the_whole_image(self) -> None:
        crop = MaskCrop(3000, 2000, np.ones((100, 100), np.bool_))
        tracemalloc.start()
        crop_to_rle(crop, 4000, 3000)
        crop_to_polygons(crop)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 500_000


class TestPolygons:
    def test_rectangle_keeps_its_area(self) -> None:
        (ring,) = crop_to_polygons(MaskCrop(5, 7, np.ones((20, 30), np.bool_)))
        assert ring_area(ring) == pytest.approx(600, rel=0.01)
        assert ring.min(axis=0) == pytest.approx([5, 7], abs=0.5)
        assert ring.max(axis=0) == pytest.approx([35, 27], abs=0.5)
        assert len(ring) <= 8

    @pytest.mark.parametrize("radius", [2, 3, 5, 10, 40, 150])
    def test_disc_drawn_again_is_the_disc(self, radius: int) -> None:
        size = 2 * radius + 6
        box = (3, 3, 3 + 2.5 * radius, 3 + 2.5 * radius)
        disc = true_disc(box, 2 * size, 2 * size)
        rings = crop_to_polygons(MaskCrop(0, 0, disc))
        polygons = [ring.ravel().tolist() for ring in rings]
        again = crop_to_dense(polygons_to_crop(polygons, 2 * size, 2 * size), 2 * size, 2 * size)
        assert iou(disc, again) > 0.97

    @pytest.mark.parametrize(("radius", "points"), [(10, 32), (100, 40), (400, 80)])
    def test_few_points_whatever_the_size(self, radius: int, points: int) -> None:
        box = (3, 3, 3 + 2.5 * radius, 3 + 2.5 * radius)
        (ring,) = crop_to_polygons(MaskCrop(0, 0, true_disc(box, 3 * radius, 3 * radius)))
        assert len(ring) <= points

    def test_parts_are_rings_largest_first(self) -> None:
        crop = crop_of(["#..##", "...##", "#...."], x=10, y=20)
        rings = crop_to_polygons(crop, tolerance=0)
        assert [ring_area(ring) for ring in rings] == [3.5, 0.5, 0.5]
        assert rings[0].min(axis=0).tolist() == [13, 20]
        assert rings[0].max(axis=0).tolist() == [15, 22]

    def test_pixels_that_touch_at_a_corner_are_one_part(self) -> None:
        assert len(crop_to_polygons(crop_of(["#.", ".#"]))) == 1

    def test_holes_are_filled(self) -> None:
        crop = crop_of(["#####", "#...#", "#...#", "#####"])
        (ring,) = crop_to_polygons(crop, tolerance=0)
        assert ring_area(ring) == 20 - 0.5

    @pytest.mark.parametrize(
        "rows", [["#"], ["##"], ["#", "#", "#"], ["##########"], ["#.", ".#"]], ids="".join
    )
    def test_thin_objects_keep_an_area(self, rows: list[str]) -> None:
        (ring,) = crop_to_polygons(crop_of(rows))
        assert ring_area(ring) > 0

    @given(st.integers(0, 10_000))
    @settings(max_examples=100, deadline=None)
    def test_outline_of_any_shape_lies_on_its_pixels_sides(self, seed: int) -> None:
        noise = np.random.default_rng(seed).random((12, 15)).astype(np.float32)
        pixels = cv2.GaussianBlur(noise, (0, 0), 1.0) > 0.5
        rings = crop_to_polygons(MaskCrop(0, 0, pixels), tolerance=0)
        filled = np.zeros(pixels.shape, np.uint8)
        chains = cv2.findContours(pixels.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(filled, chains[0], -1, 1, cv2.FILLED)
        # Each convex corner is cut by an eighth of a pixel, each concave one filled by as much,
        # and a closed outline has four more of the former.
        assert sum(map(ring_area, rings)) == pytest.approx(filled.sum() - 0.5 * len(rings))


class TestPolygonsToCrop:
    @pytest.mark.parametrize(
        "polygons",
        [
            pytest.param([[2, 1, 9, 1, 9, 6, 2, 6]], id="rectangle"),
            pytest.param([[2.5, 1.25, 9.75, 3.5, 4.125, 6.75]], id="triangle"),
            pytest.param([[0, 0, 4, 0, 4, 4], [10, 5, 20, 5, 20, 12, 10, 12]], id="two parts"),
            pytest.param([[-3, -3, 8, -3, 8, 8]], id="leaves the image"),
            pytest.param([[15, 8, 40, 8, 40, 30, 15, 30]], id="leaves it at the other end"),
        ],
    )
    def test_equals_pycocotools_on_the_whole_image(self, polygons: list[list[float]]) -> None:
        expected = coco_masks.decode(coco_masks.merge(coco_masks.frPyObjects(polygons, 13, 21)))
        crop = polygons_to_crop(polygons, 21, 13)
        np.testing.assert_array_equal(crop_to_dense(crop, 21, 13), expected.astype(bool))

    def test_outside_the_image_is_an_error(self) -> None:
        with pytest.raises(InputError, match="outside its image of 21 x 13"):
            polygons_to_crop([[30, 1, 40, 1, 40, 9]], 21, 13)


@pytest.mark.parametrize(
    ("x", "pixels", "message"),
    [
        pytest.param(
            0, np.zeros((2, 2)), r"bool \[height, width\], got float64 \[2, 2\]", id="dtype"
        ),
        pytest.param(0, np.zeros(4, bool), r"got bool \[4\]", id="dimensions"),
        pytest.param(-1, np.zeros((2, 2), bool), "got -1, 0", id="negative offset"),
    ],
)
def test_crop_checks_itself(x: int, pixels: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MaskCrop(x, 0, pixels)


@pytest.mark.parametrize("seed", range(20))
def test_rle_is_read_as_it_was_written(seed: int) -> None:
    random = np.random.default_rng(seed)
    pixels = random.random((random.integers(1, 30), random.integers(1, 40))) < random.random()
    crop = MaskCrop(int(random.integers(0, 20)), int(random.integers(0, 20)), pixels)
    read = rle_to_crop(crop_to_rle(crop, 64, 50))
    expected = crop_to_dense(crop, 64, 50)
    np.testing.assert_array_equal(crop_to_dense(read, 64, 50), expected)
    assert read.pixels.size <= crop.pixels.size, "no larger than it need be"


@pytest.mark.parametrize(
    "rle",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"size": [4, 4]}, id="no counts"),
        pytest.param({"size": "4x4", "counts": "04"}, id="no size"),
        pytest.param({"size": [4, 4], "counts": [1, 2]}, id="uncompressed"),
        pytest.param({"size": [4, 4], "counts": "0T3"}, id="more runs than pixels"),
    ],
)
def test_what_is_no_rle_is_an_error(rle: dict[str, object]) -> None:
    with pytest.raises(InputError, match="not COCO's compressed RLE"):
        rle_to_crop(rle)


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
def test_what_would_write_past_the_image_is_an_error(counts: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_rle(counts, 10, 10)


def test_by_hand() -> None:
    check_rle("T3", 10, 10)  # 100 pixels of background: 4 and 3 << 5
    check_rle("0583", 3, 7)  # 0, 5, 8 and, as a difference to the 5, 8
