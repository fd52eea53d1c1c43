"""Labels that a detector contradicts."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from rhymes.coco.files import CocoAnnotation, CocoImage
from rhymes.detections.label_errors import (
    COLUMNS,
    LabelError,
    PredictedImage,
    Problem,
    find_label_errors,
    label_errors_to_csv,
)
from tests.support.box_detections import FAR, NEAR_A, A, make_detections

HALF_A = (22, 10, 20, 20)  # IoU 0.25 with A
NAMES = {1: "apple", 2: "=pear()"}


def judged(ground_truth: list[tuple[int, Any]], *found: Any, image_id: int = 1) -> PredictedImage:
    annotations: list[CocoAnnotation] = [
        {
            "id": 10 * image_id + i,
            "image_id": image_id,
            "category_id": class_id,
            "bbox": [float(value) for value in box],
            "area": 1.0,
            "iscrowd": 0,
        }
        for i, (class_id, box) in enumerate(ground_truth)
    ]
    image = CocoImage(
        id=image_id, file_name="0a.jpg", width=100, height=100, source=f"images/{image_id}.jpg"
    )
    return PredictedImage(image, annotations, make_detections(*found))


def kinds(*images: PredictedImage) -> list[tuple[Problem, int | None]]:
    return [(error.problem, error.annotation_id) for error in find_label_errors(images)]


@pytest.mark.parametrize(
    ("ground_truth", "found", "expected"),
    [
        pytest.param([(1, A)], [(1, NEAR_A, 0.9)], [], id="right"),
        pytest.param([], [], [], id="nothing"),
        pytest.param([(1, A)], [(2, A, 0.9)], [(Problem.SWAPPED, 10)], id="swapped"),
        pytest.param(
            [(1, A)], [(2, A, 0.9), (1, A, 0.6)], [], id="the model finds the label too"
        ),
        pytest.param(
            [(1, A)], [(2, A, 0.9), (1, A, 0.3)], [(Problem.SWAPPED, 10)], id="hardly finds it"
        ),
        pytest.param([(1, A)], [(2, A, 0.4)], [], id="swapped, but not sure"),
        pytest.param([], [(1, A, 0.9)], [(Problem.MISSING, None)], id="missing"),
        pytest.param([], [(1, A, 0.4)], [], id="missing, but not sure"),
        pytest.param([(1, A)], [(1, A, 0.9), (1, NEAR_A, 0.8)], [], id="found twice"),
        pytest.param([(1, A)], [(1, HALF_A, 0.9)], [(Problem.MISPLACED, 10)], id="misplaced"),
        pytest.param([(1, A)], [(2, HALF_A, 0.9)], [(Problem.MISSING, None)], id="a neighbour"),
        pytest.param([(1, A)], [(1, A, 0.9), (1, HALF_A, 0.8)], [(Problem.MISSING, None)],
                     id="a neighbour of a found one"),
        pytest.param([(1, A)], [(1, FAR, 0.2)], [(Problem.UNSEEN, 10)], id="unseen"),
        pytest.param([(1, A)], [(2, HALF_A, 0.06)], [], id="seen, but hardly"),
    ],
)  # fmt: skip
def test_kinds(ground_truth: Any, found: Any, expected: Any) -> None:
    assert kinds(judged(ground_truth, *found)) == expected


def test_the_contradiction_of_the_highest_score_comes_first() -> None:
    errors = find_label_errors(
        [
            judged([], (1, A, 0.7), image_id=1),
            judged([(1, A)], (2, A, 0.95), image_id=2),
            judged([], (1, A, 0.8), image_id=3),
        ]
    )
    assert [error.image_id for error in errors] == [2, 3, 1]
    assert [error.suspicion for error in errors] == pytest.approx([0.95, 0.8, 0.7])
    assert errors[0].image == "2.jpg"


def test_an_unseen_label_counts_by_how_often_its_class_is_found() -> None:
    found = [judged([(1, A)], (1, A, 0.9), image_id=i) for i in range(1, 4)]
    (error,) = find_label_errors([*found, judged([(1, A)], image_id=4)])
    assert (error.problem, error.suspicion) == (Problem.UNSEEN, 0.75)
    (error,) = find_label_errors([judged([(1, A)])])
    assert error.suspicion == 0


def test_csv_is_for_people_and_their_spreadsheets() -> None:
    errors = find_label_errors([judged([(1, A)], (2, A, 0.9)), judged([], (1, FAR, 0.8))])
    text = label_errors_to_csv(errors, NAMES)
    first, second = csv.DictReader(io.StringIO(text))
    assert tuple(first) == COLUMNS
    assert (first["label"], first["model_label"]) == ("apple", "'=pear()")
    assert (first["problem"], first["annotation_id"]) == ("label of another class", "10")
    assert (second["label"], second["model_label"], second["annotation_id"]) == ("", "apple", "")
    assert [second[key] for key in ("x", "y", "width", "height")] == [
        "60.0",
        "60.0",
        "20.0",
        "20.0",
    ]


@pytest.mark.parametrize("name", ["=1+1.jpg", "+a.jpg", "-a.jpg", "@a.jpg"])
def test_no_cell_is_a_formula(name: str) -> None:
    error = LabelError(1, name, Problem.UNSEEN, 1, (0, 0, 1, 1), 1, None, None, 0.5)
    (row,) = csv.DictReader(io.StringIO(label_errors_to_csv([error], NAMES)))
    assert row["image"] == f"'{name}"
