"""Charts of figures. Names of classes are data, never names of fields, so that any name works."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

_HEIGHT = 280


def lines(
    table: pd.DataFrame, *, x: str, y: str, by: str, domain: tuple[float, float] | None = None
) -> alt.Chart:
    """Draw a line for each value of a column.

    Args:
        table: Long form, one row a point.
        x: The column along, a number.
        y: The column upwards, a number.
        by: The column whose values each have a line.
        domain: Of y; that of the values where it is None.
    """
    scale = alt.Scale(domain=domain) if domain else alt.Scale(zero=False)
    chart: alt.Chart = (
        alt.Chart(table)
        .mark_line(interpolate="monotone")
        .encode(
            x=alt.X(f"{x}:Q", title=x),
            y=alt.Y(f"{y}:Q", title=y, scale=scale),
            color=alt.Color(f"{by}:N", title=None, legend=alt.Legend(orient="top")),
            tooltip=[f"{by}:N", alt.Tooltip(f"{x}:Q"), alt.Tooltip(f"{y}:Q", format=".3f")],
        )
        .properties(height=_HEIGHT)
    )
    return chart


def heat_map(counts: pd.DataFrame, names: Sequence[str]) -> Any:
    """Draw a confusion matrix.

    Args:
        counts: Columns actual, predicted (text), count, and share (of its row, 0 to 1).
        names: What is on both axes, in order.
    """
    order = list(names)
    base = alt.Chart(counts).encode(
        x=alt.X("predicted:N", title="predicted", sort=order, axis=alt.Axis(labelAngle=-45)),
        y=alt.Y("actual:N", title="actual", sort=order, axis=alt.Axis(labelLimit=240)),
        tooltip=["actual:N", "predicted:N", "count:Q", alt.Tooltip("share:Q", format=".0%")],
    )
    cells = base.mark_rect().encode(
        color=alt.Color(
            "share:Q", scale=alt.Scale(scheme="blues", domain=[0, 1]), title="of its row"
        )
    )
    numbers = base.mark_text(fontSize=11).encode(
        text="count:Q",
        color=alt.condition("datum.share > 0.5", alt.value("white"), alt.value("black")),
    )
    return alt.layer(cells, numbers).properties(height=alt.Step(26))
