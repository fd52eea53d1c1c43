"""The dialects of the export: each module of this package is one, called `DIALECT` in it.

A module that is added is a dialect that fetch, coco and predict know.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from pathlib import Path

from rhymes.common.csv import explain_missing, load_columns, names_to_text
from rhymes.common.errors import InputError
from rhymes.export.dialect import Dialect


def _load_dialects() -> dict[str, Dialect]:
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__))
    found = (importlib.import_module(f"{__name__}.{module}").DIALECT for module in modules)
    return {dialect.name: dialect for dialect in found}


DIALECTS: dict[str, Dialect] = _load_dialects()
"""All dialects by name."""


def columns_to_dialect(columns: Iterable[str]) -> Dialect:
    """Say which dialect an annotations CSV has, by the column that names the image.

    Raises:
        InputError: no dialect's image column is there, or those of several are.
    """
    names = list(columns)
    found = [dialect for dialect in DIALECTS.values() if dialect.image_column in names]
    if not found:
        known = " or ".join(f"{each.image_column} ({each.name})" for each in DIALECTS.values())
        raise InputError(
            f"the header needs a column {known} that names the image; it has {names_to_text(names)}"
            f"{explain_missing([each.image_column for each in DIALECTS.values()], names)}"
        )
    first, *others = found
    if others:
        raise InputError(
            f"the header has both {first.image_column} and {others[0].image_column}; "
            "leave one, which names the image"
        )
    return first


def load_dialect(annotations: Path) -> Dialect:
    """Read which dialect an annotations CSV has.

    Raises:
        InputError: naming file and row: see `load_columns` and `columns_to_dialect`.
    """
    columns = load_columns(annotations)
    try:
        return columns_to_dialect(columns)
    except InputError as error:
        raise InputError(f"{annotations}: row 1: {error}") from None


def item_type_to_dialect(item_type: object) -> Dialect | None:
    """Return the dialect of items with this `type`; None where no dialect has it."""
    for dialect in DIALECTS.values():
        if dialect.item_type == item_type:
            return dialect
    return None
