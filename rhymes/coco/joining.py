"""Items that share a name, directly or through others, belong together: union-find."""

from __future__ import annotations

from collections.abc import Hashable, Iterable


def join_by_names(names: Iterable[Iterable[Hashable]]) -> list[list[int]]:
    """Join items that share a name.

    Args:
        names: of each item.

    Returns:
        The positions of the items of each set, ascending; the sets by their first item.
    """
    parents: list[int] = []
    firsts: dict[Hashable, int] = {}

    def find(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    for index, of_item in enumerate(names):
        parents.append(index)
        for name in of_item:
            # The smaller index stays the root, so that a set is found by its first item.
            one, other = sorted((find(firsts.setdefault(name, index)), find(index)))
            parents[other] = one
    sets: dict[int, list[int]] = {}
    for index in range(len(parents)):
        sets.setdefault(find(index), []).append(index)
    return list(sets.values())
