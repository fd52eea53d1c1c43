"""How the training went; the files may grow while it still runs."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.charts import lines
from app.repository import TRAINING, MissingFile, load_table

_CURVES = TRAINING / "plots/metrics"
_SCORES = ("AP", "AP50", "mask_AP", "mask_AP50")


def show() -> None:
    """Show the part."""
    if not _CURVES.is_dir():
        raise MissingFile(_CURVES)
    st.subheader(
        "Loss on the training images",
        anchor=False,
        help="What the training makes small. It should fall, and then level off.",
    )
    names = sorted(path.stem for path in (_CURVES / "train").glob("*.tsv"))
    losses = [name for name in names if name.endswith("loss")]
    chosen = st.multiselect("Losses", losses, default=[n for n in losses if n == "loss"],
                            key="model losses")  # fmt: skip
    _show_lines("train", chosen, "loss")
    st.subheader(
        "Average precision on the validation images",
        anchor=False,
        help="Measured now and then while training; the best weights are kept.",
    )
    _show_lines("val", [n for n in _SCORES if (_CURVES / "val" / f"{n}.tsv").exists()], "score")


def _show_lines(split: str, names: list[str], title: str) -> None:
    curves = [
        load_table(_CURVES / split / f"{name}.tsv").rename(columns={name: title}).assign(line=name)
        for name in names
    ]
    if not curves:
        st.caption("Nothing to show yet.")
        return
    table = pd.concat(curves)
    st.altair_chart(lines(table.dropna(), x="step", y=title, by="line"))
