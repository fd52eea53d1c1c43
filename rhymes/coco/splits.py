"""Train, val and test splits by groups of images that stay together.

A group is made of images that are joined: by equal keys, which names of images give (the frames of
one film, the copies that augmentation made of one image), or because somebody says so (images
whose content is nearly the same). Such images in train and in test would make a test score say
nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from rhymes.coco.joining import join_by_names
from rhymes.coco.stratification import Group, stratify
from rhymes.export.fetched import IndexedImage

SPLITS = ("train", "val", "test")


class SplitImage(Protocol):
    """What decides an image's split: its names and content, and its classes."""

    @property
    def files(self) -> tuple[IndexedImage, ...]: ...  # noqa: D102
    @property
    def class_ids(self) -> tuple[int, ...]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class ImageGroup:
    """Images that stay together.

    Attributes:
        images: their positions among all images, ascending.
        keys: by which they are joined, sorted; none where contents alone join them.
    """

    images: tuple[int, ...]
    keys: tuple[str, ...] = ()


def group_images(
    images: Sequence[SplitImage],
    keys: Mapping[str, str] | None = None,
    joined: Iterable[Sequence[int]] = (),
) -> list[ImageGroup]:
    """Join images, directly or through others.

    Args:
        images: in any order; no two of them have the same content.
        keys: name of an image in the export -> key; images with equal keys are joined.
        joined: sets of positions of images that are joined as well.

    Returns:
        The groups, in the order of their first images; each image is in one of them.
    """
    keys = keys or {}
    of_images = [_keys(image, keys) for image in images]
    names: list[list[Hashable]] = [list(found) for found in of_images]
    for number, indices in enumerate(joined):
        for index in indices:
            names[index].append(number)  # no text, so that it equals no key
    return [
        ImageGroup(tuple(indices), tuple(sorted({key for i in indices for key in of_images[i]})))
        for indices in join_by_names(names)
    ]


def _keys(image: SplitImage, keys: Mapping[str, str]) -> list[str]:
    return [keys[file.source] for file in image.files if file.source in keys]


@dataclass(frozen=True)
class Assignment:
    """The outcome of a split.

    Attributes:
        splits: for each image its position in `SPLITS`.
        groups: how many groups each split has.
        largest_group: how many images it has.
    """

    splits: list[int]
    groups: dict[str, int]
    largest_group: int


def assign_splits(
    images: Sequence[SplitImage],
    groups: Sequence[ImageGroup],
    fractions: tuple[float, float, float],
    seed: int,
    pinned: Mapping[int, int] | None = None,
) -> Assignment:
    """Give each group a split; see `rhymes.coco.stratification.stratify` for how.

    Args:
        images: in any order, which does not matter.
        groups: from `group_images`.
        fractions: of train, val and test, see `stratify`.
        seed: see `stratify`.
        pinned: position of a group -> position in `SPLITS`, which it keeps.
    """
    pinned = pinned or {}
    stratified = [
        _to_stratified(images, group, pinned.get(number)) for number, group in enumerate(groups)
    ]
    splits: list[int] = stratify(stratified, fractions, seed).tolist()
    of_image = [0] * len(images)
    for group, split in zip(groups, splits, strict=True):
        for index in group.images:
            of_image[index] = split
    counts = {name: splits.count(number) for number, name in enumerate(SPLITS)}
    return Assignment(of_image, counts, max((len(group.images) for group in groups), default=0))


def _to_stratified(images: Sequence[SplitImage], group: ImageGroup, split: int | None) -> Group:
    members = [images[index] for index in group.images]
    # Names change more easily than pixels: other metadata or another host move no image.
    key = group.keys[0] if group.keys else min(f.pixels_sha256 for m in members for f in m.files)
    classes = members[0].class_ids  # shared with the image, as most groups have but one
    if len(members) > 1:
        classes = tuple(chain.from_iterable(member.class_ids for member in members))
    return Group(key, len(members), classes, split)
