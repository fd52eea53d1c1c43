"""What is wrong with a cell or an item that is dropped: the value as it was read, and a sentence.

An example leads an annotator to the cause where a reason alone does not: that a box is a mapping,
in which column a cell breaks off. Texts are short and printable, whatever the cell holds, and the
same on each machine.
"""

from __future__ import annotations

import ast
import json
import math
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rhymes.export.annotations import Reason
from rhymes.export.categories import LabelMatcher
from rhymes.export.cells import (
    MAX_CELL,
    MAX_DEPTH,
    cell_to_value,
    first_expression,
    item_to_label,
    item_to_odd_label,
)
from rhymes.export.dialect import Item, is_coordinate
from rhymes.export.dialects import DIALECTS, item_type_to_dialect
from rhymes.export.geometry import MIN_SIDE

_SHORT = 100  # characters
_AROUND = 30  # characters before and after the place where a cell breaks off
_KEYS = 6

# Lengths at which programs cut off a cell without a word.
_CELL_LIMITS = {
    255: "the limit of a VARCHAR(255)",
    32_767: "the limit of a cell in Excel",
    50_000: "the limit of a cell in Google Sheets",
    65_535: "the limit of a cell in LibreOffice, and of MySQL's TEXT",
    131_072: "the default limit of Python's csv module",
}

_SHORTENER = reprlib.Repr()
_SHORTENER.maxlevel = 4
_SHORTENER.maxlist = _SHORTENER.maxtuple = _SHORTENER.maxdict = _SHORTENER.maxset = _KEYS
_SHORTENER.maxstring = 60
_SHORTENER.maxother = _SHORTENER.maxlong = 30


@dataclass(frozen=True, slots=True)
class Problem:
    """Why one row or item was dropped.

    Attributes:
        value: what was read, as Python writes it, shortened.
        sentence: what is wrong with it and what was expected; no full stop.
    """

    value: str
    sentence: str


def value_to_excerpt(value: object) -> str:
    """Return a value as Python writes it, in a hundred printable characters at most."""
    shortened = _SHORTENER.repr(value)
    return shortened if len(shortened) <= _SHORT else f"{shortened[:_SHORT]}..."


def cell_to_problem(cell: str, reason: Reason) -> Problem:
    """Say why a cell has no items: for `reason`, which `cell_to_items` gave."""
    if reason is Reason.NO_IDENTIFICATIONS:
        return Problem(value_to_excerpt(cell), "nobody annotated the image")
    text = cell.strip()
    if len(text) > MAX_CELL:
        sentence = f"{len(text)} characters; at most {MAX_CELL} are read"
        return Problem(value_to_excerpt(text), sentence)
    try:
        value = cell_to_value(text)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return _unparsed_to_problem(cell)
    return Problem(value_to_excerpt(text), _value_to_sentence(value))


def _value_to_sentence(value: object) -> str:
    expected = 'expected a mapping {"identifications": [...]}'
    if isinstance(value, dict):
        items = value.get("identifications")
        if isinstance(items, list | tuple):
            return f"lists in more than {MAX_DEPTH} of each other"
        return f"`identifications` is {_kind(items)}; expected a list of objects"
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        return f"a text that holds JSON, which was encoded twice; {expected}"
    return f"the cell holds {_kind(value)}; {expected}"


def _unparsed_to_problem(cell: str) -> Problem:
    """Say where a cell stops being JSON, or a Python literal if it is written as one."""
    text = cell.strip()
    end = len(text)
    position, language = _json_position(text), "JSON"
    if position < end and text[:position].strip() in ("{", "[", "[{", ""):
        position, language = _literal_position(text), "Python literal"
        if position == 0 and text[:1] not in ("{", "["):
            return Problem(value_to_excerpt(text), "neither JSON nor a Python literal")
    if (name := _expression_name(text)) is not None:
        place, found = name
        return Problem(_around(text, place), f"{found} at {_place(text, place)} is no plain value")
    if position >= end:
        limit = _CELL_LIMITS.get(len(cell))
        cause = f", {limit}" if limit else ""
        sentence = f"the cell is cut off after {len(cell):,} characters{cause}"
        return Problem(f"...{_printable(text[-2 * _AROUND :])}", sentence)
    return Problem(_around(text, position), f"no {language} from {_place(text, position)} on")


