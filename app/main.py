"""The page's frame: `streamlit run app/main.py`, from the repository's root."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import streamlit as st

# Streamlit puts this file's own folder on the path, not the one that its packages lie in.
if (_ROOT := str(Path(__file__).resolve().parent.parent)) not in sys.path:
    sys.path.insert(0, _ROOT)

from app.views import compare, data, detect, model

# Streamlit leaves 96 pixels empty above each view; the bar of views needs 60 of them.
_STYLE = "<style>[data-testid=stMainBlockContainer] { padding-top: 4rem; }</style>"


def main() -> None:
    """Show the view that the user is at."""
    st.set_page_config(
        page_title="Rhymes detector",
        page_icon=str(Path(__file__).with_name("icon.png")),
        layout="wide",
    )
    st.html(_STYLE)
    _set_imports_aside()
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


@st.cache_resource(show_spinner=False)
def _set_imports_aside() -> None:
    """Keep the collector from looking at what was imported, once for all sessions.

    Streamlit runs a full collection after each run of the page (script_runner.py), which takes a
    tenth of a second with the hundreds of thousands of objects that pandas, Altair and others make
    when they are imported, and never let go.
    """
    gc.collect()
    gc.freeze()


main()
