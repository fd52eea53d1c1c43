"""Stratified splits: groups of images -> train, val and test with each class's share in each.

Iterative stratification (Sechidis, Tsoumakas, Vlahavas: On the Stratification of Multi-Label Data,
ECML PKDD 2011): the class with the fewest groups left is dealt out first, each group to the split
that lacks most of that class. Added here are groups that have their split already, and a least
number of groups a class (15 % of a class with three groups rounds to none), for which groups are
moved afterwards.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TRAIN, VAL, TEST = range(3)

# Who gets a group of a class that has too few for all: trained on first, then measured.
_PREFERENCE = (TRAIN, TEST, VAL)

_MAX_MOVES = 5

Ints = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Group:
    """Images that must stay together.

    Attributes:
        key: names the group; with the seed it decides the order in which groups are dealt.
        images: how many images the group has.
        classes: class ids, each as often as there are images in the group that hold it.
        split: the split that the group has already, or None.
    """

    key: str
    images: int
    classes: tuple[int, ...]
    split: int | None = None


def stratify(groups: Sequence[Group], fractions: tuple[float, float, float], seed: int) -> Ints:
    """Give each group a split.

    A class counts by the images that hold it, not by its objects, so that one crowded image does
    not outweigh many. Images without objects are shared out like a class. Every class in as many
    groups as there are splits gets one in each, as far as the classes that share its groups allow
    (a search that moves single groups, not an exhaustive one); of two groups train gets one and
    test the other, and a single one is trained on, unless a class of more groups needs it. With
    three groups in all no split stays empty.

    Args:
        groups: in any order: the result for a group depends on the set of groups alone.
        fractions: of all images, for train, val and test; a split of 0 gets only the groups that
            have it already.
        seed: decides which of equal groups goes where.

    Returns:
        int8 [len(groups)]: 0 train, 1 val, 2 test.
    """
    return _Dealer(groups, fractions, seed).deal()


class _Dealer:
    """The state while groups are dealt out; classes are columns, see `_Table`."""

    def __init__(
        self, groups: Sequence[Group], fractions: tuple[float, float, float], seed: int
    ) -> None:
        self.groups = groups
        self.wanted = [split for split in _PREFERENCE if fractions[split] > 0]
        self.table = _Table(groups)
        self.splits = np.full(len(groups), -1, dtype=np.int8)
        # By column: groups in all, groups not dealt yet; by split and column: groups it has, and
        # images it lacks to its share.
        self.size = np.bincount(self.table.columns, minlength=self.table.width)
        self.left = self.size.copy()
        self.held = np.zeros((3, self.table.width), dtype=np.int64)
        totals = np.bincount(self.table.columns, self.table.images, self.table.width)
        self.lacking = np.outer(fractions, totals)
        self.order = sorted(range(len(groups)), key=lambda index: _rank(groups[index].key, seed))

    def deal(self) -> Ints:
        for index, group in enumerate(self.groups):
            if group.split is not None:
                self._give(index, group.split)
        members: list[list[int]] = [[] for _ in range(self.table.width)]
        for index in self.order:
            for column in self.table.row(index)[0].tolist():
                members[column].append(index)
        while self.left.any():
            column = int(np.argmin(np.where(self.left > 0, self.left, np.iinfo(np.int64).max)))
            for index in members[column]:
                if self.splits[index] < 0:
                    self._give(index, self._choose(column))
        self._fill_empty(members)
        self._even_out()
        return self.splits

    def _give(self, index: int, split: int) -> None:
        columns, images = self.table.row(index)
        self.splits[index] = split
        self.left[columns] -= 1
        self.held[split, columns] += 1
        self.lacking[split, columns] -= images

    def _choose(self, column: int) -> int:
        """Return the split that lacks most of a class, or one without it while groups are few."""
        without = [split for split in self.wanted if not self.held[split, column]]
        if self.left[column] <= len(without):
            return without[0]
        return max(
            self.wanted, key=lambda split: (self.lacking[split, column], self.lacking[split, -1])
        )

    def _fill_empty(self, members: list[list[int]]) -> None:
        """Move groups to splits that have none of a class which has groups enough for all.

        A move may empty one other such class, whose turn then comes, so that the number of pairs
        (class, split) without a group never grows; how often a group moves is limited, so that
        this ends.
        """
        empty = [
            (column, split)
            for column in np.argsort(self.size, kind="stable").tolist()
            for split in self.wanted
            if self.size[column] >= len(self.wanted) and not self.held[split, column]
        ]
        moves = np.zeros(len(self.groups), dtype=np.int8)
        while empty:
            column, split = empty.pop()
            if self.held[split, column]:
                continue
            options = [
                (len(emptied), rare, -self._gain(index, split), index, emptied)
                for index in members[column]
                if self.groups[index].split is None and moves[index] < _MAX_MOVES
                for emptied, rare in [self._emptied_by_moving(index)]
            ]
            if options and (best := min(options, key=lambda option: option[:3]))[0] <= 1:
                *_, index, emptied = best
                old = int(self.splits[index])
                self._move(index, split)
                moves[index] += 1
                empty.extend((other, old) for other in emptied)

    def _even_out(self) -> None:
        """Move groups that fit better elsewhere, while no class loses its only group of a split.

        What the least numbers took from train comes back, group by group, as far as it can.
        """
        for index in self.order:
            old = self.splits[index]
            columns, _ = self.table.row(index)
            if self.groups[index].split is not None or (self.held[old, columns] == 1).any():
                continue
            gain, split = max((self._gain(index, split), split) for split in self.wanted)
            if split != old and gain > 0:
                self._move(index, split)

    def _emptied_by_moving(self, index: int) -> tuple[list[int], int]:
        """Return the classes that a group's split would lose, and how many rare ones with them.

        Rare are those in fewer groups than there are splits: they cannot be everywhere.
        """
        columns, split = self.table.row(index)[0], self.splits[index]
        last = columns[self.held[split, columns] == 1]
        enough = self.size[last] >= len(self.wanted)
        wanted = int(split) in self.wanted
        return last[enough & wanted].tolist(), int((~enough).sum())

    def _gain(self, index: int, split: int) -> float:
        """How far a move shrinks the sum of squared differences from the shares (halved)."""
        columns, images = self.table.row(index)
        lacking = self.lacking[split, columns] - self.lacking[self.splits[index], columns]
        return float((images * (lacking - images)).sum())

    def _move(self, index: int, split: int) -> None:
        (columns, images), old = self.table.row(index), self.splits[index]
        self.held[old, columns] -= 1
        self.lacking[old, columns] += images
        self.left[columns] += 1
        self._give(index, split)


class _Table:
    """For each group its columns, and how many of its images each stands for.

    Columns are the classes that occur, then the images without objects, then all images: the last
    keeps the splits' sizes right. All rows lie in two arrays, as an array for each of 20,000
    groups would take several times the memory.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        classes = sorted({class_id for group in groups for class_id in group.classes})
        columns_by_class = {class_id: column for column, class_id in enumerate(classes)}
        columns, images, self._ends = array("i"), array("i"), array("q", [0])
        for group in groups:
            counts = Counter(columns_by_class[class_id] for class_id in group.classes)
            if not counts:
                counts[len(classes)] = group.images
            counts[len(classes) + 1] = group.images
            for column, count in sorted(counts.items()):
                columns.append(column)
                images.append(count)
            self._ends.append(len(columns))
        self.width = len(classes) + 2
        self.columns: Ints = np.asarray(columns, dtype=np.int32)
        self.images: Ints = np.asarray(images, dtype=np.int32)

    def row(self, index: int) -> tuple[Ints, Ints]:
        """Return a group's columns and image counts."""
        row = slice(self._ends[index], self._ends[index + 1])
        return self.columns[row], self.images[row]


def _rank(key: str, seed: int) -> bytes:
    """Return a group's sort key in a shuffled order that other groups do not change."""
    return hashlib.sha256(f"{seed}:{key}".encode()).digest()
