"""Who drew a row of annotations.csv: the column that names its annotator."""

from __future__ import annotations

from pathlib import Path

from rhymes.common.csv import load_columns, names_to_text
from rhymes.common.errors import InputError

ANNOTATOR_COLUMNS = (
    "annotator", "annotator_id", "annotated_by", "user", "user_id", "username", "email",
)  # fmt: skip
"""Columns that name who drew a row, by what platforms call them; the first that is there counts."""


def find_annotator_column(annotations: Path, wanted: str | None) -> str | None:
    """Return the column of an annotations CSV that names who drew a row; None without one.

    Args:
        annotations: the CSV.
        wanted: its name; None for the first of `ANNOTATOR_COLUMNS` that is there, in any case of
            letters.

    Raises:
        InputError: the column that is wanted is not there, or the header cannot be read.
    """
    columns = load_columns(annotations)
    if wanted is None:
        names = {column.strip().lower(): column for column in reversed(columns)}
        return next((names[each] for each in ANNOTATOR_COLUMNS if each in names), None)
    if wanted not in columns:
        raise InputError(
            f"{annotations}: row 1: no column '{wanted}', which coco.annotator_column names; "
            f"the header has {names_to_text(columns)}"
        )
    return wanted
