"""Which version of the model answers."""

from __future__ import annotations

import streamlit as st

from app import backend
from app.plain_text import plain


def choose_version(key: str, label: str = "Version of the model", place: int = 0) -> int:
    """Show the versions that answer; return the chosen one.

    Args:
        key: Of the view.
        label: Of the picker.
        place: Of the one that is chosen at first; 0 is the newest.

    Raises:
        ServingError: there is no server, or no version that answers.
    """
    available = backend.available_versions()
    version: int = st.selectbox(
        label,
        available,
        index=min(place, len(available) - 1),
        key=f"{key} version",
        help="The numbers that the server knows the model's versions by.",
    )
    for status in backend.versions():
        if status.state not in ("AVAILABLE", "END") or status.error:
            why = f": {plain(status.error)}" if status.error else ""
            st.caption(f"Version {status.version} is {plain(status.state.lower())}{why}")
    return version
