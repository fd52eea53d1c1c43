from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhymes.detections.detections import Detections
from rhymes.predictions.ranking import Uncertainty, detections_to_uncertainty, most_uncertain_first

Found = tuple[float, int, int]
"""Score, class id, place: boxes of one place overlap, of two do not."""


def measure(*objects: Found) -> Uncertainty:
    ordered = sorted(objects, key=lambda each: -each[0])
    left = np.array([20 * place for _, _, place in ordered], np.float32)
    zeros = np.zeros_like(left)
    boxes = np.stack([left, zeros, left + 10, zeros + 10], axis=1)
    return detections_to_uncertainty(
        Detections(
            2000,
            10,
            boxes.reshape(-1, 4),
            np.array([score for score, _, _ in ordered], np.float32),
            np.array([class_id for _, class_id, _ in ordered], np.int32),
        )
    )


@pytest.mark.parametrize(
    ("objects", "highest"),
    [
        pytest.param([], 0, id="nothing found"),
        pytest.param([(1, 1, 0)], 0, id="certain"),
        pytest.param([(0, 1, 0)], 0, id="certainly nothing"),
        pytest.param([(0.5, 1, 0)], 1, id="as likely as not"),
        pytest.param([(0.9, 1, 0)], 0.04, id="likely: (1 - (0.9 - 0.1))^2"),
        pytest.param([(0.1, 1, 0)], 0.04, id="unlikely: (1 - (0.9 - 0.1))^2"),
        pytest.param([(0.9, 1, 0), (0.9, 2, 0)], 1, id="two classes in one place"),
        pytest.param([(0.9, 1, 0), (0.6, 2, 0)], 0.49, id="less so: (1 - (0.9 - 0.6))^2"),
        pytest.param([(0.9, 1, 0), (0.9, 2, 1)], 0.04, id="two classes in two places"),
        pytest.param([(0.9, 1, 0), (0.6, 1, 0)], 0.04, id="one class twice in one place"),
        pytest.param([(0.2, 1, 0), (0.2, 2, 0)], 0.16, id="background before both classes"),
    ],
)  # fmt: skip
def test_measure(objects: list[Found], highest: float) -> None:
    assert measure(*objects).highest == pytest.approx(highest, abs=1e-6)


def test_many_sure_objects_stay_below_one_unsure_one() -> None:
    crowd = measure(*((0.95, 1, place) for place in range(100)))
    assert crowd.total == pytest.approx(1, abs=1e-5)
    assert crowd < measure((0.6, 1, 0))


def test_more_unsure_objects_decide_between_images_of_the_same_maximum() -> None:
    assert measure((0.5, 1, 0)) < measure((0.5, 1, 0), (0.5, 1, 1))


def test_order() -> None:
    images = [
        measure(),
        measure((0.99, 1, 0)),
        measure((0.45, 1, 0)),
        measure((0.9, 1, 0), (0.88, 2, 0)),
        measure((0.02, 1, 0)),
        measure(),
        measure((0.99, 2, 3)),
    ]
    assert most_uncertain_first(images) == [3, 2, 4, 1, 6, 0, 5]


SCORES = st.floats(0, 1, width=32)
OBJECTS = st.lists(st.tuples(SCORES, st.integers(1, 3), st.integers(0, 5)), max_size=12)


@given(OBJECTS)
def test_measure_has_bounds(objects: list[Found]) -> None:
    found = measure(*objects)
    assert 0 <= found.highest <= 1
    assert found.highest <= found.total <= max(len(objects), 1)


@given(SCORES, SCORES)
def test_a_score_nearer_to_one_half_is_more_uncertain(a: float, b: float) -> None:
    nearer, farther = sorted((a, b), key=lambda score: abs(score - 0.5))
    assert measure((nearer, 1, 0)).highest >= measure((farther, 1, 0)).highest - 1e-9


@given(OBJECTS, SCORES)
def test_an_object_elsewhere_never_lowers_it(objects: list[Found], score: float) -> None:
    assert measure(*objects, (score, 1, 99)) >= measure(*objects)


@given(SCORES, SCORES)
def test_a_less_likely_class_in_the_same_place_never_lowers_it(a: float, b: float) -> None:
    first, second = max(a, b, 0.5), min(a, b)
    assert measure((first, 1, 0), (second, 2, 0)).highest >= measure((first, 1, 0)).highest - 1e-9


@given(OBJECTS)
def test_names_of_classes_and_places_do_not_matter(objects: list[Found]) -> None:
    renamed = [(score, 4 - class_id, 9 - place) for score, class_id, place in objects]
    assert measure(*renamed) == measure(*objects)


@given(st.lists(st.builds(Uncertainty, st.sampled_from([0.0, 0.5, 1.0]), SCORES)))
def test_ranking_is_a_stable_order(uncertainties: list[Uncertainty]) -> None:
    order = most_uncertain_first(uncertainties)
    assert sorted(order) == list(range(len(uncertainties)))
    for first, second in pairwise(order):
        a, b = uncertainties[first], uncertainties[second]
        assert a > b or (a == b and first < second)
