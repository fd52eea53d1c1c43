"""The page's frame: `streamlit run app/main.py`, from the repository's root."""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

# Streamlit puts this file's own folder on the path, not the one that its packages lie in.
if (_ROOT := str(Path(__file__).resolve().parent.parent)) not in sys.path:
    sys.path.insert(0, _ROOT)

from app.views import compare, data, detect, model


def main() -> None:
    """Show the view that the user is at."""
    st.set_page_config(
        page_title="Rhymes detector",
        page_icon=str(Path(__file__).with_name("icon.png")),
        layout="wide",
    )
    page = st.navigation(
        [
            st.Page(detect.show, title="Detect", icon=":material/search:", url_path="detect",
                    default=True),
            st.Page(compare.show, title="Compare", icon=":material/compare:", url_path="compare"),
            st.Page(data.show, title="Data", icon=":material/photo_library:", url_path="data"),
            st.Page(model.show, title="Model", icon=":material/monitoring:", url_path="model"),
        ],
        position="top",
    )  # fmt: skip
    page.run()


main()
