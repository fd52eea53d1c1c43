"""Stratified splits: groups of images -> train, val and test with each class's share in each.

The base is iterative stratification (Sechidis, Tsoumakas, Vlahavas: On the Stratification of
Multi-Label Data, ECML PKDD 2011): the class with the fewest groups left is dealt out first, each
group to the split that lacks most of that class. It starves splits where classes are in few groups:
shares of three images round to nothing or to everything. So groups are moved afterwards, for what
matters most first: every class in train, the asked sizes, every class in test, every class in val.

All numbers are integers, so that a split is the same on every machine.
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

# Who comes first where there is too little for all: trained on first, then measured.
_PREFERENCE = (TRAIN, TEST, VAL)

# Images are counted in millionths, so that shares of them are integers.
_SCALE = 1_000_000

_MAX_PASSES = 8
_MAX_MOVES = 5  # of one group in the search for classes of a split
_MAX_WORK = 200_000_000  # entries of the table that this search looks at: some seconds

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
    not outweigh many. Images without objects are shared out like a class. What is wanted, the more
    important first:

    1. No split is empty, where there are as many groups as splits; of two groups one is tested on.
    2. Every class is in train.
    3. The splits have the asked sizes, within the images of one group.
    4. As many classes as possible are in test, then in val. Groups are moved and exchanged one by
       one while that brings a class more: a search, not an exhaustive one.
    5. Each class has its share in each split.

    Groups that have their split already stay there, and count.

    Args:
        groups: in any order: the result for a group depends on the set of groups alone.
        fractions: of all images, for train, val and test; a split of 0 gets only the groups that
            have it already.
        seed: decides which of equal groups goes where.

    Returns:
        int8 [len(groups)]: 0 train, 1 val, 2 test.
    """
    if not groups:
        return np.zeros(0, dtype=np.int8)
    # The search sees groups in the order of their rank alone.
    order = sorted(range(len(groups)), key=lambda index: _rank(groups[index].key, seed))
    ranked = [groups[index] for index in order]
    deal = _Deal(ranked, fractions)
    deal.hand_out()
    deal.cover_train()
    deal.fill_empty_splits()
    deal.fit_sizes()
    for split in (TEST, VAL):
        if fractions[split] > 0:
            deal.cover(split)
    deal.even_out()
    splits = np.empty(len(groups), dtype=np.int8)
    splits[order] = deal.splits
    return splits


