"""Which images of two versions are the same."""

from __future__ import annotations

import numpy as np

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
