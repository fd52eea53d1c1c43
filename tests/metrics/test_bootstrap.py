"""AP of weighted images: COCO's own numbers, of the split itself and of images drawn repeatedly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rhymes.metrics.bootstrap import (
    ClassMatches,
    Estimate,
    class_mean,
    draw_weights,
    joint_intervals,
    measure,
    percentile_interval,
    results_to_matches,
)
from rhymes.metrics.catalogue import IouType, metrics
from rhymes.metrics.scoring import score
from tests.support.coco_factory import boxes_to_coco
from tests.support.detection_factory import detect, make_split

EXACT = 1e-12
IOUS = {row.name: row.average_over for row in metrics("bbox") if row.average_over}


def ones(split: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.ones((1, len(split["images"])), np.int64)


def or_nan(values: Any) -> list[float]:
    return [np.nan if value is None else value for value in values]


def repeated(split: Any, results: list[Any], weights: Any) -> tuple[Any, list[Any]]:
    """A dataset in which each image stands as often as its weight says, side by side."""
    images: list[Any] = []
    annotations: list[Any] = []
    copies: list[Any] = []
    for image, weight in zip(split["images"], weights, strict=True):
        for _ in range(weight):
            number = len(images) + 1
            images.append(image | {"id": number})
            for annotation in split["annotations"]:
                if annotation["image_id"] == image["id"]:
                    annotations.append(
                        annotation | {"id": len(annotations) + 1, "image_id": number}
                    )
            copies += [
                result | {"image_id": number}
                for result in results
                if result["image_id"] == image["id"]
            ]
    return split | {"images": images, "annotations": annotations}, copies


@pytest.mark.parametrize("kind", ["bbox", "segm"])
@pytest.mark.parametrize("seed", range(5))
def test_a_weight_of_one_is_cocos_ap(seed: int, kind: IouType) -> None:
    split = make_split(seed, classes=4)
    results = detect(split, seed + 100, masks=True)
    scores = score(split, results, kind)
    measured = measure(results_to_matches(split, results, kind), ones(split), IOUS)
    for name in IOUS:
        classes = or_nan(each.values[name] for each in scores.classes.values())
        np.testing.assert_allclose(measured[name][0], classes, atol=EXACT)
        assert class_mean(measured[name])[0] == pytest.approx(scores.summary[name], abs=EXACT)
    assert 0.1 < class_mean(measured["AP"])[0] < 0.9, "a case that is neither perfect nor hopeless"


@pytest.mark.parametrize("kind", ["bbox", "segm"])
@pytest.mark.parametrize("seed", range(5))
def test_weights_are_images_that_stand_repeatedly(seed: int, kind: IouType) -> None:
    split = make_split(seed, classes=3, rare=4)
    results = detect(split, seed + 100, masks=True)
    weights = draw_weights(len(split["images"]), 4, seed)
    measured = measure(results_to_matches(split, results, kind), weights, IOUS)
    for row, drawn in enumerate(weights):
        scores = score(*repeated(split, results, drawn), kind)
        expected = [or_nan(c.values["AP"] for c in scores.classes.values())]
        np.testing.assert_allclose(measured["AP"][[row]], expected, atol=EXACT)
        assert class_mean(measured["AP50"])[row] == pytest.approx(scores.summary["AP50"], abs=EXACT)


def test_more_than_a_hundred_detections_of_a_class_in_an_image() -> None:
    split = make_split(1, images=3, classes=1, objects=150)
    results = detect(split, 2, missed=0)
    scores = score(split, results, "bbox")
    measured = measure(results_to_matches(split, results, "bbox"), ones(split), IOUS)
    assert max(len(m.images) for m in results_to_matches(split, results, "bbox")) <= 300
    assert measured["AP"][0, 0] == pytest.approx(scores.summary["AP"], abs=EXACT)


def test_equal_scores_in_different_images_are_ordered_as_coco_orders_them() -> None:
    split = make_split(3, classes=2)
    results = detect(split, 4)
    places: dict[int, int] = {}
    for result in results:  # the n-th of each image gets the same score
        place = places[result["image_id"]] = places.get(result["image_id"], 0) + 1
        result["score"] = 1 - place / 50
    measured = measure(results_to_matches(split, results, "bbox"), ones(split), IOUS)
    expected = [c.values["AP"] for c in score(split, results, "bbox").classes.values()]
    np.testing.assert_allclose(measured["AP"][0], or_nan(expected), atol=EXACT)


def test_by_hand() -> None:
    """One object found, then an invention, then the other object; the invention's image varies."""
    is_right = np.repeat([[True, False, True]], 10, axis=0)
    matches = [ClassMatches(np.array([0, 1, 2]), is_right, np.array([1, 0, 1]))]
    weights = np.array([[1, 1, 1], [1, 0, 1], [1, 2, 0], [0, 1, 1], [0, 3, 0]])
    measured = measure(matches, weights, IOUS)["AP"][:, 0]
    # Precision is 1 up to recall 0.5, that is 51 of COCO's 101 points, then 2/3.
    expected = [(51 + 50 * 2 / 3) / 101, 1, 1, 1 / 2, np.nan]
    np.testing.assert_allclose(measured, expected, atol=EXACT)


