"""Union-find, against its definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhymes.coco.joining import join_by_names


@pytest.mark.parametrize(
    ("names", "sets"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param(["", ""], [[0], [1]], id="no names"),
        pytest.param(["a", "b", "a"], [[0, 2], [1]], id="one name"),
        pytest.param(["a", "b", "c", "bc", "ab"], [[0, 1, 2, 3, 4]], id="through others"),
        pytest.param(["aa", "b", "bb"], [[0], [1, 2]], id="a name twice"),
    ],
)
def test_sets(names: list[str], sets: list[list[int]]) -> None:
    assert join_by_names(names) == sets


@given(st.lists(st.frozensets(st.integers(0, 20), max_size=3), max_size=30))
def test_items_are_together_exactly_where_a_chain_of_names_leads(
    names: list[frozenset[int]],
) -> None:
    sets = join_by_names(names)
    assert sorted(index for indices in sets for index in indices) == list(range(len(names)))
    assert [indices[0] for indices in sets] == sorted(min(indices) for indices in sets)
    for indices in sets:
        reached = {indices[0]}
        for _ in indices:
            known = {name for index in reached for name in names[index]}
            reached |= {index for index, of_item in enumerate(names) if known & of_item}
        assert reached == set(indices)
