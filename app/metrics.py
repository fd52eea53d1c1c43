"""Figures of models, as words and numbers that people read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from rhymes.metrics.catalogue import Metric, metrics

AP_IN_WORDS = (
    "Average precision: how much of what it finds is right, over all that there is to find; 1 is "
    "perfect. AP50 takes a box for right from half an overlap (IoU 0.5) on, AP asks for tighter "
    "and tighter boxes up to 0.95 and takes the mean."
)


def compare_metrics(
    columns: Mapping[str, Mapping[str, Any] | None], *, is_comparable: bool = True
) -> pd.DataFrame:
    """One row a metric that any column has, one column each, and the difference of two.

    Args:
        columns: Title -> metrics by key; None where nothing is known.
        is_comparable: Whether a difference means anything: both were measured on the same data.
    """
    keys = {key for values in columns.values() for key in values or ()}
    known = [metric for metric in metrics() if metric.key in keys]
    table = pd.DataFrame({"Metric": [metric.label for metric in known]})
    for title, values in columns.items():
        table[title] = [metric.value_to_text((values or {}).get(metric.key)) for metric in known]
    if len(columns) == 2 and is_comparable:
        first, second = (each or {} for each in columns.values())
        table["Difference"] = [
            _difference(metric, first.get(metric.key), second.get(metric.key)) for metric in known
        ]
    return table


def _difference(metric: Metric, first: Any, second: Any) -> str:
    if isinstance(first, int | float) and isinstance(second, int | float):
        return metric.change_to_text(second - first)
    return ""
