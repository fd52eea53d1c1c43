"""Figures of models, as words and numbers that people read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

AP_IN_WORDS = (
    "Average precision: how much of what it finds is right, over all that there is to find; 1 is "
    "perfect. AP50 takes a box for right from half an overlap (IoU 0.5) on, AP asks for tighter "
    "and tighter boxes up to 0.95 and takes the mean."
)

SHOWN = {
    "AP": "Boxes, AP",
    "AP50": "Boxes, AP50",
    "AP75": "Boxes, AP75",
    "AR_100": "Boxes, recall",
    "mask_AP": "Masks, AP",
    "mask_AP50": "Masks, AP50",
    "mask_AP75": "Masks, AP75",
    "mask_AR_100": "Masks, recall",
}
"""Metrics that are shown, by their key in metrics.json, and what they are called."""


def number(value: Any) -> str:
    """Write a metric: three digits; n/a where it is undefined."""
    return f"{value:.3f}" if isinstance(value, int | float) else "n/a"


def compare_metrics(
    columns: Mapping[str, Mapping[str, Any] | None], *, is_comparable: bool = True
) -> pd.DataFrame:
    """One row a metric that any column has, one column each, and the difference of two.

    Args:
        columns: Title -> metrics by key; None where nothing is known.
        is_comparable: Whether a difference means anything: both were measured on the same data.
    """
    known = [key for key in SHOWN if any(key in (each or {}) for each in columns.values())]
    table = pd.DataFrame({"Metric": [SHOWN[key] for key in known]})
    for title, metrics in columns.items():
        table[title] = [number((metrics or {}).get(key)) for key in known]
    if len(columns) == 2 and is_comparable:
        first, second = (each or {} for each in columns.values())
        table["Difference"] = [_difference(first.get(key), second.get(key)) for key in known]
    return table


def _difference(first: Any, second: Any) -> str:
    if isinstance(first, int | float) and isinstance(second, int | float):
        return f"{second - first:+.3f}"
    return ""
