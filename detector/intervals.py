"""Intervals of what was measured, from resamples: how far chance alone may have moved it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval; all None where it is undefined, or has no interval.

    Attributes:
        value: As measured.
        low: Lower end of the interval.
        high: Upper end.
    """

    value: float | None
    low: float | None
    high: float | None


def percentile_interval(
    value: float, resampled: NDArray[np.float64], confidence: float
) -> Estimate:
    """The interval that holds the middle `confidence` of the resampled figures.

    Args:
        value: As measured; NaN is undefined.
        resampled: float64 [resamples]; NaN where a resample has no figure.
        confidence: 0 to 1.
    """
    defined = resampled[~np.isnan(resampled)]
    if np.isnan(value) or not defined.size:
        return Estimate(_defined(value), None, None)
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Estimate(float(value), float(low), float(high))


def joint_intervals(
    values: NDArray[np.float64], resampled: NDArray[np.float64], confidence: float
) -> list[Estimate]:
    """Intervals that hold all together with `confidence`, by the bootstrap's greatest deviation.

    Of 40 classes compared one by one at 95 %, two differ by chance. So each deviation of a
    resample from what was measured is divided by its class's standard error, and the intervals are
    as many standard errors wide as the greatest deviation over all classes stays below in
    `confidence` of the resamples (Westfall and Young, Resampling-Based Multiple Testing, 1993).

    Args:
        values: float64 [figures], as measured; NaN is undefined.
        resampled: float64 [resamples, figures]; NaN where a resample has no figure.
        confidence: 0 to 1.
    """
    known = ~np.isnan(values) & ~np.isnan(resampled).all(axis=0)
    errors = np.zeros(len(values))
    if known.any():
        errors[known] = np.nanstd(resampled[:, known], axis=0)
    moving = errors > 0
    deviations = np.abs(resampled[:, moving] - values[moving]) / errors[moving]
    # A resample without a class says nothing about it.
    greatest = np.nan_to_num(deviations, nan=0.0).max(axis=1, initial=0.0)
    reach = np.quantile(greatest, confidence) * errors if len(greatest) else errors
    return [
        Estimate(float(value), float(value - wide), float(value + wide))
        if is_known
        else Estimate(_defined(value), None, None)
        for value, wide, is_known in zip(values, reach, known, strict=True)
    ]


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
