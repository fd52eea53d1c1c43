"""What became of the export: read, kept, dropped, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from app.notices import explained
from app.plain_text import plain
from app.repository import CONVERSION, load_json, load_table
from rhymes.coco.conversion_report import MEANINGS
from rhymes.common.csv import rows_to_csv
from rhymes.export.annotations import Reason

_INDEX = Path("data/export/index.csv")


def show() -> None:
    """Show the part."""
    report = load_json(CONVERSION)
    _show_totals(report)
    for warning in report["warnings"]:
        st.warning(plain(warning, 600), icon=":material/warning:")
    _show_dropped(report["dropped"], report.get("examples", {}))
    if report["unknown_labels"]:
        st.subheader("Labels that are no class", anchor=False)
        labels = report["unknown_labels"]
        st.dataframe(
            pd.DataFrame({"Label": list(labels), "Objects": list(labels.values())}),
            hide_index=True,
        )
    if report.get("agreement", {}).get("images"):  # a report of an earlier version has none
        _show_agreement(report["agreement"])
    with explained():
        _show_failed()


def _show_totals(report: dict[str, Any]) -> None:
    rows, items = report["rows"], report["items"]
    figures = (
        ("Rows read", rows["read"], f"{rows['kept']:,} kept"),
        ("Objects read", items["read"], f"{items['kept']:,} kept"),
        ("Objects dropped", items["dropped"], f"{items['clipped']:,} cut at the image's edge"),
    )
    for column, (label, value, note) in zip(st.columns(len(figures)), figures, strict=True):
        column.metric(label, f"{value:,}", note, delta_color="off", delta_arrow="off")


def _show_dropped(
    dropped: dict[str, dict[str, Any]], examples: dict[str, list[dict[str, Any]]]
) -> None:
    st.subheader("What was left out", anchor=False)
    happened = {Reason(code): each for code, each in dropped.items() if each["count"]}
    if not happened:
        st.success("Nothing was left out.", icon=":material/check:")
        return
    table = pd.DataFrame(
        {
            "Count": [each["count"] for each in happened.values()],
            "What": [MEANINGS[reason] for reason in happened],
            "First rows": [", ".join(map(str, each["rows"][:10])) for each in happened.values()],
            "For example": [_first_example(examples.get(reason, [])) for reason in happened],
        }
    )
    st.dataframe(table, hide_index=True)
    st.caption("Rows are numbered as in a spreadsheet: the header is row 1.")
    st.download_button(
        "All rows, with the reason (CSV)",
        lambda: _dropped_to_csv(happened),
        "left_out.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/table:",
    )


def _first_example(examples: list[dict[str, Any]]) -> str:
    return f"{examples[0]['value']}: {examples[0]['problem']}" if examples else ""


def _dropped_to_csv(happened: dict[Reason, dict[str, Any]]) -> str:
    rows = sorted(
        (row, str(reason), MEANINGS[reason])
        for reason, each in happened.items()
        for row in each["rows"]
    )
    return rows_to_csv([("row", "reason", "meaning"), *rows])


def _show_agreement(agreement: dict[str, Any]) -> None:
    st.subheader("Agreement of annotators", anchor=False)
    st.caption(
        f"{agreement['images']:,} images of several annotators. Agreement is twice the objects "
        "that two of them both drew and named alike, over all objects of the two."
    )
    classes, annotators = st.columns(2)
    with classes:
        _show_figures("Class", agreement["classes"], {"Mean IoU": "iou"})
    with annotators:
        _show_figures(
            "Annotator",
            agreement["annotators"],
            {"Objects": "objects", "Drawn by no other": "alone", "Missed": "missed"},
        )
    if worst := agreement["least_agreed"]:
        st.caption("Images that agree least, the worst first")
        _show_bars(
            pd.DataFrame(
                {
                    "Image": [each["image"] for each in worst],
                    "Agreement": [each["agreement"] for each in worst],
                    "Objects": [each["objects"] for each in worst],
                    "Rows": [", ".join(map(str, each["rows"])) for each in worst],
                }
            )
        )


def _show_figures(title: str, figures: dict[str, dict[str, Any]], more: dict[str, str]) -> None:
    """Show agreement and more keys of each class or annotator, least agreement first."""
    ranked = sorted(figures.items(), key=lambda each: each[1]["agreement"])
    table = {title: [name for name, _ in ranked], "Agreement": [e["agreement"] for _, e in ranked]}
    _show_bars(pd.DataFrame(table | {n: [e[key] for _, e in ranked] for n, key in more.items()}))


def _show_bars(table: pd.DataFrame) -> None:
    bar = st.column_config.ProgressColumn("Agreement", min_value=0, max_value=1, format="%.2f")
    height = min(38 * len(table) + 40, 340)
    st.dataframe(table, hide_index=True, height=height, column_config={"Agreement": bar})


def _show_failed() -> None:
    index = load_table(_INDEX)
    failed = index[index["error"] != ""]
    if not len(failed):
        return
    st.subheader("Images that could not be had", anchor=False)
    st.dataframe(pd.DataFrame({"Image": failed["image"], "Why": failed["error"]}), hide_index=True)
