"""Sizes and classes of two versions: what is far is said, what chance explains is not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rhymes.data_diff.distributions import compare_distributions
from rhymes.data_diff.image_labels import ImageLabels, VersionLabels

NAMES = {1: "cup", 2: "fork"}


def version(
    images: int,
    seed: int = 0,
    scale: float = 1,
    cups: float = 0.5,
    size: int = 400,
    names: dict[int, str] = NAMES,
) -> VersionLabels:
    """Images of five objects, which are a tenth to a third of their image wide, times `scale`."""
    generator = np.random.default_rng(seed)
    found = []
    for number in range(images):
        sides = size * generator.uniform(0.1, 0.33, (5, 2)) * scale
        boxes = np.concatenate([np.zeros((5, 2)), sides], axis=1)
        classes = np.where(generator.uniform(size=5) < cups, 1, 2).astype(np.int32)
        found.append(
            ImageLabels(
                f"{number}.jpg", f"{number}.jpg", "train", size, size, boxes,
                np.zeros(5, np.int64), classes,
            )
        )  # fmt: skip
    return VersionLabels(names, found)


@pytest.mark.parametrize("seed", range(20))
def test_chance_alone_is_no_finding(seed: int) -> None:
    assert not list(compare_distributions(version(30, seed), version(30, seed + 100)).findings())


@pytest.mark.parametrize(
    ("new", "said"),
    [
        pytest.param(version(100, 1, scale=0.5), "0.5", id="half as large"),
        pytest.param(version(100, 1, scale=2), "2.0", id="twice as large"),
        pytest.param(version(100, 1, cups=0.9), "'cup' +", id="another mix"),
        pytest.param(version(100, 1, cups=0), "'fork' +", id="a class is gone"),
    ],
)
def test_what_is_far_is_said_once(new: VersionLabels, said: str) -> None:
    (sentence,) = compare_distributions(version(100), new).findings()
    assert said in sentence


@pytest.mark.parametrize(
    "new",
    [
        pytest.param(version(100, 1, size=1600), id="larger images of the same"),
        pytest.param(version(100, 1, scale=1.1), id="a little larger"),
        pytest.param(version(2, 3, cups=0.9), id="too few images to tell"),
        pytest.param(VersionLabels(NAMES, []), id="no image"),
        pytest.param(version(0), id="no object"),
    ],
)
def test_what_is_near_or_unknown_is_not(new: VersionLabels) -> None:
    assert not list(compare_distributions(version(100), new).findings())


def test_a_renamed_class_is_the_same_class() -> None:
    new = version(100, 1, names={1: "mug", 2: "fork"})
    assert not list(compare_distributions(version(100), new, {"cup": "mug"}).findings())
    (sentence,) = compare_distributions(version(100), new).findings()
    assert "'mug' +" in sentence
    assert "'cup' -" in sentence


def test_the_size_is_the_geometric_mean_in_the_image() -> None:
    ratio = compare_distributions(version(50), version(50, scale=1.5)).size
    assert ratio is not None
    assert ratio.value == pytest.approx(1.5)
    assert ratio.low < 1.5 < ratio.high
    assert ratio.low * ratio.high == pytest.approx(1.5**2)


@pytest.mark.parametrize("seed", range(5))
def test_the_standard_error_is_that_of_resampled_images(seed: int) -> None:
    old, new = version(60, seed), version(60, seed + 50)
    size = compare_distributions(old, new).size
    assert size is not None
    generator = np.random.default_rng(seed)
    logs = [
        np.array([np.log(np.prod(image.boxes[:, 2:], axis=1)).sum() / 10 for image in each.images])
        for each in (old, new)
    ]
    changes = [
        logs[1][generator.integers(60, size=60)].mean()
        - logs[0][generator.integers(60, size=60)].mean()
        for _ in range(2000)
    ]
    low, high = np.exp(np.quantile(changes, [0.025, 0.975]))
    assert math.log(size.high / size.low) == pytest.approx(math.log(high / low), rel=0.15)
