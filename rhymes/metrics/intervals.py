"""Intervals of what was measured, from resamples: how far chance alone may have moved it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BORROWED = 4


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
    values: NDArray[np.float64],
    resampled: NDArray[np.float64],
    images: NDArray[np.int64],
    confidence: float,
) -> list[Estimate]:
    """Intervals that hold all together with `confidence`, by the bootstrap's greatest deviation.

    Of 40 classes compared one by one at 95 %, two differ by chance. So each deviation of a
    resample from what was measured is divided by its class's standard error, and the intervals are
    as many standard errors wide as the greatest deviation over all classes stays below in
    `confidence` of the resamples (Westfall and Young, Resampling-Based Multiple Testing, 1993).

    Args:
        values: float64 [classes], as measured; NaN is undefined.
        resampled: float64 [resamples, classes]; NaN where a resample lacks the class.
        images: int64 [classes], images with objects of the class.
        confidence: 0 to 1.
    """
    known = ~np.isnan(values) & ~np.isnan(resampled).all(axis=0)
    errors = np.zeros(len(values))
    if known.any():
        own = np.nanstd(resampled[:, known], axis=0)
        errors[known] = _moderate_errors(own, images[known])
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


def _moderate_errors(own: NDArray[np.float64], images: NDArray[np.int64]) -> NDArray[np.float64]:
    """Let rare classes borrow from all how much an image's result varies.

    The bootstrap of one image does not vary, and that of two or three says little of how much it
    should. So each class's variance between images is averaged with that of all classes, which
    counts as `_BORROWED` more images (Smyth, Linear Models and Empirical Bayes Methods, 2004).

    Args:
        own: float64 [classes], standard errors by the bootstrap.
        images: int64 [classes], images with objects of the class, 1 or more.
    """
    # The bootstrap's variance is the biased one, over n instead of n - 1 images.
    squares = (images * own) ** 2
    of_all = squares.sum() / max((images - 1).sum(), 1)
    variances = (squares + _BORROWED * of_all) / (images - 1 + _BORROWED)
    moderated: NDArray[np.float64] = np.sqrt(variances / images)
    return moderated


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
