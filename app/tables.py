"""Detections as tables to read and to choose from."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd
import streamlit as st

from rhymes.coco.label_map import class_name
from rhymes.detections.detections import Detections

_NO_FRACTIONS: Mapping[str, str] = MappingProxyType({})


def detections_to_table(detections: Detections, names: Mapping[int, str]) -> pd.DataFrame:
    """One row an object: its class, score, and its box in pixels of the upright image."""
    xmin, ymin, xmax, ymax = np.rint(detections.boxes.reshape(-1, 4)).astype(int).T
    return pd.DataFrame(
        {
            "Class": [class_name(names, int(class_id)) for class_id in detections.class_ids],
            "Score": detections.scores.astype(float),
            "Left": xmin,
            "Top": ymin,
            "Width": xmax - xmin,
            "Height": ymax - ymin,
        }
    )


def count_classes(detections: Detections, names: Mapping[int, str]) -> pd.DataFrame:
    """How many objects each class has, the most frequent first."""
    ids, counts = np.unique(detections.class_ids, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return pd.DataFrame(
        {
            "Class": [class_name(names, int(ids[i])) for i in order],
            "Objects": counts[order].astype(int),
        }
    )


def choose_row(
    table: pd.DataFrame,
    key: str,
    *,
    fractions: Mapping[str, str] = _NO_FRACTIONS,
    height: int | Literal["auto"] = "auto",
) -> int | None:
    """Show a table of which one row can be chosen; return its index.

    Args:
        table: What to show.
        key: Changes whenever the rows do, so that a choice never falls on another row.
        fractions: Columns of numbers from 0 to 1, drawn as bars, with a word on what they mean.
        height: In pixels.
    """
    columns = {
        name: st.column_config.ProgressColumn(
            name, min_value=0, max_value=1, format="%.2f", help=meaning
        )
        for name, meaning in fractions.items()
    }
    event = st.dataframe(
        table,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"table {key}",
        height=height,
        column_config=columns,
    )
    rows = event.selection.rows
    return int(rows[0]) if rows and rows[0] < len(table) else None
