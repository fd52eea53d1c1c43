"""Class names from the categories CSV, and the class ids that labels of annotations mean."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rhymes.common.csv import load_rows
from rhymes.common.errors import InputError
from rhymes.common.text import count_to_text

COLUMN = "category_image"

_LISTED = 5


@dataclass(frozen=True)
class Categories:
    """The classes to train on.

    Attributes:
        names: in the file's order and spelling, outer spaces removed; the class id of a name is
            its position plus 1 (0 is the background).
        warnings: sentences about rows that were passed over.
    """

    names: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def load_categories(path: Path) -> Categories:
    """Read the categories CSV: one class name a row in the column `category_image`.

    Empty names and names that `normalised` makes equal to an earlier one are passed over, with a
    warning: two classes that no label could tell apart would never both get objects.

    Raises:
        InputError: the file cannot be read, holds no name, or a name holds a line break, which
            labels.txt (one name a line) cannot express.
    """
    names: dict[str, str] = {}
    empty: list[int] = []
    doubled: list[str] = []
    for row in load_rows(path, [COLUMN]):
        name = row.cells[COLUMN].strip()
        if not name:
            empty.append(row.number)
        elif len(name.splitlines()) > 1:
            raise InputError(
                f"{path}: row {row.number}: the class name {name!r} holds a line break; "
                "write it on one line, here and in the labels"
            )
        elif (key := normalised(name)) in names:
            doubled.append(f"'{name}' (row {row.number})")
        else:
            names[key] = name
    if not names:
        raise InputError(f"{path}: no class name; write one a row below the header '{COLUMN}'")
    return Categories(tuple(names.values()), tuple(_warnings(path, empty, doubled)))


def _warnings(path: Path, empty: list[int], doubled: list[str]) -> Iterable[str]:
    if empty:
        rows = ", ".join(f"row {number}" for number in empty[:_LISTED])
        count = count_to_text(len(empty), "row")
        yield f"{path.name}: {count} without a name, passed over: {rows}."
    if doubled:
        count = count_to_text(len(doubled), "doubled name")
        yield (f"{path.name}: {count}, of which the first counts: {', '.join(doubled[:_LISTED])}.")


def normalised(name: str) -> str:
    """Return the form in which names are compared: no outer spaces, Unicode's NFC.

    The same accent may be one code point or two (macOS writes two in file names); upper and lower
    case stay different, as they may be different classes.
    """
    return unicodedata.normalize("NFC", name.strip())


class LabelMatcher:
    """Finds the class that an annotation's label means."""

    def __init__(self, names: Sequence[str], separator: str | None = None) -> None:
        """Match against `names`; with a separator, "salad-2" is an instance of "salad"."""
        self.names = tuple(names)
        self._separator = separator
        self._ids = {normalised(name): number for number, name in enumerate(names, start=1)}
        self._folded = {key.casefold(): self.names[n - 1] for key, n in self._ids.items()}

    def class_id(self, label: str) -> int | None:
        """Return a label's class id, from 1; None for a label of no class.

        The whole label counts first, so that a class "salad-bar" can exist beside "salad"; then
        the part before the first separator.
        """
        key = normalised(label)
        found = self._ids.get(key)
        if found is None and self._separator:
            head, separator, _ = key.partition(self._separator)
            found = self._ids.get(head.strip()) if separator else None
        return found

    def similar(self, label: str) -> str | None:
        """Return the class whose name a label may be a misspelling of, for a warning."""
        folded = normalised(label).casefold()
        close = difflib.get_close_matches(folded, self._folded, n=1, cutoff=0.85)
        return self._folded[close[0]] if close else None
