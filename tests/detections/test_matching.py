"""Which objects of two sides are the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import supervision as sv
from hypothesis import given, settings
from hypothesis import strategies as st

from rhymes.detections.detections import (
    Detections,
    annotations_to_detections,
    results_to_detections,
)
from rhymes.detections.matching import Matching, box_ious, match_detections
from rhymes.metrics.confusion import image_scores
from tests.support.box_detections import FAR, NEAR_A, SIZE, A, Object, make_detections


def pairs(matching: Matching) -> tuple[Any, ...]:
    return (
        [(pair.left, pair.right) for pair in matching.same],
        [(pair.left, pair.right) for pair in matching.confused],
        list(matching.left_only),
        list(matching.right_only),
    )


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        pytest.param([], [], ([], [], [], []), id="nothing"),
        pytest.param([(1, A, 1)], [], ([], [], [0], []), id="false negative"),
        pytest.param([], [(1, A, 1)], ([], [], [], [0]), id="false positive"),
        pytest.param([(1, A, 1)], [(1, NEAR_A, 1)], ([(0, 0)], [], [], []), id="same"),
        pytest.param([(1, A, 1)], [(2, A, 1)], ([], [(0, 0)], [], []), id="confused"),
        pytest.param([(1, A, 1)], [(1, FAR, 1)], ([], [], [0], [0]), id="apart"),
        pytest.param(
            [(1, A, 1)],
            [(2, A, 0.9), (1, NEAR_A, 0.6)],
            ([(0, 1)], [], [], [0]),
            id="its own class comes first, however unsure",
        ),
        pytest.param(
            [(1, A, 1)],
            [(1, NEAR_A, 0.9), (1, A, 0.6)],
            ([(0, 0)], [], [], [1]),
            id="the best chooses first, and one object has one partner",
        ),
        pytest.param(
            [(1, A, 1), (1, NEAR_A, 1)],
            [(1, NEAR_A, 0.9), (1, A, 0.6)],
            ([(1, 0), (0, 1)], [], [], []),
            id="each takes the best",
        ),
    ],
)
def test_pairs(left: list[Object], right: list[Object], expected: Any) -> None:
    assert pairs(match_detections(make_detections(*left), make_detections(*right))) == expected


def test_iou_is_that_of_the_boxes() -> None:
    (pair,) = match_detections(make_detections((1, A, 1)), make_detections((1, NEAR_A, 1))).same
    assert pair.iou == pytest.approx(18 / 22)
    assert box_ious(make_detections(), make_detections((1, A, 1))).shape == (0, 1)


def test_a_pair_needs_its_least_iou() -> None:
    sides = make_detections((1, A, 1)), make_detections((1, NEAR_A, 1))
    assert match_detections(*sides, iou=0.81).differences == 0
    assert match_detections(*sides, iou=0.82).differences == 2


def test_sides_are_of_one_image() -> None:
    other = Detections(
        5, 5, np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32)
    )
    with pytest.raises(ValueError, match="100 x 100 and 5 x 5"):
        match_detections(make_detections(), other)


boxes = st.tuples(*[st.integers(0, 60)] * 2, *[st.integers(5, 40)] * 2)
objects = st.lists(st.tuples(st.integers(1, 2), boxes), max_size=8)


@given(ground_truth=objects, found=objects, seed=st.integers(0, 1000))
@settings(max_examples=150, deadline=None)
def test_classes_are_paired_as_coco_does(ground_truth: Any, found: Any, seed: int) -> None:
    annotations = [
        {"id": i, "image_id": 1, "category_id": c, "bbox": list(map(float, box)),
         "area": float(box[2] * box[3]), "iscrowd": 0}
        for i, (c, box) in enumerate(ground_truth, start=1)
    ]  # fmt: skip
    scores = np.random.default_rng(seed).permutation(len(found)) / 10 + 0.1
    results = [
        {"image_id": 1, "category_id": c, "bbox": list(map(float, box)), "score": float(score)}
        for (c, box), score in sorted(zip(found, scores, strict=True), key=lambda each: -each[1])
    ]
    coco: Any = {
        "categories": [{"id": i, "name": str(i), "supercategory": ""} for i in (1, 2)],
        "images": [{"id": 1, "file_name": "a.jpg", "width": SIZE, "height": SIZE}],
        "annotations": annotations,
    }
    (expected,) = image_scores(coco, results, 0.0)
    matching = match_detections(
        annotations_to_detections(annotations, SIZE, SIZE),
        results_to_detections(results, SIZE, SIZE),
    )
    found_ids = sorted(annotations[pair.left]["id"] for pair in matching.same)
    assert found_ids == sorted(expected.tp)
    false_positives = sorted([*matching.right_only, *(pair.right for pair in matching.confused)])
    assert false_positives == sorted(expected.fp)


def test_ious_are_those_that_supervision_computes() -> None:
    rng = np.random.default_rng(0)
    corners = np.sort(rng.uniform(0, SIZE, (2, 40, 2, 2)), axis=2).astype(np.float32)
    left, right = corners.reshape(2, 40, 4)
    both = [
        Detections(SIZE, SIZE, boxes, np.ones(40, np.float32), np.ones(40, np.int32))
        for boxes in (left, right)
    ]
    expected = sv.box_iou_batch(left, right)
    assert (expected > 0.5).any()
    np.testing.assert_allclose(box_ious(*both), expected, rtol=1e-6)