def test_nothing_found_is_zero_and_nothing_to_find_is_undefined() -> None:
    split = boxes_to_coco([(1, 1, [1, 1, 20, 20])], ["C1", "C2"], 2)
    measured = measure(results_to_matches(split, [], "bbox"), np.array([[1, 1], [0, 2]]), IOUS)
    np.testing.assert_array_equal(measured["AP"], [[0, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(class_mean(measured["AP"]), [0, np.nan])


def test_no_image_and_no_class() -> None:
    empty = boxes_to_coco([], ["C1"], 0)
    weights = draw_weights(0, 5, 1)
    assert np.isnan(measure(results_to_matches(empty, [], "bbox"), weights, IOUS)["AP"]).all()
    assert class_mean(measure([], weights, IOUS)["AP"]).shape == (5,)


def test_rows_are_worked_on_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    split = make_split(5)
    matches = results_to_matches(split, detect(split, 6), "bbox")
    weights = draw_weights(len(split["images"]), 50, 1)
    whole = measure(matches, weights, IOUS)["AP"]
    monkeypatch.setattr("rhymes.metrics.bootstrap._CHUNK", 100)
    np.testing.assert_array_equal(measure(matches, weights, IOUS)["AP"], whole)


def test_draws_as_many_images_as_there_are_the_same_by_the_same_seed() -> None:
    weights = draw_weights(30, 200, 1)
    assert (weights.sum(axis=1) == 30).all()
    assert (weights == draw_weights(30, 200, 1)).all()
    assert (weights != draw_weights(30, 200, 2)).any()
    assert weights.mean(axis=0) == pytest.approx(np.ones(30), abs=0.4)


NAN = float("nan")
MANY = np.array([10**6, 10**6])


def test_percentiles_by_hand() -> None:
    resampled = np.append(np.arange(101) / 100, NAN)
    assert percentile_interval(0.4, resampled, 0.9) == Estimate(
        0.4, pytest.approx(0.05), pytest.approx(0.95)
    )


@pytest.mark.parametrize(
    ("value", "resampled", "expected"),
    [
        pytest.param(NAN, [0.5, 0.5], Estimate(None, None, None), id="undefined"),
        pytest.param(0.5, [NAN, NAN], Estimate(0.5, None, None), id="in no resample"),
        pytest.param(0.5, [], Estimate(0.5, None, None), id="no resample"),
        pytest.param(0.0, [0.0, 0.0], Estimate(0.0, 0.0, 0.0), id="always the same"),
    ],
)
def test_what_has_no_interval(value: float, resampled: list[float], expected: Estimate) -> None:
    assert percentile_interval(value, np.array(resampled), 0.95) == expected
    assert joint_intervals(np.array([value]), np.array(resampled)[:, None], MANY[:1], 0.95) == [
        expected
    ]


def test_joint_intervals_are_as_many_standard_errors_wide() -> None:
    resampled = np.array([[-1.0, 10], [1, -10], [0, 0], [0, NAN]])
    first, second = joint_intervals(np.zeros(2), resampled, MANY, 1.0)
    reach = 1 / np.std([-1, 1, 0, 0])  # the first deviates by more of its errors than the second
    assert first == Estimate(0, pytest.approx(-1, rel=1e-3), pytest.approx(1, rel=1e-3))
    wide = reach * np.std([10, -10, 0])
    assert second == Estimate(0, pytest.approx(-wide, rel=1e-3), pytest.approx(wide, rel=1e-3))


def test_a_rare_class_borrows_its_noise_from_all() -> None:
    """Whose one image was lost is as unsure as others' images are; alone it could not vary."""
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.1, 1000)
    resampled = np.column_stack([noise, np.full(1000, -0.5)])
    _, rare = joint_intervals(np.array([0, -0.5]), resampled, np.array([20, 1]), 0.95)
    # An image varies by 0.1 times the root of 20, or 0.45: half of which is no certain loss.
    assert rare.low < -1 < 0 < rare.high
    still = np.column_stack([np.zeros(1000), np.full(1000, -0.5)])
    _, rare = joint_intervals(np.array([0, -0.5]), still, np.array([20, 1]), 0.95)
    assert rare == Estimate(-0.5, -0.5, -0.5), "where nothing else varies, a loss is a loss"


def test_joint_intervals_hold_together() -> None:
    """Of 40 figures that differ by chance alone, none seems to in about nine of ten cases."""
    rng = np.random.default_rng(1)
    alone = together = 0
    for _ in range(200):
        sample = rng.normal(size=(60, 40))
        drawn = rng.integers(0, 60, (400, 60))
        resampled = sample[drawn].mean(axis=1)
        values = sample.mean(axis=0)
        joint = joint_intervals(values, resampled, np.full(40, 60), 0.95)
        single = [percentile_interval(v, r, 0.95) for v, r in zip(values, resampled.T, strict=True)]
        together += all(each.low <= 0 <= each.high for each in joint)
        alone += all(each.low <= 0 <= each.high for each in single)
    assert together >= 170
    assert alone <= 60, "one by one they would not"
