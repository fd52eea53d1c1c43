"""Which images of two versions are the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rhymes.data_diff.data_comparison import pair_images
from rhymes.data_diff.image_labels import ImageLabels


def image(content: str, source: str, split: str = "train") -> ImageLabels:
    none = np.zeros(0)
    return ImageLabels(
        f"{content}.jpg", f"images/{source}.jpg", split, 9, 9, none.reshape(0, 4),
        none.astype(np.int64), none.astype(np.int32),
    )  # fmt: skip


def test_by_bytes_and_name_then_bytes_then_name() -> None:
    old = [image("1", "a"), image("2", "b"), image("3", "c"), image("4", "gone")]
    new = [
        image("5", "new"), image("1", "a", "test"), image("2", "renamed"), image("6", "c"),
    ]  # fmt: skip
    found = pair_images(old, new)
    assert [(pair.old.name, pair.new.name) for pair in found.pairs] == [
        ("a.jpg", "a.jpg"), ("b.jpg", "renamed.jpg"), ("c.jpg", "c.jpg"),
    ]  # fmt: skip
    changed_split, renamed, replaced = found.pairs
    assert (
        changed_split.has_changed_split,
        changed_split.is_renamed,
        changed_split.is_replaced,
    ) == (
        True,
        False,
        False,
    )
    assert (renamed.has_changed_split, renamed.is_renamed, renamed.is_replaced) == (
        False,
        True,
        False,
    )
    assert (replaced.has_changed_split, replaced.is_renamed, replaced.is_replaced) == (
        False, False, True,
    )  # fmt: skip
    assert [each.name for each in found.removed] == ["gone.jpg"]
    assert [each.name for each in found.added] == ["new.jpg"]


def test_images_of_the_same_bytes_keep_their_names() -> None:
    old, new = (
        [image("1", "a"), image("1", "b")],
        [image("1", "b"), image("1", "c"), image("1", "a")],
    )
    found = pair_images(old, new)
    assert [(pair.old.name, pair.new.name) for pair in found.pairs] == [
        ("b.jpg", "b.jpg"), ("a.jpg", "a.jpg"),
    ]  # fmt: skip
    assert [each.name for each in found.added] == ["c.jpg"]


def test_exchanged_names_follow_the_bytes() -> None:
    found = pair_images([image("1", "a"), image("2", "b")], [image("2", "a"), image("1", "b")])
    assert [(pair.old.file_name, pair.new.file_name) for pair in found.pairs] == [
        ("2.jpg", "2.jpg"), ("1.jpg", "1.jpg"),
    ]  # fmt: skip


def merged(content: str, *sources: str) -> ImageLabels:
    first, *others = (f"images/{source}.jpg" for source in sources)
    return replace(image(content, sources[0]), source=first, other_sources=tuple(others))


@pytest.mark.parametrize(
    ("old", "new", "replaced", "renamed"),
    [
        pytest.param(("1", "b"), ("2", "a", "b"), True, False, id="merged since"),
        pytest.param(("1", "a", "b"), ("2", "b"), True, False, id="parted since"),
        pytest.param(("1", "a", "b"), ("2", "b", "a"), True, False, id="other order of the rows"),
        pytest.param(("1", "a", "b"), ("1", "b", "c"), False, False, id="one name in common"),
        pytest.param(("1", "a", "b"), ("1", "c", "d"), False, True, id="no name in common"),
    ],
)
def test_image_of_several_names(
    old: tuple[str, ...], new: tuple[str, ...], replaced: bool, renamed: bool
) -> None:
    (pair,) = pair_images([merged(*old)], [image("9", "other"), merged(*new)]).pairs
    assert pair.new.source == f"images/{new[1]}.jpg"
    assert (pair.is_replaced, pair.is_renamed) == (replaced, renamed)


def test_image_of_several_names_is_paired_once() -> None:
    found = pair_images(
        [merged("1", "a", "b"), image("2", "c")], [image("3", "a"), image("4", "b")]
    )
    assert [(pair.old.name, pair.new.name) for pair in found.pairs] == [("a.jpg", "a.jpg")]
    assert [each.name for each in found.removed] == ["c.jpg"]
    assert [each.name for each in found.added] == ["b.jpg"]
