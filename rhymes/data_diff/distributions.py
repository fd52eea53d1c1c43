"""Whether two data versions hold the same kind of objects: how large, and of which classes.

An export whose coordinates are scaled, or whose labels were drawn by other rules, is valid in
every row; it shows in the whole. Both measures come with an interval, so that a version of few
images is not called different by chance. Objects of one image are alike, so an image counts as one
draw: the standard errors are those of ratio estimators of clusters (Cochran, Sampling Techniques,
3rd edition, 1977, chapter 6). Of few images nothing is said: they do not tell how much they vary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from rhymes.data_diff.image_labels import ImageLabels, VersionLabels

CONFIDENCE = 0.95
MAX_SIZE_RATIO = 1.25
MAX_SHARE_CHANGE = 0.05
MIN_IMAGES = 10
_LISTED = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A figure, and the ends of the interval that holds the true one with `CONFIDENCE`."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Distributions:
    """How the objects of a version differ from those of another one.

    Attributes:
        size: Geometric mean of the new objects' sizes, as a multiple of the old ones'. An object's
            size is the root of its box's area divided by the image's. None without objects.
        shares: Class -> its share of all objects, new minus old; empty with `size` None. The
            intervals hold all together.
    """

    size: Interval | None
    shares: Mapping[str, Interval]

    def findings(self) -> Iterator[str]:
        """Yield a sentence where sizes or classes are far from the other version's."""
        size = self.size
        if size and (size.low > MAX_SIZE_RATIO or size.high < 1 / MAX_SIZE_RATIO):
            yield (
                f"Objects are {size.value:.2f} times as large as before, measured in their images "
                f"(geometric mean of the root of the box's share of the image; {CONFIDENCE:.0%} "
                f"interval {size.low:.2f} to {size.high:.2f}): are coordinates and images in the "
                "same scale?"
            )
        far = [
            (name, share)
            for name, share in self.shares.items()
            if share.low > MAX_SHARE_CHANGE or share.high < -MAX_SHARE_CHANGE
        ]
        if far:
            far.sort(key=lambda each: (-abs(each[1].value), each[0]))
            listed = ", ".join(
                f"'{name}' {share.value:+.0%} ({share.low:+.0%} to {share.high:+.0%})"
                for name, share in far[:_LISTED]
            )
            more = f" and {len(far) - _LISTED} more" if len(far) > _LISTED else ""
            yield (
                "The mix of the classes is another one: share of all objects, new minus old, with "
                f"intervals that hold all together with {CONFIDENCE:.0%}: {listed}{more}."
            )


def compare_distributions(
    old: VersionLabels, new: VersionLabels, renames: Mapping[str, str] | None = None
) -> Distributions:
    """Compare the sizes and classes of all objects of two versions.

    Args:
        old: The version before.
        new: The one after.
        renames: Old class name -> new one, of classes that are the same.
    """
    if min(sum(map(bool, map(len, version.images))) for version in (old, new)) < MIN_IMAGES:
        return Distributions(None, {})
    return Distributions(_size_ratio(old, new), _share_changes(old, new, renames or {}))


def _size_ratio(old: VersionLabels, new: VersionLabels) -> Interval:
    means, errors = zip(*(_mean(*_log_sizes(version)) for version in (old, new)), strict=True)
    change = float(means[1][0] - means[0][0])
    margin = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * math.hypot(errors[0][0], errors[1][0])
    return Interval(math.exp(change), math.exp(change - margin), math.exp(change + margin))


def _share_changes(
    old: VersionLabels, new: VersionLabels, renames: Mapping[str, str]
) -> dict[str, Interval]:
    names = list(
        dict.fromkeys((*new.names.values(), *(renames.get(n, n) for n in old.names.values())))
    )
    old_means, old_errors = _mean(*_class_counts(old, names, renames))
    new_means, new_errors = _mean(*_class_counts(new, names, {}))
    # Bonferroni: each of n intervals fails to hold with an n-th of what all may.
    factor = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / 2 / len(names))
    margins = factor * np.hypot(old_errors, new_errors)
    return {
        name: Interval(change, change - margin, change + margin)
        for name, change, margin in zip(
            names, (new_means - old_means).tolist(), margins.tolist(), strict=True
        )
    }


def _log_sizes(version: VersionLabels) -> tuple[Floats, Floats]:
    """Return for each image the sum of its objects' log sizes [n, 1], and their number [n]."""
    sums = np.array([[_log_size_sum(image)] for image in version.images])
    return sums, np.array([len(image) for image in version.images], np.float64)


def _log_size_sum(image: ImageLabels) -> float:
    sides = np.maximum(image.boxes[:, 2:] - image.boxes[:, :2], 1e-9)
    return float(0.5 * np.log(sides.prod(axis=1) / (image.width * image.height)).sum())


def _class_counts(
    version: VersionLabels, names: Sequence[str], renames: Mapping[str, str]
) -> tuple[Floats, Floats]:
    """Return for each image how many objects it has of each class [n, classes], and of all [n]."""
    columns = {
        number: names.index(renames.get(name, name)) for number, name in version.names.items()
    }
    counts = np.zeros((len(version.images), len(names)))
    for row, image in enumerate(version.images):
        for number in image.class_ids.tolist():
            counts[row, columns[number]] += 1
    return counts, counts.sum(axis=1)


def _mean(sums: Floats, sizes: Floats) -> tuple[Floats, Floats]:
    """Return the mean of all objects and its standard error, images being drawn.

    Args:
        sums: float64 [images, columns], of an image's objects.
        sizes: float64 [images], how many objects it has; not all 0.
    """
    total = sizes.sum()
    mean = sums.sum(axis=0) / total
    residuals = sums - sizes[:, np.newaxis] * mean
    images = len(sizes)
    error = np.sqrt((residuals**2).sum(axis=0) * images / max(1, images - 1)) / total
    return mean, error