def _json_position(text: str) -> int:
    """Return where a text stops being JSON; its length where it is cut off."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg.startswith("Unterminated string"):
            return len(text)
        # Releases of Python differ in whether they blame a comma or what follows it.
        before = text[: error.pos].rstrip()
        return len(before) - 1 if before.endswith(",") and error.pos < len(text) else error.pos
    except (ValueError, RecursionError):
        return 0
    return len(text)


def _literal_position(text: str) -> int:
    """Return where a text stops being a Python literal; its length where it is cut off."""
    try:
        ast.parse(text, mode="eval")
    except SyntaxError as error:
        if error.msg.endswith("was never closed") or error.msg.startswith("unterminated"):
            return len(text)
        lines = text.split("\n")[: (error.lineno or 1) - 1]
        return min(sum(len(line) + 1 for line in lines) + (error.offset or 1) - 1, len(text))
    except (ValueError, RecursionError, MemoryError):
        return 0
    return 0


def _expression_name(text: str) -> tuple[int, str] | None:
    """Return the place of what a Python literal may not hold, and what it is called."""
    try:
        node = first_expression(ast.parse(text, mode="eval"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if node is None:
        return None
    lines = text.split("\n")
    # The parser counts bytes of UTF-8.
    line = lines[node.lineno - 1].encode("utf-8", "replace")[: node.col_offset]
    place = sum(len(each) + 1 for each in lines[: node.lineno - 1]) + len(line.decode("utf-8"))
    segment = ast.get_source_segment(text, node) or ""
    return place, f"{_printable(segment[:_AROUND])}"


def _place(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    column = position - (text.rfind("\n", 0, position) + 1) + 1
    return f"line {line}, column {column}"


def _around(text: str, position: int) -> str:
    start, end = max(position - _AROUND, 0), position + _AROUND
    before, after = ("..." if start else ""), ("..." if end < len(text) else "")
    return f"{before}{_printable(text[start:end])}{after}"


def _printable(text: str) -> str:
    """Escape what a terminal would obey, and half a surrogate pair."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def source_to_problem(source: str) -> Problem:
    """Say that the image of a source could not be fetched."""
    return Problem(value_to_excerpt(source), "could not be fetched; data/export/index.csv says why")


def duplicate_to_problem(name: str, bbox: Sequence[float]) -> Problem:
    """Say that an object of a class stands twice; `bbox` is x, y, width, height in pixels."""
    return Problem(f"{value_to_excerpt(name)} {list(bbox)}", "the same class and shape again")


def item_to_problem(
    item: object, reason: Reason, matcher: LabelMatcher, width: int, height: int
) -> Problem:
    """Say why an item of an image of `width` x `height` pixels is dropped for a reason."""
    if not isinstance(item, Mapping):
        return Problem(
            value_to_excerpt(item), f"{_kind(item)}; expected a mapping with `type` and `data`"
        )
    match reason:
        case Reason.UNKNOWN_TYPE:
            known = " or ".join(dialect.item_type for dialect in DIALECTS.values())
            found = value_to_excerpt(item["type"]) if "type" in item else _keys(item)
            what = "its `type`" if "type" in item else "an item without `type`"
            return Problem(found, f"{what}; expected {known}")
        case Reason.NO_LABEL | Reason.LABEL_NOT_TEXT | Reason.UNKNOWN_LABEL:
            return _label_to_problem(item, reason, matcher)
        case _:
            return _data_to_problem(item, reason, width, height)


def _label_to_problem(item: Item, reason: Reason, matcher: LabelMatcher) -> Problem:
    if reason is Reason.UNKNOWN_LABEL:
        label = item_to_label(item) or ""
        similar = matcher.similar(label[:_SHORT])
        hint = f"; is it {value_to_excerpt(similar)}?" if similar else ""
        return Problem(value_to_excerpt(label), f"not in the categories CSV{hint}")
    if reason is Reason.LABEL_NOT_TEXT:
        odd = item_to_odd_label(item)
        sentence = f"the label is {_kind(odd)}; expected a text in quotes"
        return Problem(value_to_excerpt(odd), sentence)
    return Problem(
        value_to_excerpt(dict(item)),
        "no label in `attributes.label` or `category`; the item has " + _keys(item),
    )