class _Deal:
    """Which group is in which split; classes are columns, see `_Table`.

    Attributes:
        splits: int8 [groups]: -1 while not dealt.
    """

    def __init__(self, groups: Sequence[Group], fractions: tuple[float, float, float]) -> None:
        self._table = _Table(groups)
        self.splits = np.full(len(groups), -1, dtype=np.int8)
        self._wanted = [split for split in _PREFERENCE if fractions[split] > 0]
        self._pinned = np.array([g.split is not None for g in groups], dtype=bool)
        # By column: groups that are not dealt yet. By split and column: groups it has, and
        # millionths of images that it lacks to its share.
        self._left = np.bincount(self._table.columns, minlength=self._table.width)
        self._held = np.zeros((3, self._table.width), dtype=np.int64)
        shares = [round(fraction * _SCALE) for fraction in fractions]
        totals = np.zeros(self._table.width, dtype=np.int64)
        np.add.at(totals, self._table.columns, self._table.images)
        self._lacking = np.outer(shares, totals)
        self._members = self._table.columns_to_groups()
        for index, group in enumerate(groups):
            if group.split is not None:
                self._give(index, group.split)
        movable = self._table.sizes[~self._pinned]
        self._largest = _SCALE * int(movable.max(initial=0))
        self._work = _MAX_WORK

    def hand_out(self) -> None:
        """Iterative stratification."""
        while self._left.any():
            column = int(np.argmin(np.where(self._left > 0, self._left, np.iinfo(np.int64).max)))
            for index in self._members[column].tolist():
                if self.splits[index] < 0:
                    self._give(index, self._lacks_most(column))

    def _lacks_most(self, column: int) -> int:
        lacking = self._lacking
        return max(self._wanted, key=lambda split: (lacking[split, column], lacking[split, -1]))

    def cover_train(self) -> None:
        """Move groups to train that hold a class which train has not."""
        for column in self._missing(TRAIN):
            if not self._held[TRAIN, column] and (options := self._movable(column)):
                self._move(max(options, key=lambda i: (self._news(i, TRAIN), -i)), TRAIN)

    def fill_empty_splits(self) -> None:
        """Give a group to a split without one, from train, where that costs the fewest classes."""
        for split in self._wanted:
            donors = (self.splits == TRAIN) & ~self._pinned
            if not self._held[split, -1] and self._held[TRAIN, -1] > 1 and donors.any():
                losses = np.where(donors, self._losses(), np.iinfo(np.int64).max)
                self._move(int(np.argmin(losses)), split)

    def fit_sizes(self) -> None:
        """Move groups from splits that are too large, while train keeps its classes."""
        for _ in range(_MAX_PASSES):
            lacking = self._lacking[:, -1]
            giver = min(self._wanted, key=lambda split: lacking[split])
            taker = max(self._wanted, key=lambda split: lacking[split])
            options = np.flatnonzero((self.splits == giver) & ~self._pinned)
            gains, losses = self._gains(taker)[options], self._losses()[options]
            moved = False
            for index in options[np.lexsort((-gains, losses))].tolist():
                is_kept = giver == TRAIN and self._loss(index) > 0
                is_kept |= self._held[giver, -1] == 1
                if self._is_better_sized(index, taker) and not is_kept:
                    self._move(index, taker)
                    moved = True
            if not moved:
                return

    def _is_better_sized(self, index: int, split: int) -> bool:
        """Whether a move brings the splits' sizes nearer to what is asked."""
        lacking = self._lacking[:, -1]
        return bool(
            lacking[split] - lacking[self.splits[index]] > _SCALE * self._table.sizes[index]
        )

    def cover(self, split: int) -> None:
        """Bring classes into a split that has none of them, as far as `_score` gets better.

        Changes that make nothing better or worse are made as well, as they may open the way for
        one that does; the best state that was met is kept.
        """
        best, kept = self._score(), self.splits.copy()
        moves = np.zeros(len(self.splits), dtype=np.int64)
        for _ in range(_MAX_PASSES):
            changed = False
            for column in self._missing(split):
                if not self._held[split, column] and self._work > 0:
                    changed |= self._cover_column(column, split, moves)
                    if (score := self._score()) < best:
                        best, kept = score, self.splits.copy()
            if not changed:
                break
        for index in np.flatnonzero(self.splits != kept).tolist():
            self._move(index, int(kept[index]))

    def _cover_column(self, column: int, split: int, moves: Ints) -> bool:
        """Bring one class into a split, with the moves that make up for it; say if that went."""
        options = [i for i in self._movable(column) if moves[i] < _MAX_MOVES]
        before, oversize = self._score(), self._oversize()
        for index in sorted(options, key=lambda i: (-self._news(i, split), moves[i], i)):
            undo = [(index, int(self.splits[index]))]
            self._move(index, split)
            self._refill(index, undo)
            if self._oversize() > oversize:
                self._give_back(undo, oversize)
            if self._score() <= before:
                moves[[moved for moved, _ in undo]] += 1
                return True
            for moved, origin in reversed(undo):
                self._move(moved, origin)
        return False

    def _refill(self, taken: int, undo: list[tuple[int, int]]) -> None:
        """Move groups to where one was taken, for the classes that went with it."""
        split = undo[0][1]
        for column in self._table.row(taken)[0].tolist():
            options = [i for i in self._movable(column) if i != taken]
            if not self._held[split, column] and options:
                index = min(options, key=lambda i: (self._loss(i), i))
                undo.append((index, int(self.splits[index])))
                self._move(index, split)

    def _give_back(self, undo: list[tuple[int, int]], oversize: int) -> None:
        """Move a group out of the split that grew too large: the one that it can spare best."""
        lacking = self._lacking[:, -1]
        giver, *takers = sorted(self._wanted, key=lambda split: lacking[split])
        options = np.flatnonzero((self.splits == giver) & ~self._pinned)
        options = options[~np.isin(options, [index for index, _ in undo])]
        losses = self._losses()[options]
        for index in options[np.argsort(losses, kind="stable")].tolist():
            for taker in reversed(takers):
                self._move(index, taker)
                if self._oversize() <= oversize:
                    undo.append((index, giver))
                    return
                self._move(index, giver)

    def _score(self) -> tuple[int, ...]:
        """What a change must not make worse, the more important first; less is better."""
        missing = (self._held[self._wanted] == 0).sum(axis=1).tolist()
        empty = int((self._held[self._wanted, -1] == 0).sum())
        return (empty, missing[0], self._oversize(), *missing[1:])

    def even_out(self) -> None:
        """Move groups that fit better elsewhere, while no split loses a class or its size."""
        gains = np.stack([self._gains(split) for split in self._wanted])
        for index in np.flatnonzero((gains.max(axis=0) > 0) & ~self._pinned).tolist():
            origin = int(self.splits[index])
            if self._loss(index):
                continue
            before = self._oversize()
            gain, split = max((self._gain(index, split), split) for split in self._wanted)
            if split != origin and gain > 0:
                self._move(index, split)
                if self._oversize() > before:
                    self._move(index, origin)

    def _oversize(self) -> int:
        """How far the splits' sizes are from what is asked, beyond one group (in millionths)."""
        beyond = np.abs(self._lacking[self._wanted, -1]) - self._largest
        return int(beyond.clip(0).sum())

    def _missing(self, split: int) -> list[int]:
        """Classes that a split does not have, those of fewest groups first."""
        size = self._held.sum(axis=0)
        missing = np.flatnonzero((self._held[split] == 0) & (size > 0))
        by_size: list[int] = missing[np.argsort(size[missing], kind="stable")].tolist()
        return by_size

    def _movable(self, column: int) -> list[int]:
        members = self._members[column]
        movable: list[int] = members[~self._pinned[members]].tolist()
        return movable

    def _news(self, index: int, split: int) -> int:
        """How many classes a split would have that it has not, with a group."""
        return int((self._held[split, self._table.row(index)[0]] == 0).sum())

    def _loss(self, index: int) -> int:
        """How many classes a group's split would lose with it."""
        return int((self._held[self.splits[index], self._table.row(index)[0]] == 1).sum())

    def _losses(self) -> Ints:
        """For each group what `_loss` says."""
        table = self._table
        self._work -= len(table.columns)
        only = self._held[self.splits[table.rows], table.columns] == 1
        return table.sum_rows(only)

    def _gains(self, split: int) -> Ints:
        """For each group what `_gain` says of a move to a split."""
        table = self._table
        lacking = self._lacking[split, table.columns]
        lacking = lacking - self._lacking[self.splits[table.rows], table.columns]
        gains = table.sum_rows(table.images * (lacking - _SCALE * table.images))
        return np.where(self.splits == split, 0, gains)

    def _gain(self, index: int, split: int) -> int:
        """How far a move shrinks the sum of squared differences from the shares (halved)."""
        columns, images = self._table.row(index)
        lacking = self._lacking[split, columns] - self._lacking[self.splits[index], columns]
        return int((images * (lacking - _SCALE * images)).sum())

    def _give(self, index: int, split: int) -> None:
        columns, images = self._table.row(index)
        self.splits[index] = split
        self._left[columns] -= 1
        self._held[split, columns] += 1
        self._lacking[split, columns] -= _SCALE * images

    def _move(self, index: int, split: int) -> None:
        (columns, images), old = self._table.row(index), self.splits[index]
        self._held[old, columns] -= 1
        self._lacking[old, columns] += _SCALE * images
        self._left[columns] += 1
        self._give(index, split)


