"""Model: how good it is, may it be published, how was it trained, from what, what was tried."""

from __future__ import annotations

import streamlit as st

from app import backend
from app.model_parts import gate, history, origin, quality, training
from app.notices import explained
from app.plain_text import plain
from app.predictions import load_measured
from app.repository import EVALUATION, MissingFile
from rhymes.client.errors import ServingError
from rhymes.common.errors import InputError

_PARTS = {
    "Quality": quality.show,
    "Gate": gate.show,
    "Training": training.show,
    "Origin": origin.show,
    "Experiments": history.show,
}


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