def _data_to_problem(item: Item, reason: Reason, width: int, height: int) -> Problem:
    data = item.get("data")
    if "data" not in item:
        return Problem(value_to_excerpt(dict(item)), f"no `data`; the item has {_keys(item)}")
    return Problem(value_to_excerpt(data), _data_to_sentence(item, data, reason, width, height))


def _data_to_sentence(item: Item, data: object, reason: Reason, width: int, height: int) -> str:
    dialect = item_type_to_dialect(item.get("type"))
    form = dialect.data_form if dialect else ""
    match reason:
        case Reason.NOT_FINITE:
            return f"{_bad_number(data)}; expected {form or 'numbers'}"
        case Reason.TOO_FEW_POINTS:
            return f"{_kind(data)}; an outline has 3 different points or more"
        case Reason.TOO_COMPLEX:
            return f"{_kind(data)}, too many or too tangled to work out; expected one outline"
        case Reason.OUTSIDE_IMAGE:
            return f"lies outside its image of {width} x {height} pixels"
        case Reason.EMPTY_BOX if isinstance(data, list | tuple) and _is_box(data):
            sides = f"width {data[2]}, height {data[3]}"
            return f"{sides}; expected {form}, sides from {MIN_SIDE} pixels"
        case Reason.EMPTY_BOX:
            return f"{_kind(data)} that enclose nothing"
        case _:
            return f"{_kind(data)}; {item.get('type')} has {form or 'another form'}"


def _is_box(data: Sequence[object]) -> bool:
    return len(data) == 4 and all(map(is_coordinate, data))


def _bad_number(data: object) -> str:
    """Say which coordinate is none: the first of all."""
    bad = next((value for value in _leaves(data) if not is_coordinate(value)), None)
    if isinstance(bad, int | float) and not isinstance(bad, bool) and math.isfinite(bad):
        return f"{value_to_excerpt(bad)} is beyond any image"
    return f"{value_to_excerpt(bad)} is {_kind(bad)}"


def _leaves(value: object) -> Iterable[object]:
    """Yield what lists within lists hold; a cell is nested less deep than Python's stack."""
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


def _kind(value: object) -> str:
    """Say in words what a value is, such as "a list of 3 points"."""
    match value:
        case None:
            return "null"
        case bool():
            return "a truth value"
        case int() | float():
            return "a number" if math.isfinite(value) else "no number but NaN or infinity"
        case str():
            return f"a text of {len(value)} characters" if len(value) > _SHORT else "a text"
        case Mapping():
            return f"a mapping with {_keys(value)}"
        case list() | tuple():
            return _list_kind(value)
        case _:
            return f"a {type(value).__name__}"


def _list_kind(values: Sequence[object]) -> str:
    if not values:
        return "an empty list"
    count = len(values)
    if all(isinstance(each, int | float) and not isinstance(each, bool) for each in values):
        return f"a flat list of {count} numbers"
    if all(isinstance(each, list | tuple) and len(each) == 2 for each in values):
        return f"a list of {count} point{'' if count == 1 else 's'}"
    if all(isinstance(each, Mapping) for each in values):
        return f"a list of {count} mappings with {_keys(values[0])}"
    if all(isinstance(each, list | tuple) for each in values):
        return f"a list of {count} lists"
    return f"a list of {count} values"


def _keys(item: Any) -> str:
    """Name the keys of a mapping, the first of them."""
    names = [value_to_excerpt(key).strip("'\"")[:20] for key in list(item)[:_KEYS]]
    if not names:
        return "no keys"
    more = f" and {len(item) - _KEYS} more" if len(item) > _KEYS else ""
    return f"the key{'' if len(item) == 1 else 's'} {', '.join(names)}{more}"
