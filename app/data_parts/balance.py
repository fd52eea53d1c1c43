"""How many objects each class has in each split."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from app.plain_text import plain
from app.repository import CONVERSION, load_json

_SPLITS = ("train", "val", "test")
_CHARTED = 60
_NAMED = 10


def show() -> None:
    """Show the part."""
    report = load_json(CONVERSION)
    table = pd.DataFrame({split: report["classes"][split] for split in _SPLITS})
    table = table.fillna(0).astype(int)
    table.insert(0, "all", table.sum(axis=1))
    table = table.sort_values("all", ascending=False, kind="stable")
    _show_images(report)
    for split in _SPLITS:
        _name_absent(table, split)
    _show_chart(table)
    table.insert(0, "Class", table.index)
    st.dataframe(table, hide_index=True)


def _show_images(report: dict[str, dict[str, int]]) -> None:
    for column, split in zip(st.columns(len(_SPLITS)), _SPLITS, strict=True):
        empty = report["empty_images"][split]
        column.metric(
            f"Images in {split}",
            f"{report['images'][split]:,}",
            f"{empty:,} without objects",
            delta_color="off",
            delta_arrow="off",
        )


def _name_absent(table: pd.DataFrame, split: str) -> None:
    absent = table.index[table[split] == 0]
    if not len(absent):
        return
    more = f" and {len(absent) - _NAMED} more" if len(absent) > _NAMED else ""
    consequence = {
        "train": "The model cannot learn them.",
        "val": "Nothing is known of them while training.",
        "test": "Nothing is known of how well they are found.",
    }[split]
    st.warning(
        f"Not in {split}: {plain(', '.join(map(str, absent[:_NAMED])), 400)}{more}. {consequence}",
        icon=":material/warning:",
    )


def _show_chart(table: pd.DataFrame) -> None:
    shown = table.head(_CHARTED)
    long = pd.DataFrame(
        [
            {
                "class": str(name),
                "split": split,
                "objects": int(row[split]),
                "index": index,
                "rank": _SPLITS.index(split),
            }
            for index, (name, row) in enumerate(shown.iterrows())
            for split in _SPLITS
        ]
    )
    chart = (
        alt.Chart(long)
        .mark_bar()
        .encode(
            x=alt.X("objects:Q", title="objects"),
            y=alt.Y(
                "class:N", sort=alt.SortField("index"), title=None, axis=alt.Axis(labelLimit=240)
            ),
            color=alt.Color(
                "split:N", sort=list(_SPLITS), title=None, legend=alt.Legend(orient="top")
            ),
            order=alt.Order("rank:Q"),
            tooltip=["class:N", "split:N", "objects:Q"],
        )
        .properties(height=alt.Step(20))
    )
    if len(table) > _CHARTED:
        st.caption(f"The {_CHARTED} classes with most objects; the table below has all.")
    st.altair_chart(chart)
