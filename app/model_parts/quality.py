"""How good the measured model is: figures, curves, what is taken for what, the worst images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from app.charts import heat_map, lines
from app.metrics import AP_IN_WORDS, compare_metrics
from app.notices import explained
from app.plain_text import plain
from app.repository import EVALUATION, MissingFile, load_json, load_table
from rhymes.metrics.catalogue import metrics

_PLOTS = EVALUATION / "plots"
_SHOWN_CLASSES = 25
_SHOWN_IMAGES = 6
_BACKGROUND = "(background)"


def show() -> None:
    """Show the part."""
    values = load_json(EVALUATION / "metrics.json")
    _show_headline(values)
    for show_part in (_show_curves, _show_confusion, _show_worst):
        with explained():
            show_part()
    st.subheader("By class", anchor=False)
    st.dataframe(_classes_to_table(values["classes"]), hide_index=True)
    with st.expander("All figures"):
        st.dataframe(compare_metrics({"test split": values}), hide_index=True)


def _show_headline(values: dict[str, Any]) -> None:
    st.caption(f"On {values['images']:,} images of the test split with {values['objects']:,} "
               "objects, which the training never saw.", help=AP_IN_WORDS)  # fmt: skip
    shown = [metric for metric in metrics(is_headline=True) if metric.key in values]
    for column, metric in zip(st.columns(len(shown)), shown, strict=True):
        value = metric.value_to_text(values[metric.key])
        column.metric(metric.label, value, help=metric.meaning)


def _classes_to_table(classes: dict[str, dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame({"Class": list(classes)})
    table["Objects"] = [each["objects"] for each in classes.values()]
    shown = [
        metric
        for metric in metrics(is_headline=True)
        if any(metric.key in each for each in classes.values())
    ]
    for metric in shown:
        table[metric.label] = [each.get(metric.key) for each in classes.values()]
    return table.sort_values(shown[0].label, kind="stable", na_position="last")


def _show_curves() -> None:
    st.subheader(
        "Precision and recall", anchor=False,
        help="Precision: how much of what it finds is right. Recall: how much of what there is it "
        "finds. One threshold on the score is one point of the curve.",
    )  # fmt: skip
    classes = load_table(_PLOTS / "class_precision_recall.csv")
    chosen = st.multiselect(
        "Classes", sorted(classes["class"].unique()), placeholder="Mean of all classes",
        key="model classes",
    )  # fmt: skip
    if chosen:
        shown = classes[classes["class"].isin(chosen) & (classes["iou"] == 0.5)]
        curve = shown.assign(line=shown["class"] + " (" + shown["kind"] + ")")
    else:
        curve = _mean_curves()
    if curve.empty:
        st.caption("Undefined: the test split has no objects.")
        return
    st.altair_chart(lines(curve, x="recall", y="precision", by="line", domain=(0, 1)))


def _mean_curves() -> pd.DataFrame:
    curves = [
        pd.DataFrame(
            {
                "recall": table["recall"],
                "precision": table[f"iou{iou}"],
                "line": f"{kind}, IoU 0.{iou}",
            }
        )
        for kind, name in (("boxes", "precision_recall"), ("masks", "mask_precision_recall"))
        for table in (load_table(_PLOTS / f"{name}.csv"),)
        for iou in (50, 75)
    ]
    return pd.concat(curves).dropna()


def _show_confusion() -> None:
    st.subheader(
        "What is taken for what", anchor=False,
        help=f"Rows: what it is. Columns: what the model says. {_BACKGROUND}: nothing there, or "
        "nothing found.",
    )  # fmt: skip
    counts = load_table(_PLOTS / "confusion_counts.csv")
    wrong = counts[counts["actual"] != counts["predicted"]]
    errors = pd.concat([wrong.groupby(side)["count"].sum() for side in ("actual", "predicted")])
    worst = errors.groupby(level=0).sum().sort_values(ascending=False)
    names = sorted(set(counts["actual"]) | set(counts["predicted"]))
    if len(names) > _SHOWN_CLASSES:
        names = [*worst.index[:_SHOWN_CLASSES]]
        st.caption(f"The {_SHOWN_CLASSES} classes with most errors.")
    names.sort(key=lambda name: (name == _BACKGROUND, name))
    shown = counts[counts["actual"].isin(names) & counts["predicted"].isin(names)]
    totals = counts.groupby("actual")["count"].sum()
    shown = shown.assign(share=shown["count"] / shown["actual"].map(totals))
    st.altair_chart(heat_map(shown, names))
    if len(wrong):
        top = wrong.sort_values("count", ascending=False, kind="stable")
        st.dataframe(
            top.rename(columns={"actual": "It is", "predicted": "Taken for", "count": "Times"}),
            hide_index=True,
        )


def _show_worst() -> None:
    folder = EVALUATION / "images"
    images = sorted(folder.glob("*.png"))
    if not folder.is_dir():
        raise MissingFile(folder)
    if not images:
        return
    st.subheader("The images that went worst", anchor=False)
    for image in images[:_SHOWN_IMAGES]:
        _show_image(image)
    if len(images) > _SHOWN_IMAGES:
        st.caption(f"{len(images) - _SHOWN_IMAGES} more: {plain(folder)}")


def _show_image(path: Path) -> None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return  # the stage runs again at this moment
    st.image(data, width="stretch", alt=f"Ground truth and detections, {path.stem}")
