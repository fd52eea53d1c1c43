"""Shares and least numbers of classes, against the published implementation of the algorithm."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iterstrat.ml_stratifiers import IterativeStratification
from scipy.optimize import Bounds, LinearConstraint, milp

from rhymes.coco.stratification import TEST, TRAIN, VAL, Group, stratify

FRACTIONS = (0.7, 0.15, 0.15)


def groups_of(*classes: tuple[int, ...], split: int | None = None) -> list[Group]:
    return [Group(f"{split}-{n}", 1, ids, split) for n, ids in enumerate(classes)]


def long_tailed(images: int, classes: int, per_image: int, seed: int = 0) -> list[Group]:
    """As in a cafeteria: the second dish is half as frequent as the first, and so on."""
    generator = np.random.default_rng(seed)
    shares = 1 / np.arange(1, classes + 1)
    counts = generator.integers(0, 2 * per_image, images)
    return [
        Group(f"image {n}", 1, tuple(generator.choice(classes, k, False, shares / shares.sum())))
        for n, k in enumerate(np.minimum(counts, classes).tolist())
    ]


def held(groups: list[Group], splits: np.ndarray) -> np.ndarray:
    """Groups [split, class]."""
    table = np.zeros((3, 1 + max(max(g.classes, default=0) for g in groups)), dtype=int)
    for group, split in zip(groups, splits, strict=True):
        table[split, list(set(group.classes))] += 1
    return table


def deviation(table: np.ndarray) -> float:
    """Mean difference from a class's share, in images."""
    return float(np.abs(table - np.outer(FRACTIONS, table.sum(axis=0))).mean())


@pytest.mark.parametrize(
    ("images", "classes", "per_image"),
    [
        pytest.param(400, 3, 2, id="few classes"),
        pytest.param(1000, 40, 4, id="many classes"),
        pytest.param(5000, 278, 5, id="cafeteria"),
    ],
)
def test_as_even_as_the_published_implementation(images: int, classes: int, per_image: int) -> None:
    groups = long_tailed(images, classes, per_image)
    labels = np.zeros((images, classes), dtype=bool)
    for row, group in enumerate(groups):
        labels[row, list(group.classes)] = True
    theirs = IterativeStratification(labels, np.array(FRACTIONS), np.random.RandomState(0))
    ours = stratify(groups, FRACTIONS, seed=0)
    # A class in few images is given to each split on purpose, which the shares do not ask for.
    frequent = labels.sum(axis=0) >= 20
    theirs_by, ours_by = (deviation(held(groups, s)[:, frequent]) for s in (theirs, ours))
    assert ours_by <= max(theirs_by, 1.0), "an image more, on average over classes and splits"
    assert np.bincount(ours) / images == pytest.approx(FRACTIONS, abs=0.02)
    lacking = (held(groups, ours)[:, labels.sum(axis=0) >= 3] == 0).sum()
    assert lacking <= (held(groups, theirs)[:, labels.sum(axis=0) >= 3] == 0).sum()


@pytest.mark.parametrize("seed", range(5))
def test_every_class_in_three_groups_is_everywhere(seed: int) -> None:
    groups = long_tailed(200, 60, 3, seed)
    table = held(groups, stratify(groups, FRACTIONS, seed))
    assert (table[:, table.sum(axis=0) >= 3] > 0).all()


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        pytest.param(1, [1, 0, 0], id="one: trained on"),
        pytest.param(2, [1, 0, 1], id="two: trained on and tested"),
        pytest.param(3, [1, 1, 1], id="three: everywhere"),
        pytest.param(20, [14, 3, 3], id="twenty: shares"),
    ],
)
def test_groups_of_one_class(groups: int, expected: list[int]) -> None:
    splits = stratify(groups_of(*[(5,)] * groups), FRACTIONS, seed=1)
    assert np.bincount(splits, minlength=3).tolist() == expected


def test_three_images_of_three_classes_leave_no_split_empty() -> None:
    splits = stratify(groups_of((1,), (2,), (3,)), FRACTIONS, seed=1)
    assert sorted(splits) == [TRAIN, VAL, TEST]


def test_images_without_objects_are_shared_out_like_a_class() -> None:
    groups = groups_of(*[(1,)] * 80, *[()] * 20)
    splits = stratify(groups, FRACTIONS, seed=1)
    assert np.bincount(splits[80:], minlength=3).tolist() == [14, 3, 3]


def test_group_counts_by_its_images() -> None:
    """Two large groups and many small ones: the shares are those of images."""
    groups = [Group(f"large {n}", 30, (1,) * 30) for n in range(2)]
    groups += [Group(f"small {n}", 1, (1,)) for n in range(40)]
    splits = stratify(groups, FRACTIONS, seed=1)
    images = np.bincount(splits, weights=[group.images for group in groups], minlength=3)
    assert images / images.sum() == pytest.approx(FRACTIONS, abs=0.05)


