"""Groups that stay together, and splits that do not depend on the order of anything."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhymes.coco.splits import SPLITS, assign_splits, group_images
from tests.support.split_images import FRACTIONS, Image, image_of


def assign(
    images: list[Image],
    keys: dict[str, str] | None = None,
    joined: list[list[int]] | None = None,
    seed: int = 1,
) -> dict[str, str]:
    groups = group_images(images, keys, joined or [])
    assignment = assign_splits(images, groups, FRACTIONS, seed)
    return {
        image.files[0].source: SPLITS[split]
        for image, split in zip(images, assignment.splits, strict=True)
    }


@pytest.mark.parametrize(
    ("keys", "joined", "groups"),
    [
        pytest.param({}, [], [(0,), (1,), (2,), (3,)], id="nothing joins"),
        pytest.param({"a": "k", "c": "k"}, [], [(0, 2), (1,), (3,)], id="equal keys"),
        pytest.param({"a": "k", "c": "l"}, [], [(0,), (1,), (2,), (3,)], id="other keys"),
        pytest.param({}, [[0, 2], [2, 3]], [(0, 2, 3), (1,)], id="sets that overlap"),
        pytest.param({"a": "k", "b": "k"}, [[1, 3]], [(0, 1, 3), (2,)], id="key and set"),
        pytest.param({"D": "k", "a": "k"}, [], [(0, 3), (1,), (2,)], id="another name's key"),
        pytest.param(
            {"d": "k", "D": "l", "a": "k", "b": "l"}, [], [(0, 1, 3), (2,)], id="two keys"
        ),
        pytest.param({"elsewhere": "k", "a": "k"}, [], [(0,), (1,), (2,), (3,)], id="absent name"),
    ],
)
def test_groups(
    keys: dict[str, str], joined: list[list[int]], groups: list[tuple[int, ...]]
) -> None:
    images = [image_of("a"), image_of("b"), image_of("c"), image_of("d", "D")]
    found = group_images(images, keys, joined)
    assert [group.images for group in found] == groups
    for group in found:
        names = [file.source for index in group.images for file in images[index].files]
        assert group.keys == tuple(sorted({keys[name] for name in names if name in keys}))


def test_groups_stay_together() -> None:
    images = [image_of(f"film{n}/{m}.jpg") for n in range(20) for m in range(5)]
    keys = {file.source: file.source.split("/")[0] for image in images for file in image.files}
    joined = [[0, 99], [5, 7]]
    splits = assign(images, keys, joined)
    for n in range(20):
        assert len({splits[f"film{n}/{m}.jpg"] for m in range(5)}) == 1
    assert splits["film0/0.jpg"] == splits["film19/4.jpg"]
    assert set(splits.values()) == set(SPLITS)


def test_groups_are_counted() -> None:
    images = [image_of(f"{n}.jpg") for n in range(10)]
    groups = group_images(images, joined=[[0, 1, 2]])
    assignment = assign_splits(images, groups, FRACTIONS, 1)
    assert sum(assignment.groups.values()) == 8
    assert assignment.largest_group == 3
    assert assign_splits([], [], FRACTIONS, 1).largest_group == 0


@pytest.mark.parametrize("split", range(3))
def test_pinned_groups_stay(split: int) -> None:
    images = [image_of(f"{n}.jpg") for n in range(20)]
    groups = group_images(images, joined=[[3, 4]])
    for number in range(4):
        assignment = assign_splits(images, groups, FRACTIONS, 1, {number: split})
        assert [assignment.splits[index] for index in groups[number].images] == [split] * len(
            groups[number].images
        )


def test_order_of_the_rows_does_not_matter() -> None:
    images = [image_of(f"{n}.jpg", classes=(n % 7, n % 3 + 7)) for n in range(100)]
    shuffled = random.Random(1).sample(images, len(images))
    assert assign(images) == assign(shuffled)
    assert assign(images) != assign(images, seed=2)


def test_names_and_metadata_do_not_matter() -> None:
    images = [image_of(f"{n}.jpg", classes=(n % 7,)) for n in range(60)]
    moved = [
        replace(
            image,
            files=tuple(
                file._replace(source=f"cdn/{file.source}", original_sha256="x", sha256="y")
                for file in image.files
            ),
        )
        for image in images
    ]
    assert [*assign(images).values()] == [*assign(moved).values()]


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.sets(st.integers(0, 30), min_size=2, max_size=4), max_size=10),
    st.dictionaries(st.integers(0, 30), st.sampled_from("abc")),
    st.integers(0, 3),
)
def test_joined_images_are_never_parted(
    joined: list[set[int]], keys: dict[int, str], seed: int
) -> None:
    images = [image_of(str(n), classes=(n % 4,)) for n in range(31)]
    by_name = {str(n): key for n, key in keys.items()}
    splits = assign(images, by_name, [sorted(each) for each in joined], seed)
    for each in joined:
        assert len({splits[str(n)] for n in each}) == 1
    for key in "abc":
        assert len({splits[name] for name, found in by_name.items() if found == key}) <= 1
