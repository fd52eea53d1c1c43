"""Words of a sentence that depend on what it is about."""

from __future__ import annotations

from collections.abc import Sequence


def count_to_text(number: int, one: str, many: str = "") -> str:
    """Write a number before what it counts, such as "1 object" and "2 objects".

    Args:
        number: How many.
        one: What is counted, with its verb if there is one, such as "class has".
        many: The same of several; `one` with an s where it is left out.
    """
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def list_first(items: Sequence[str], count: int) -> str:
    """Write the first of several with commas, such as "a, b and 3 more"."""
    shown = ", ".join(items[:count])
    return shown if len(items) <= count else f"{shown} and {len(items) - count} more"