@pytest.mark.parametrize(
    ("fractions", "empty"),
    [
        pytest.param((0.8, 0.0, 0.2), VAL, id="no val"),
        pytest.param((0.8, 0.2, 0.0), TEST, id="no test"),
    ],
)
def test_split_of_zero_stays_empty(fractions: tuple[float, float, float], empty: int) -> None:
    groups = groups_of(*[(n % 7,) for n in range(100)])
    splits = stratify(groups, fractions, seed=1)
    assert (splits != empty).all()
    assert np.bincount(splits, minlength=3).max() == pytest.approx(80, abs=7)
    pinned = groups_of((1,), (2,), split=empty)
    assert (stratify(groups + pinned, fractions, seed=1)[-2:] == empty).all()


def sized(groups: list[Group], splits: np.ndarray) -> list[int]:
    """Images of each split."""
    return np.bincount(splits, [group.images for group in groups], 3).astype(int).tolist()


def differences(groups: list[Group], sizes: list[int]) -> list[float]:
    """How far each split is from its share, in the largest group that can be moved."""
    images = sum(sizes)
    largest = max(group.images for group in groups if group.split is None)
    return [
        abs(size - fraction * images) / largest
        for size, fraction in zip(sizes, FRACTIONS, strict=True)
    ]


def test_a_hundred_classes_of_three_images() -> None:
    groups = groups_of(*[(n % 100,) for n in range(300)])
    splits = stratify(groups, FRACTIONS, seed=1)
    assert np.bincount(splits).tolist() == pytest.approx([210, 45, 45], abs=1)
    table = held(groups, splits)
    assert (table[TRAIN] > 0).all()
    assert (table[[VAL, TEST]] <= 1).all(), "as many classes as there are images"


@pytest.mark.parametrize("seed", range(3))
def test_more_classes_than_a_split_has_images(seed: int) -> None:
    """71 classes in 126 images, each class in three images at least."""
    generator = np.random.default_rng(seed)
    slots = [class_id for class_id in range(71) for _ in range(3)] * 2
    generator.shuffle(slots)
    classes = [tuple(sorted(set(slots[n::126]))) for n in range(126)]
    groups = groups_of(*classes)
    splits = stratify(groups, FRACTIONS, seed=1)
    assert np.bincount(splits).tolist() == pytest.approx([88.2, 18.9, 18.9], abs=1)
    table = held(groups, splits)
    assert (table[TRAIN] > 0).all()
    # 19 images of three or four classes each have room for some 60 of them.
    assert (table[[TEST, VAL]] > 0).sum(axis=1).min() >= 50


@pytest.mark.parametrize("seed", range(5))
def test_few_large_groups(seed: int) -> None:
    """12 trays of 32 images in all: nine classes, five of them on a single tray."""
    generator = np.random.default_rng(seed)
    trays = [
        [(int(n),) for n in generator.integers(5, 9, 2 + (tray % 3 > 0))] for tray in range(12)
    ]
    for class_id, tray in enumerate(generator.choice(12, 5, replace=False).tolist()):
        trays[tray][0] += (class_id,)
    groups = [
        Group(str(n), len(t), tuple(c for each in t for c in each)) for n, t in enumerate(trays)
    ]
    splits = stratify(groups, FRACTIONS, seed=1)
    assert sum(group.images for group in groups) == 32
    assert (held(groups, splits)[TRAIN] > 0).all()
    assert max(differences(groups, sized(groups, splits))) <= 1


def test_classes_of_a_single_group_are_trained_on() -> None:
    """20 images of 20 classes: a test of what was never seen would say nothing."""
    groups = groups_of(*[(n,) for n in range(20)])
    assert np.bincount(stratify(groups, FRACTIONS, seed=1)).tolist() == [18, 1, 1]


@st.composite
def exports(draw: st.DrawFn) -> list[Group]:
    """Groups of up to five images and six classes, some with their split."""
    images = st.lists(st.frozensets(st.integers(1, 6), max_size=3), min_size=1, max_size=5)
    drawn = draw(st.lists(images, min_size=3, max_size=40))
    pins = st.sampled_from([None, None, None, None, TRAIN, VAL, TEST])
    return [
        Group(str(n), len(each), tuple(c for classes in each for c in sorted(classes)), draw(pins))
        for n, each in enumerate(drawn)
    ]


