"""CSV files: read as a stream, with the row's number in each error; written by RFC 4180."""

from __future__ import annotations

import codecs
import csv
import difflib
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from rhymes.common.errors import InputError
from rhymes.common.files import written_aside

# OWASP, "CSV Injection".
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

_SHOWN = 20  # characters on each side of one that is wrong

# An annotation cell holds all objects of an image; csv's own limit is 131,072 characters.
csv.field_size_limit(min(sys.maxsize, 2**31 - 1))


@dataclass(frozen=True)
class Row:
    """One record of a CSV file.

    Attributes:
        number: as a spreadsheet shows it: the header is row 1, the first record row 2. A quoted
            cell of several lines is still one row; a blank line counts as a row.
        cells: the column's name -> the cell's text, in the header's order, nothing stripped.
    """

    number: int
    cells: dict[str, str]


def load_rows(path: Path, required: Sequence[str] = ()) -> Iterator[Row]:
    """Yield the records of a comma-separated UTF-8 file (RFC 4180, byte order mark optional).

    Blank lines are passed over. Cells may be of any length.

    Args:
        path: the CSV file; its first row names the columns.
        required: columns that the header must have.

    Raises:
        InputError: naming the file and the row: no such file, empty, not UTF-8, a NUL byte, broken
            quotes, a missing or doubled column, a row with more or fewer cells than the header.
    """
    records = _records(path)
    columns = _header(path, records)
    if missing := [name for name in required if name not in columns]:
        raise InputError(
            f"{path}: row 1: column {names_to_text(missing)} is missing; "
            f"the header has {names_to_text(columns)}{explain_missing(missing, columns)}"
        )
    for number, record in records:
        if not record:
            continue
        if len(record) != len(columns):
            raise InputError(
                f"{path}: row {number}: {len(record)} cells, but the header has {len(columns)} "
                f"({names_to_text(columns)}); is a comma or a quote in a cell not quoted?"
            )
        yield Row(number, dict(zip(columns, record, strict=True)))


def explain_missing(missing: Sequence[str], columns: Sequence[str]) -> str:
    """Name the likely cause why none of a header's columns is one that is needed.

    Args:
        missing: names of columns of which one is enough.
        columns: names that the header has.

    Returns:
        The rest of a sentence, with its semicolon; empty where nothing is likely.
    """
    if len(columns) == 1 and (separator := next((c for c in ";\t|" if c in columns[0]), "")):
        return f"; its cells are parted by {separator!r}: save the file with commas, as 'CSV UTF-8'"
    folded = {_folded(name): name for name in columns}
    for name in missing:
        if written := folded.get(_folded(name)):
            return (
                f"; {written!r} seems to be meant for {name!r}, but spaces, unseen characters and "
                "case count: correct the header"
            )
        if close := difflib.get_close_matches(_folded(name), folded, n=1, cutoff=0.85):
            return f"; is {folded[close[0]]!r} meant for {name!r}? Correct the header"
    if len(columns) == 1:
        return f"; if {columns[0]!r} is no name of a column, write {missing[0]!r} in a row above it"
    return ""


def _folded(name: str) -> str:
    visible = (c for c in name if unicodedata.category(c) not in ("Cf", "Cc"))  # as a second BOM
    return "".join(visible).strip(" \u00a0'\"").casefold().replace(" ", "_").replace("-", "_")


def load_columns(path: Path) -> list[str]:
    """Return the names in a CSV file's header; errors as `load_rows`."""
    return _header(path, _records(path))


def _header(path: Path, records: Iterator[tuple[int, list[str]]]) -> list[str]:
    _, columns = next(records, (1, []))
    if not columns:
        raise InputError(f"{path}: row 1: no header; the first row must name the columns")
    if doubled := sorted({name for name in columns if columns.count(name) > 1}):
        raise InputError(
            f"{path}: row 1: column {names_to_text(doubled)} stands twice in the header"
        )
    return columns


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (row number, cells); a blank line has no cells."""
    # A FIFO or a device would block or never end.
    if not path.is_file():
        found = "not a file" if path.exists() else "not found"
        raise InputError(f"{path}: {found}")
    number = 0
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            for record in csv.reader(_checked(file), strict=True):
                number += 1
                yield number, record
    except csv.Error as error:
        raise InputError(f"{path}: row {number + 1}: not valid CSV: {error}") from None
    except _BadTextError as error:
        raise InputError(f"{path}: row {number + 1}: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


class _BadTextError(Exception):
    """A line that is no text."""


def _checked(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        # Bytes that are not UTF-8 arrive as lone surrogates, which have no encoding: found line by
        # line, they get a row number, which an error of a buffered decoder would not have.
        try:
            line.encode("utf-8")
        except UnicodeEncodeError as error:
            raise _BadTextError(_why_not_utf8(line, error.start)) from None
        if "\0" in line:
            raise _BadTextError("a NUL byte; is this a text file?")
        yield line


def _why_not_utf8(line: str, position: int) -> str:
    """Show a line that is no UTF-8 as the encoding has it that it probably is in."""
    data = line.encode("utf-8", "surrogateescape")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "not UTF-8, but UTF-16; save the file as 'CSV UTF-8'"
    start = max(0, position - _SHOWN)
    around = line[start : position + _SHOWN].encode("utf-8", "surrogateescape")
    shown = around.decode("cp1252", "replace").strip()
    return (
        f"not UTF-8, but perhaps Windows-1252, in which it has {shown!r}; save the file as "
        "'CSV UTF-8'"
    )


def names_to_text(names: Iterable[str]) -> str:
    """Quote names for a message, parted by commas."""
    return ", ".join(repr(name) for name in names)


def save_rows(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file of a header and its rows as a stream; the format is `rows_to_csv`'s."""
    with written_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        file.writelines(_rows_to_lines(chain([columns], rows)))


def rows_to_csv(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV, the header being the first of them.

    Lines end in a line feed. A cell is quoted where it must be (RFC 4180): for a comma, a quote, a
    line feed or a carriage return in it. None is an empty cell.
    """
    return "".join(_rows_to_lines(rows))


def _rows_to_lines(rows: Iterable[Sequence[object]]) -> Iterator[str]:
    written = _Lines()
    # csv quotes line ends within a cell only where they are part of its own line end (up to Python
    # 3.12), and no reader takes a bare carriage return.
    writer = csv.writer(written, lineterminator="\r\n")
    for row in rows:
        writer.writerow(row)
        yield f"{written.pop()[:-2]}\n"


class _Lines(list[str]):
    def write(self, line: str) -> None:
        self.append(line)


def is_formula(text: str) -> bool:
    """Whether a spreadsheet takes a cell with this text for a formula, and runs it."""
    return text.startswith(_FORMULA_STARTS)


def escape_formula(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would run, so that it shows the text."""
    return f"'{text}" if is_formula(text) else text
