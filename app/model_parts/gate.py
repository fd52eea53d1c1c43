"""May the measured model be published? The gate's decision, and the figures that it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from app.metrics import AP_IN_WORDS
from app.notices import explained
from app.plain_text import plain
from app.repository import GATE, load_bytes, load_json
from rhymes.metrics.catalogue import Metric, find_metric, metrics

_MAX_SENTENCE_LENGTH = 600


def show() -> None:
    """Show the part."""
    gate = load_json(GATE / "gate.json")
    _show_decision(gate)
    st.subheader("Figures and their intervals", anchor=False, help=AP_IN_WORDS)
    st.caption("An interval says how far the choice of the test images may have moved a figure.")
    st.dataframe(_figures_to_table(gate), hide_index=True)
    if gate["classes"]:
        st.subheader("Changes by class", anchor=False)
        st.caption("Their intervals hold for all classes together.")
        st.dataframe(_classes_to_table(gate["classes"]), hide_index=True)
    with explained():
        st.download_button(
            "Model card (HTML)",
            load_bytes(GATE / "model_card.html"),
            f"model_card_{gate['version']}.html",
            "text/html",
            on_click="ignore",
            icon=":material/description:",
        )


def _show_decision(gate: Mapping[str, Any]) -> None:
    baseline = gate["baseline"]
    against = f"against {plain(baseline['tag'])}" if baseline else "without a baseline"
    version = plain(gate["version"])
    if gate["passed"]:
        st.success(f"Version {version} passed the gate {against}.", icon=":material/check:")
    else:
        reasons = "".join(f"\n- {plain(each, _MAX_SENTENCE_LENGTH)}" for each in gate["reasons"])
        st.error(
            f"Version {version} failed the gate {against}, so it will not be published.\n{reasons}",
            icon=":material/block:",
        )
    for note in gate["notes"]:
        st.caption(plain(note, _MAX_SENTENCE_LENGTH))


def _figures_to_table(gate: Mapping[str, Any]) -> pd.DataFrame:
    differences = gate["differences"] or {}
    rows = [
        {
            "Figure": metric.label,
            "Value": metric.value_to_text(estimate["value"]),
            "Interval": _interval(metric, estimate),
            **({"Change": _change(metric, differences.get(metric.key))} if differences else {}),
        }
        for metric in metrics()
        if (estimate := gate["figures"].get(metric.key))
    ]
    return pd.DataFrame(rows)


def _classes_to_table(classes: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """The greatest losses first; classes without objects last."""
    ap = find_metric("AP")
    table = pd.DataFrame(
        {
            "Class": list(classes),
            "Images compared": [each["images"] for each in classes.values()],
            "Change of AP": [each[ap.key]["value"] for each in classes.values()],
            "Interval": [_interval(ap, each[ap.key], signed=True) for each in classes.values()],
        }
    )
    return table.sort_values("Change of AP", kind="stable", na_position="last")


def _interval(metric: Metric, estimate: Mapping[str, float | None], *, signed: bool = False) -> str:
    if estimate["low"] is None:
        return ""
    to_text = metric.change_to_text if signed else metric.value_to_text
    return " to ".join(to_text(estimate[end]) for end in ("low", "high"))


def _change(metric: Metric, difference: Mapping[str, float | None] | None) -> str:
    if difference is None or difference["value"] is None:
        return "n/a"
    interval = _interval(metric, difference, signed=True)
    return f"{metric.change_to_text(difference['value'])} ({interval})"
