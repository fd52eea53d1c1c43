"""Past experiments side by side."""

from __future__ import annotations

import streamlit as st

from app.experiments import experiments_to_table, load_experiments


def show() -> None:
    """Show the part."""
    experiments = load_experiments()
    st.caption(
        "The files as they lie, branches and tags, and what dvc exp run made; the newest first. "
        "Of the parameters, those that differ."
    )
    st.dataframe(experiments_to_table(experiments), hide_index=True)
    if not any(each.kind == "experiment" for each in experiments):
        st.caption("No experiment yet. This makes one:")
        st.code("dvc exp run -S train.steps=800", language="bash")
