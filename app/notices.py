"""What is missing, and the command that makes it: said in the place where the thing would be.

A notice watches for what is missing and runs the page again once it is there, so that nobody has
to reload.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

from app import backend
from app.plain_text import plain
from app.repository import MissingFile
from rhymes.client.errors import ServerUnreachable, ServingError
from rhymes.common.addresses import server_address
from rhymes.common.errors import InputError

_WATCH_SECONDS = 2.0
_MAX_LENGTH = 600


@contextmanager
def explained() -> Iterator[None]:
    """Run a part of a view; where something that it needs is missing, show what and how to get it.

    What stands in the view after the block is shown all the same.
    """
    try:
        yield
    except MissingFile as missing:
        _show_missing(missing)
    except backend.NOT_READY as error:
        _show_waiting(error)
    except ServingError as error:
        st.error(plain(error, _MAX_LENGTH), icon=":material/error:")
        st.button("Try again", icon=":material/refresh:", key=f"again {error!s}"[:200])
    except InputError as error:
        st.error(plain(error, _MAX_LENGTH), icon=":material/error:")


def _show_missing(missing: MissingFile) -> None:
    st.info(f"**{plain(missing.path)}** is not there yet. This makes it:", icon=":material/info:")
    st.code(missing.command, language="bash")
    st.caption("Or `dvc pull`, where a remote has it. The page goes on by itself once it is there.")
    _watch(missing.path.exists)


def _show_waiting(error: ServingError) -> None:
    if isinstance(error, ServerUnreachable):
        where = plain(server_address())
        st.error(
            f"No model server answers at **{where}**. This starts one:", icon=":material/error:"
        )
        st.code("make serve", language="bash")
    else:
        st.warning(
            "The model server runs, but has no model to answer with.", icon=":material/info:"
        )
        st.code("make repro", language="bash")
    st.caption(f"{plain(error, _MAX_LENGTH)} The page goes on by itself once there is an answer.")
    _watch(backend.is_ready)


@st.fragment(run_every=_WATCH_SECONDS)
def _watch(is_there: Callable[[], bool]) -> None:
    """Run the page again once something is there."""
    if is_there():
        st.rerun()
