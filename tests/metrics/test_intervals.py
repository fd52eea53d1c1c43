"""Intervals from resamples: by hand, and how often they hold."""

from __future__ import annotations

import numpy as np
import pytest

from rhymes.metrics.intervals import Estimate, joint_intervals, percentile_interval

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
