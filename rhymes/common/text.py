"""Words of a sentence that depend on what it is about."""

from __future__ import annotations


def count_to_text(number: int, one: str, many: str = "") -> str:
    """Write a number before what it counts, such as "1 object" and "2 objects".

    Args:
        number: How many.
        one: What is counted, with its verb if there is one, such as "class has".
        many: The same of several; `one` with an s where it is left out.
    """
    return f"{number} {one if number == 1 else many or f'{one}s'}"
