"""Words that depend on a number."""

from __future__ import annotations

import pytest

from rhymes.common.text import count_to_text, list_first


@pytest.mark.parametrize(
    ("number", "words", "text"),
    [
        (0, ("object",), "0 objects"),
        (1, ("object",), "1 object"),
        (2, ("object",), "2 objects"),
        (1, ("class has", "classes have"), "1 class has"),
        (2, ("class has", "classes have"), "2 classes have"),
    ],
)
def test_a_number_with_what_it_counts(number: int, words: tuple[str, ...], text: str) -> None:
    assert count_to_text(number, *words) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, " and 3 more"), (2, "a, b and 1 more"), (3, "a, b, c"), (4, "a, b, c")]
)
def test_first_of_several(count: int, text: str) -> None:
    assert list_first(["a", "b", "c"], count) == text
