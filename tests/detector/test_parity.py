"""Detections of two sides paired and compared, in made-up cases."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from rhymes.common.errors import InputError
from rhymes.detections.detections import Detections
from rhymes.detections.masks import MaskCrop
from rhymes.detector.parity import (
    ImageOutputs,
    Parity,
    compare_outputs,
    detections_to_image_outputs,
    difference_to_bound,
    outputs_to_image_outputs,
)

TOLERANCE = 1e-3


def make(
    *objects: tuple[float, float, float], max_detections: int = 10, masks: Any = None
) -> ImageOutputs:
    """Detections, each (class, score, ymin of a box of 0.2 x 0.2)."""
    boxes = np.array([[y, 0.1, y + 0.2, 0.3] for _, _, y in objects], np.float32).reshape(-1, 4)
    return ImageOutputs(
        boxes,
        np.array([score for _, score, _ in objects], np.float32),
        np.array([class_id for class_id, _, _ in objects], np.float32),
        masks,
        max_detections,
    )


A, B, C = (1, 0.9, 0.1), (2, 0.8, 0.5), (1, 0.7, 0.6)


def test_the_same_is_the_same() -> None:
    parity = compare_outputs(make(A, B), make(A, B), TOLERANCE)
    assert (parity.images, parity.detections, parity.moved, parity.borderline) == (1, 2, 0, 0)
    assert set(parity.differences.values()) == {0.0}
    assert parity.worst() is None


def test_nothing_on_both_sides_is_the_same() -> None:
    assert compare_outputs(make(), make(), TOLERANCE).worst() is None


def test_measures_the_largest_difference_of_each_output() -> None:
    parity = compare_outputs(make(A, B), make(A, (2, 0.8004, 0.5002)), TOLERANCE)
    assert parity.differences["detection_scores"] == pytest.approx(4e-4, rel=1e-3)
    assert parity.differences["detection_boxes"] == pytest.approx(2e-4, rel=1e-3)
    assert parity.worst() is None


@pytest.mark.parametrize(
    ("found", "output"),
    [
        pytest.param([A, (2, 0.8, 0.52)], "detection_boxes", id="box"),
        pytest.param([A, (2, 0.75, 0.5)], "detection_scores", id="score"),
        pytest.param([A, (3, 0.8, 0.5)], "detection_classes", id="class"),
        pytest.param([A], "num_detections", id="one less"),
        pytest.param([A, B, C], "num_detections", id="one more"),
        pytest.param([], "num_detections", id="none"),
        pytest.param([A, (2, math.nan, 0.5)], "detection_scores", id="NaN"),
    ],
)
def test_names_what_differs(found: list[tuple[float, float, float]], output: str) -> None:
    worst = compare_outputs(make(A, B), make(*found), TOLERANCE).worst()
    assert worst is not None
    assert worst[0] == output


def test_nearly_equal_scores_may_swap() -> None:
    one, two = (1, 0.8, 0.1), (1, 0.8001, 0.5)
    parity = compare_outputs(make(one, two, C), make(two, one, C), TOLERANCE)
    assert parity.worst() is None
    assert parity.moved == 2


def test_equal_detections_have_not_moved() -> None:
    assert compare_outputs(make(A, A, A), make(A, A, A), TOLERANCE).moved == 0


def test_one_detection_is_not_the_partner_of_two() -> None:
    assert compare_outputs(make(A, A), make(A, B), TOLERANCE).worst() is not None


class TestTheEdge:
    def test_by_the_threshold(self) -> None:
        expected = make(A, (1, 0.0502, 0.5))
        parity = compare_outputs(expected, make(A), TOLERANCE, threshold=0.05)
        assert parity.borderline == 1
        assert parity.worst() is None
        assert compare_outputs(expected, make(A), TOLERANCE, threshold=0.03).worst() is not None

    def test_when_the_other_side_is_full(self) -> None:
        one, two = (
            make(A, (1, 0.3001, 0.5), max_detections=2),
            make(A, (2, 0.3002, 0.6), max_detections=2),
        )
        parity = compare_outputs(one, two, TOLERANCE, threshold=0.05)
        assert parity.borderline == 2
        assert parity.worst() is None

    def test_a_sure_detection_is_never_on_it(self) -> None:
        parity = compare_outputs(make(A), make(), TOLERANCE, threshold=0.05)
        assert parity.worst() == ("num_detections", 1.0)


class TestMasks:
    def test_probabilities(self) -> None:
        masks = np.zeros((2, 28, 28), np.float32)
        other = masks.copy()
        other[1, 3, 4] = 0.25
        parity = compare_outputs(make(A, B, masks=masks), make(A, B, masks=other), TOLERANCE)
        assert parity.worst() == ("detection_masks", 0.25)

    def test_follow_their_detections(self) -> None:
        one, two = (1, 0.8, 0.1), (1, 0.8001, 0.5)
        masks = np.stack([np.zeros((2, 2)), np.ones((2, 2))])
        parity = compare_outputs(
            make(one, two, masks=masks), make(two, one, masks=masks[::-1]), TOLERANCE
        )
        assert parity.differences["detection_masks"] == 0

    def test_crops_by_their_place_in_the_image(self) -> None:
        whole = MaskCrop(10, 20, np.ones((4, 5), np.bool_))
        padded = np.zeros((6, 8), np.bool_)
        padded[1:5, 2:7] = True
        same = MaskCrop(8, 19, padded)
        less = MaskCrop(10, 20, np.ones((3, 5), np.bool_))
        assert (
            compare_outputs(make(A, masks=(whole,)), make(A, masks=(same,)), TOLERANCE).worst()
            is None
        )
        parity = compare_outputs(make(A, masks=(whole,)), make(A, masks=(less,)), TOLERANCE)
        assert parity.worst() == ("detection_masks", pytest.approx(5 / 20))

    def test_empty_crops_are_the_same(self) -> None:
        empty = MaskCrop(0, 0, np.zeros((0, 3), np.bool_))
        assert compare_outputs(make(A, masks=(empty,)), make(A, masks=(empty,)), 0).worst() is None

    def test_on_one_side_only(self) -> None:
        masks = np.zeros((1, 28, 28), np.float32)
        worst = compare_outputs(make(A, masks=masks), make(A), TOLERANCE).worst()
        assert worst == ("detection_masks", math.inf)


def test_parities_add_up() -> None:
    whole = Parity(TOLERANCE)
    whole.add(compare_outputs(make(A, B), make(A, B), TOLERANCE))
    whole.add(compare_outputs(make(A), make((1, 0.9004, 0.1)), TOLERANCE))
    whole.add(compare_outputs(make(A), make(A), TOLERANCE))
    assert (whole.images, whole.detections) == (3, 4)
    assert whole.differences["detection_scores"] == pytest.approx(4e-4, rel=1e-3)


class TestOutputs:
    def test_padding_is_left_out(self) -> None:
        outputs = {
            "detection_boxes": np.full((1, 4, 4), np.nan, np.float32),
            "detection_scores": np.full((1, 4), np.nan, np.float32),
            "detection_classes": np.full((1, 4), np.nan, np.float32),
            "num_detections": np.zeros(1, np.float32),
        }
        found = outputs_to_image_outputs(outputs)
        assert (len(found.scores), found.max_detections, found.masks) == (0, 4, None)
        assert compare_outputs(found, found, 0).worst() is None

    @pytest.mark.parametrize(
        ("outputs", "message"),
        [
            pytest.param({"num_detections": np.zeros(1)}, "no detection_boxes", id="missing"),
            pytest.param(
                dict.fromkeys(
                    ("detection_boxes", "detection_scores", "detection_classes"), np.zeros((2, 4))
                )
                | {"num_detections": np.zeros(2)},
                r"expected one image, got shape \[2\]",
                id="two images",
            ),
        ],
    )
    def test_foreign_outputs_are_refused(self, outputs: Any, message: str) -> None:
        with pytest.raises(InputError, match=message):
            outputs_to_image_outputs(outputs)


def test_a_client_s_detections_are_fractions() -> None:
    detections = Detections(
        200,
        100,
        np.array([[20, 10, 60, 30]], np.float32),
        np.array([0.5], np.float32),
        np.array([2], np.int32),
    )
    found = detections_to_image_outputs(detections, 10)
    np.testing.assert_allclose(found.boxes, [[0.1, 0.1, 0.3, 0.3]], rtol=1e-6)
    assert found.classes.tolist() == [2]


@pytest.mark.parametrize(
    ("difference", "bound"),
    [
        pytest.param(0.0, 1e-7, id="none"),
        pytest.param(3e-9, 1e-7, id="less than float32 tells"),
        pytest.param(2.3e-6, 1e-5, id="between"),
        pytest.param(1e-4, 1e-4, id="a power itself"),
        pytest.param(3.0, 10.0, id="large"),
        pytest.param(math.inf, None, id="not comparable"),
    ],
)
def test_bounds_are_powers_of_ten(difference: float, bound: float | None) -> None:
    assert difference_to_bound(difference) == bound