class _Table:
    """For each group its columns, and how many of its images each stands for.

    Columns are the classes that occur, then the images without objects, then all images: the last
    keeps the splits' sizes right. All rows lie in two arrays, as an array for each of 20,000
    groups would take several times the memory.

    Attributes:
        width: number of columns.
        columns: int32 [entries].
        images: int64 [entries].
        rows: int32 [entries]: the group of each entry.
        sizes: int64 [groups]: images of each group.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        classes = sorted({class_id for group in groups for class_id in group.classes})
        columns_by_class = {class_id: column for column, class_id in enumerate(classes)}
        columns, images, ends = array("i"), array("q"), array("q", [0])
        for group in groups:
            counts = Counter(columns_by_class[class_id] for class_id in group.classes)
            if not counts:
                counts[len(classes)] = group.images
            counts[len(classes) + 1] = group.images
            for column, count in sorted(counts.items()):
                columns.append(column)
                images.append(count)
            ends.append(len(columns))
        self.width = len(classes) + 2
        self.columns: Ints = np.asarray(columns, dtype=np.int32)
        self.images: Ints = np.asarray(images, dtype=np.int64)
        self._ends: Ints = np.asarray(ends, dtype=np.int64)
        self.rows: Ints = np.repeat(np.arange(len(groups), dtype=np.int32), np.diff(self._ends))
        self.sizes: Ints = self.images[self._ends[1:] - 1]

    def row(self, index: int) -> tuple[Ints, Ints]:
        """Return a group's columns and image counts."""
        row = slice(self._ends[index], self._ends[index + 1])
        return self.columns[row], self.images[row]

    def columns_to_groups(self) -> list[Ints]:
        """Return the groups that each column stands in, ascending."""
        order = np.argsort(self.columns, kind="stable")
        counts = np.bincount(self.columns, minlength=self.width)
        return np.split(self.rows[order], np.cumsum(counts)[:-1])

    def sum_rows(self, entries: Ints) -> Ints:
        """Add up what stands beside each entry, group by group; int64 [groups]."""
        return np.add.reduceat(entries, self._ends[:-1], dtype=np.int64)


def _rank(key: str, seed: int) -> bytes:
    """Return a group's sort key in a shuffled order that other groups do not change."""
    return hashlib.sha256(f"{seed}:{key}".encode()).digest()
