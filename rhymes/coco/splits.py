"""Train, val and test splits by groups of images that stay together, pinned in splits.csv.

A group is made of images of the same bytes and, with a pattern, of images whose names agree (the
frames of one film, the copies that augmentation made of one image): such images in train and in
test would make a test score say nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol

from rhymes.coco.stratification import Group, stratify
from rhymes.common.csv import load_rows, save_rows
from rhymes.common.errors import InputError

SPLITS = ("train", "val", "test")
COLUMNS = ("group", "split")


class SplitImage(Protocol):
    """What decides an image's split: its name in the export, its bytes' hash, its classes."""

    @property
    def source(self) -> str: ...  # noqa: D102
    @property
    def sha256(self) -> str: ...  # noqa: D102
    @property
    def class_ids(self) -> tuple[int, ...]: ...  # noqa: D102


@dataclass(frozen=True)
class Assignment:
    """The outcome of a split.

    Attributes:
        splits: for each image, in the order given, its position in `SPLITS`.
        pins: group key -> split name, for all groups and for all earlier pins, by key.
        groups: how many groups each split has.
        largest_group: how many images it has.
        missing: pinned keys that name nothing in the export.
    """

    splits: list[int]
    pins: dict[str, str]
    groups: dict[str, int]
    largest_group: int
    missing: tuple[str, ...]


def load_pins(path: Path) -> dict[str, str]:
    """Read a splits.csv: group key -> train, val or test.

    Raises:
        InputError: the file cannot be read, a key is empty or given two splits, or a split has
            another name; with the row.
    """
    pins: dict[str, str] = {}
    for row in load_rows(path, COLUMNS):
        key, split = row.cells["group"], row.cells["split"].strip()
        if not key:
            raise InputError(f"{path}: row {row.number}: the group is empty")
        if split not in SPLITS:
            raise InputError(
                f"{path}: row {row.number}: split '{split}' of group '{key}'; "
                f"it must be one of {', '.join(SPLITS)}"
            )
        if pins.setdefault(key, split) != split:
            raise InputError(
                f"{path}: row {row.number}: group '{key}' is in {pins[key]} by an earlier row "
                f"and in {split} here; delete one of the two"
            )
    return pins


def save_pins(path: Path, pins: Mapping[str, str]) -> None:
    """Write a splits.csv, sorted by key, so that a version control diff shows what is new."""
    save_rows(path, COLUMNS, sorted(pins.items()))


def compile_group_pattern(pattern: str | None, where: str) -> re.Pattern[str] | None:
    """Compile a regular expression from the parameters; `where` names the key in an error."""
    try:
        return None if pattern is None else re.compile(pattern)
    except re.error as error:
        raise InputError(f"{where}: not a regular expression: {pattern!r}: {error}") from None


def source_to_key(source: str, pattern: re.Pattern[str] | None) -> str | None:
    """Return the key that a pattern finds in an image's name: its first group, or the whole match.

    None where it does not match or finds nothing: an empty key would join unrelated images.
    """
    match = pattern.search(source) if pattern else None
    if match is None:
        return None
    return match[1 if match.re.groups else 0] or None


def assign_splits(
    images: Sequence[SplitImage],
    fractions: tuple[float, float, float],
    seed: int,
    pattern: re.Pattern[str] | None = None,
    pins: Mapping[str, str] | None = None,
) -> Assignment:
    """Give each image a split; see `rhymes.coco.stratification.stratify` for how.

    A group's key is what the pattern finds in its images' names (several keys where images of the
    same bytes join them), else the SHA-256 of its image's bytes. A pin counts for the group that
    has its key, and also if it is an image's SHA-256 or its name in the export, so that pins
    outlive the introduction of a pattern and can be written by hand.

    Args:
        images: in any order, which does not matter.
        fractions: of train, val and test, see `stratify`.
        seed: see `stratify`.
        pattern: from `compile_group_pattern`.
        pins: from `load_pins`; they win over everything.

    Raises:
        InputError: images of one group are pinned to different splits.
    """
    pins = dict(pins or {})
    names = [_names(image, pattern) for image in images]
    members = _images_to_groups(names)
    groups = [_group([images[i] for i in m], [names[i] for i in m], pins) for m in members]
    splits = stratify(groups, fractions, seed).tolist()
    missing = set(pins).difference((image.source for image in images), *names)
    of_image = [0] * len(images)
    for group, split in zip(members, splits, strict=True):
        for index in group:
            of_image[index] = split
        for key in _keys([names[index] for index in group]):
            pins.setdefault(key, SPLITS[split])
    counts = {name: splits.count(number) for number, name in enumerate(SPLITS)}
    largest = max(map(len, members), default=0)
    return Assignment(of_image, dict(sorted(pins.items())), counts, largest, tuple(sorted(missing)))


def _names(image: SplitImage, pattern: re.Pattern[str] | None) -> tuple[str, ...]:
    """Return the names by which an image joins a group: its hash, and its key if it has one."""
    key = source_to_key(image.source, pattern)
    return (image.sha256,) if key is None else (image.sha256, key)


def _images_to_groups(names: Sequence[tuple[str, ...]]) -> list[list[int]]:
    """Join images that share a name, directly or through others (union-find)."""
    parents: dict[str, str] = {}

    def find(name: str) -> str:
        root = name
        while parents.setdefault(root, root) != root:
            root = parents[root]
        while parents[name] != root:
            parents[name], name = root, parents[name]
        return root

    for first, *others in names:
        for other in others:
            parents[find(other)] = find(first)
    groups: dict[str, list[int]] = {}
    for index, (first, *_) in enumerate(names):
        groups.setdefault(find(first), []).append(index)
    return list(groups.values())


def _keys(names: Iterable[tuple[str, ...]]) -> list[str]:
    """Return a group's keys: those that the pattern found, else its only image's hash."""
    names = list(names)
    return sorted({key for _, *found in names for key in found} or {names[0][0]})


def _group(
    images: Sequence[SplitImage], names: Sequence[tuple[str, ...]], pins: Mapping[str, str]
) -> Group:
    candidates = {image.source for image in images}.union(*names)
    pinned = {pins[name]: name for name in sorted(candidates) if name in pins}  # one a split
    if len(pinned) > 1:
        (one_split, one), (other_split, other) = sorted(pinned.items())[:2]
        raise InputError(
            f"splits.csv: '{one}' is pinned to {one_split} and '{other}' to {other_split}, but "
            f"they belong to one group of images ({_why(images, names)}), which would leak from "
            "one split into another; give both the same split or delete one"
        )
    classes = images[0].class_ids  # shared with the image, as most groups have but one
    if len(images) > 1:
        classes = tuple(chain.from_iterable(image.class_ids for image in images))
    split = SPLITS.index(next(iter(pinned))) if pinned else None
    return Group(_keys(names)[0], len(images), classes, split)


def _why(images: Sequence[SplitImage], names: Sequence[tuple[str, ...]]) -> str:
    shown = ", ".join(sorted(image.source for image in images)[:3])
    return f"same bytes or same coco.group_pattern key: {', '.join(_keys(names)[:2])}; {shown}"
