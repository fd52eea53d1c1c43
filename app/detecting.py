"""Many images -> what a version found in each, a few at a time; a bad one stops no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import streamlit as st
from streamlit.runtime.scriptrunner import add_script_run_ctx, get_script_run_ctx

from app import backend
from app.backend import NOT_READY, ImageAnswer
from app.checked_image import CheckedImage
from rhymes.client.errors import ServingError

_AT_A_TIME = 4
# What was asked before answers at once: no bar flashes up then.
_QUIET_SECONDS, _STEP_SECONDS = 0.3, 0.1


def detect_all(images: Sequence[CheckedImage], version: int) -> list[ImageAnswer | ServingError]:
    """Ask for every image, with a progress bar; an answer or an error for each, in order.

    Once the server is gone, the images that are left have its error without being tried.
    """
    gone: list[ServingError] = []

    def ask(image: CheckedImage) -> ImageAnswer | ServingError:
        if gone:
            return gone[0]
        try:
            return backend.detect(image, version)
        except NOT_READY as error:
            gone.append(error)
            return error
        except ServingError as error:
            return error

    results: list[ImageAnswer | ServingError] = []
    with _session_threads() as pool, _progress(len(images)) as show:
        for result in pool.map(ask, images):
            results.append(result)
            show(len(results))
    return results


@contextmanager
def _session_threads() -> Iterator[ThreadPoolExecutor]:
    """Threads that belong to the session; the user's next click ends them between two images."""
    context = get_script_run_ctx()
    pool = ThreadPoolExecutor(
        _AT_A_TIME,
        initializer=lambda: add_script_run_ctx(threading.current_thread(), context),
    )
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    place, last = st.empty(), time.monotonic() + _QUIET_SECONDS - _STEP_SECONDS

    def show(done: int) -> None:
        nonlocal last
        if time.monotonic() - last > _STEP_SECONDS:
            last = time.monotonic()
            place.progress(done / total, f"{done} of {total} images")

    yield show
    place.empty()
