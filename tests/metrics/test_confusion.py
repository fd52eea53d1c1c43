"""Confusion and images' scores on cases small enough to count by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rhymes.metrics.confusion import (
    BACKGROUND,
    OTHER,
    Confusion,
    ImageScore,
    confusion,
    image_scores,
)

HERE, THERE, ELSEWHERE = [10, 10, 40, 40], [100, 10, 40, 40], [200, 200, 40, 40]


def make_ground_truth(*objects: tuple[int, str, list[float]], images: int = 1) -> dict[str, Any]:
    """A COCO dataset of (image, class A to C, box); ids of annotations count from 1."""
    return {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480}
            for i in range(1, images + 1)
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate("ABC", start=1)],
        "annotations": [
            {
                "id": i,
                "image_id": image,
                "category_id": "ABC".index(name) + 1,
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": 0,
            }
            for i, (image, name, box) in enumerate(objects, start=1)
        ],
    }


def found(name: str, box: list[float], score: float, image: int = 1) -> dict[str, Any]:
    category = "ABC".index(name) + 1
    return {"image_id": image, "category_id": category, "bbox": box, "score": score}


def moved(box: list[float], dx: float) -> list[float]:
    return [box[0] + dx, *box[1:]]


@pytest.mark.parametrize(
    ("objects", "results", "expected"),
    [
        pytest.param([(1, "A", HERE)], [found("A", HERE, 0.9)], [("A", "A", 1)], id="right"),
        pytest.param([(1, "A", HERE)], [found("B", HERE, 0.9)], [("A", "B", 1)], id="confused"),
        pytest.param([(1, "A", HERE)], [], [("A", BACKGROUND, 1)], id="false negative"),
        pytest.param([], [found("C", HERE, 0.9)], [(BACKGROUND, "C", 1)], id="false positive"),
        pytest.param([], [], [], id="nothing"),
        pytest.param(
            [(1, "A", HERE)], [found("A", HERE, 0.49)], [("A", BACKGROUND, 1)], id="not sure enough"
        ),
        pytest.param(
            [(1, "A", HERE)], [found("A", HERE, 0.5)], [("A", "A", 1)], id="just sure enough"
        ),
        pytest.param(
            [(1, "A", HERE)],
            [found("B", HERE, 0.8), found("A", HERE, 0.9)],
            [("A", "A", 1), (BACKGROUND, "B", 1)],
            id="the best chooses first",
        ),
        pytest.param(
            [(1, "A", HERE), (1, "B", moved(HERE, 8))],
            [found("B", moved(HERE, 7), 0.9), found("A", moved(HERE, 7), 0.8)],
            [("A", "A", 1), ("B", "B", 1)],
            id="it takes the best, the next one what is left",
        ),
        pytest.param(
            [(1, "A", HERE)],
            [found("A", moved(HERE, 20), 0.9)],
            [("A", BACKGROUND, 1), (BACKGROUND, "A", 1)],
            id="IoU of a third",
        ),
        pytest.param(
            [(1, "A", HERE), (1, "A", THERE), (1, "C", ELSEWHERE)],
            [found("A", HERE, 0.9), found("A", THERE, 0.6), found("B", ELSEWHERE, 0.7)],
            [("A", "A", 2), ("C", "B", 1)],
            id="several",
        ),
    ],
)
def test_confusion(objects: Any, results: Any, expected: list[tuple[str, str, int]]) -> None:
    counted = confusion(make_ground_truth(*objects), results, score=0.5, iou=0.5)
    assert counted.pairs() == expected
    assert counted.names == ("A", "B", "C", BACKGROUND)
    assert counted.counts.dtype == np.int64
    assert counted.counts.shape == (4, 4)


@pytest.mark.parametrize(("iou", "pairs"), [(0.59, 1), (0.61, 2)])
def test_confusion_takes_any_iou(iou: float, pairs: int) -> None:
    ground_truth = make_ground_truth((1, "A", HERE))
    counted = confusion(
        ground_truth, [found("A", moved(HERE, 10), 0.9)], score=0.5, iou=iou
    )  # IoU 0.6
    assert len(counted.pairs()) == pairs


def test_errors_are_the_most_frequent_first() -> None:
    ground_truth = make_ground_truth((1, "A", HERE), (1, "B", THERE), (1, "B", ELSEWHERE))
    counted = confusion(ground_truth, [found("A", HERE, 0.9)], score=0.5, iou=0.5)
    assert counted.errors() == [("B", BACKGROUND, 2)]


def test_smaller_matrix_shows_the_most_confused_and_loses_nothing() -> None:
    counts = np.array(
        [
            [5, 0, 0, 0, 1],
            [0, 6, 0, 3, 0],
            [0, 0, 7, 0, 0],
            [0, 2, 1, 8, 0],
            [0, 0, 0, 0, 0],
        ]
    )
    full = Confusion(("A", "B", "C", "D", BACKGROUND), counts)
    small = full.most_confused(2)
    assert small.names == ("B", "D", OTHER, BACKGROUND)
    assert small.counts.tolist() == [[6, 3, 0, 0], [2, 8, 1, 0], [0, 0, 12, 1], [0, 0, 0, 0]]
    assert full.most_confused(4) is full


def test_confusion_counts_more_than_a_hundred_an_image() -> None:
    boxes = [[20.0 * (i % 30), 20.0 * (i // 30), 15.0, 15.0] for i in range(150)]
    ground_truth = make_ground_truth(*((1, "A", box) for box in boxes))
    results = [found("A", box, 0.9) for box in boxes]
    assert confusion(ground_truth, results, score=0.5, iou=0.5).pairs() == [("A", "A", 150)]
    assert image_scores(ground_truth, results, score=0.5)[0].f1 == 1


class TestImageScores:
    def test_worst_first(self) -> None:
        ground_truth = make_ground_truth(
            (1, "A", HERE),
            (1, "B", THERE),
            (2, "A", HERE),
            (3, "A", HERE),
            (4, "A", HERE),
            (4, "A", THERE),
            images=5,
        )
        results = [
            found("A", HERE, 0.9, image=1),
            found("C", THERE, 0.9, image=1),
            found("A", HERE, 0.9, image=2),
        ]
        assert image_scores(ground_truth, results, score=0.5) == [
            ImageScore(4, tp=(), fn=(5, 6), fp=()),
            ImageScore(3, tp=(), fn=(4,), fp=()),
            ImageScore(1, tp=(1,), fn=(2,), fp=(1,)),
            ImageScore(2, tp=(3,), fn=(), fp=()),
            ImageScore(5, tp=(), fn=(), fp=()),
        ]

    @pytest.mark.parametrize(
        ("image", "f1"),
        [
            pytest.param(
                ImageScore(1, (1, 2), (3,), (0,)), 2 / 3, id="two of three, one false positive"
            ),
            pytest.param(ImageScore(1, (), (), ()), 1, id="nothing to find"),
            pytest.param(ImageScore(1, (), (), (0,)), 0, id="a false positive in an empty image"),
        ],
    )
    def test_f1(self, image: ImageScore, f1: float) -> None:
        assert image.f1 == pytest.approx(f1)

    def test_indices_are_those_among_all_results_of_the_image(self) -> None:
        ground_truth = make_ground_truth((1, "A", HERE), (2, "A", HERE), images=2)
        results = [
            found("A", ELSEWHERE, 0.1),
            found("A", HERE, 0.7, image=2),
            found("A", THERE, 0.9),
            found("B", HERE, 0.6, image=2),
            found("A", HERE, 0.8),
        ]
        for image in image_scores(ground_truth, results, score=0.5):
            assert image.tp == (image.image_id,)
            assert image.fp == (1,)

    def test_a_second_detection_of_an_object_is_a_false_positive(self) -> None:
        ground_truth = make_ground_truth((1, "A", HERE))
        results = [found("A", HERE, 0.9), found("A", HERE, 0.8)]
        (image,) = image_scores(ground_truth, results, score=0.5)
        assert image.fp == (1,)

    def test_no_images(self) -> None:
        assert image_scores(make_ground_truth(images=0), [], score=0.5) == []


def test_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    ground_truth = make_ground_truth((1, "A", HERE))
    image_scores(ground_truth, [found("A", HERE, 0.9)], score=0.5)
    confusion(ground_truth, [], score=0.5, iou=0.5)
    assert capfd.readouterr() == ("", "")
