"""Model: how good it is, may it be published, how was it trained, from what, what was tried."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import backend
from app.charts import lines
from app.experiments import experiments_to_table, load_experiments
from app.model_parts import gate, origin, quality
from app.notices import explained
from app.plain_text import plain
from app.predictions import load_measured
from app.repository import EVALUATION, TRAINING, MissingFile, load_table
from rhymes.client.errors import ServingError
from rhymes.common.errors import InputError
from rhymes.metrics.catalogue import metrics

_CURVES = TRAINING / "plots/metrics"


def show() -> None:
    """Show the view."""
    st.header("How good the model is", anchor=False)
    part = st.segmented_control(
        "Part",
        list(_PARTS),
        default="Quality",
        required=True,
        key="model part",
        label_visibility="collapsed",
    )
    if part in ("Quality", "Gate"):
        _say_whose_figures()
    with explained():
        _PARTS[part]()


def _say_whose_figures() -> None:
    """Warn where the report is not about the model that is served."""
    try:
        measured = load_measured()
    except MissingFile:
        return  # the part itself says so
    except InputError as error:
        st.warning(plain(error, 400), icon=":material/warning:")
        return
    try:
        served = backend.describe(backend.available_versions()[0])
    except ServingError:
        st.caption(f"Of version {measured.version}. No server answers, so it may not be served.")
        return
    if measured.identity == served.identity:
        st.caption(f"Of version {measured.version}, the one that is served.")
        return
    st.warning(
        f"These figures are of another model than the one that is served: {plain(EVALUATION)} "
        f"measured version {measured.version} ({plain(measured.identity[:12])}), the server's "
        f"newest is version {served.version} ({plain((served.identity or 'unknown')[:12])}).",
        icon=":material/warning:",
    )


def _show_training() -> None:
    """How the training went; the files may grow while it still runs."""
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
    keys = [metric.key for metric in metrics(is_headline=True)]
    _show_lines("val", [key for key in keys if (_CURVES / "val" / f"{key}.tsv").exists()], "score")


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


def _show_experiments() -> None:
    """Past experiments side by side."""
    experiments = load_experiments()
    st.caption(
        "The files as they lie, branches and tags, and what dvc exp run made; the newest first. "
        "Of the parameters, those that differ."
    )
    st.dataframe(experiments_to_table(experiments), hide_index=True)
    if not any(each.kind == "experiment" for each in experiments):
        st.caption("No experiment yet. This makes one:")
        st.code("dvc exp run -S train.steps=800", language="bash")


_PARTS = {
    "Quality": quality.show,
    "Gate": gate.show,
    "Training": _show_training,
    "Origin": origin.show,
    "Experiments": _show_experiments,
}