@settings(deadline=None, max_examples=100)
@given(exports(), st.integers(0, 3))
def test_train_has_every_class_that_it_can_have(groups: list[Group], seed: int) -> None:
    splits = stratify(groups, FRACTIONS, seed)
    free = [n for n, group in enumerate(groups) if group.split is None]
    if all(group.split is None for group in groups):
        assert set(splits.tolist()) == {TRAIN, VAL, TEST}, "no split is empty"
    table = held(groups, splits)
    if len(free) > 6 + 2:  # enough for a group of each class, and one for val and for test
        trainable = {c for n in free for c in groups[n].classes}
        assert all(table[TRAIN, c] for c in trainable)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(1, 5), min_size=20, max_size=60),
    st.lists(st.frozensets(st.integers(1, 6), max_size=3), min_size=60, max_size=60),
    st.integers(0, 3),
)
def test_fractions_are_met_within_one_group(
    sizes: list[int], classes: list[frozenset[int]], seed: int
) -> None:
    groups = [Group(str(n), size, tuple(sorted(classes[n])) * size) for n, size in enumerate(sizes)]
    splits = stratify(groups, FRACTIONS, seed)
    assert max(differences(groups, sized(groups, splits))) <= 1
    assert (held(groups, splits)[TRAIN] > 0)[sorted({c for g in groups for c in g.classes})].all()


def test_groups_that_have_a_split_count_towards_the_shares() -> None:
    pinned = groups_of(*[(1,)] * 15, split=TEST)
    splits = stratify(pinned + groups_of(*[(1,)] * 85), FRACTIONS, seed=1)
    assert (splits[:15] == TEST).all()
    assert np.bincount(splits, minlength=3).tolist() == [70, 15, 15]


def test_no_groups() -> None:
    assert stratify([], FRACTIONS, seed=1).tolist() == []


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.frozensets(st.integers(1, 6), max_size=3), min_size=1, max_size=40),
    st.lists(st.sampled_from([None, None, TRAIN, VAL, TEST]), min_size=40, max_size=40),
    st.integers(0, 3),
    st.randoms(),
)
def test_order_does_not_matter(
    classes: list[frozenset[int]], pins: list[int | None], seed: int, random: object
) -> None:
    groups = [Group(str(n), 1, tuple(sorted(c)), pins[n]) for n, c in enumerate(classes)]
    splits = dict(zip(groups, stratify(groups, FRACTIONS, seed), strict=True))
    assert all(group.split in (None, split) for group, split in splits.items())
    random.shuffle(groups)  # type: ignore[attr-defined]
    assert splits == dict(zip(groups, stratify(groups, FRACTIONS, seed), strict=True))


def test_another_seed_gives_another_split() -> None:
    groups = long_tailed(200, 10, 2)
    one, other = (stratify(groups, FRACTIONS, seed) for seed in (1, 2))
    assert (one != other).any()


def test_large_export_takes_seconds() -> None:
    shares = 1 / np.arange(1, 301)
    drawn = np.random.default_rng(1).choice(300, (50_000, 5), p=shares / shares.sum())
    groups = [Group(str(n), 1, tuple(set(row))) for n, row in enumerate(drawn.tolist())]
    start = time.process_time()
    stratify(groups, FRACTIONS, seed=1)
    assert time.process_time() - start < 15


def most_classes_in_test(groups: list[Group]) -> int:
    """Classes in test, where train has all of them and sizes are met within a group: exactly."""
    classes = sorted({class_id for group in groups for class_id in group.classes})
    sizes = np.array([group.images for group in groups])
    holds = np.array([[c in group.classes for group in groups] for c in classes], dtype=float)
    # Variables: a group is in test, in val; a class is in test.
    count, width = len(groups), len(classes)
    no = np.zeros((width, count))
    in_test_or_val = np.hstack([holds, holds, np.zeros((width, width))])
    in_test = np.hstack([holds, no, -np.eye(width)])
    once = np.hstack([np.eye(count), np.eye(count), np.zeros((count, width))])
    totals = np.zeros((3, 2 * count + width))
    totals[0, :count] = totals[1, count : 2 * count] = sizes
    totals[2, : 2 * count] = -np.tile(sizes, 2)
    asked = np.array([0.15, 0.15, 0.7]) * sizes.sum() - np.array([0, 0, sizes.sum()])
    found = milp(
        np.repeat([0.0, 0.0, -1.0], [count, count, width]),
        integrality=np.ones(2 * count + width),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(in_test_or_val, -np.inf, holds.sum(axis=1) - 1),
            LinearConstraint(in_test, 0, np.inf),
            LinearConstraint(once, -np.inf, 1),
            LinearConstraint(totals, asked - sizes.max(), asked + sizes.max()),
        ],
    )
    return round(-found.fun)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("images", "classes", "per_image"),
    [pytest.param(40, 20, 3, id="small"), pytest.param(60, 30, 2, id="many rare classes")],
)
def test_nearly_as_many_classes_in_test_as_an_exact_solver_places(
    images: int, classes: int, per_image: int, seed: int
) -> None:
    groups = long_tailed(images, classes, per_image, seed)
    table = held(groups, stratify(groups, FRACTIONS, seed))
    occurring = table.sum(axis=0) > 0
    assert (table[TRAIN, occurring] > 0).all()
    exact = most_classes_in_test(groups)
    assert exact - 2 <= (table[TEST] > 0).sum() <= exact
