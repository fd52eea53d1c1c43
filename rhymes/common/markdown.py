"""Tables in Markdown (GitHub's), of cells that may hold any text."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MARKUP = re.compile(r"[\\|[\]]")


def rows_to_table(
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    has_numbers: bool = False,
    is_padded: bool = False,
) -> str:
    """Return a table, or a word where there are no rows.

    Args:
        header: Of the columns.
        rows: As many cells each, of any text.
        has_numbers: All columns but the first are numbers, which a browser sets to the right.
        is_padded: Columns are as wide as their longest cell, for a terminal.
    """
    if not rows:
        return "Nothing."
    lines = [[text_to_cell(cell) for cell in line] for line in (header, *rows)]
    lines.insert(1, ["---", *["---:" if has_numbers else "---"] * (len(header) - 1)])
    if is_padded:
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        lines = [
            [cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines
        ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def text_to_cell(value: object) -> str:
    """Keep text from becoming markup: a bar, line break, tag or link may stand in a class name."""
    text = " ".join(str(value).split())
    return _MARKUP.sub(r"\\\g<0>", text).replace("<", "&lt;")
