"""A thread that does the same again and again, until told to stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

_LOGGER = logging.getLogger("rhymes.serving")
_ONCE_SECONDS = 1.0


class Poller:
    """Calls a function at intervals.

    Args:
        poll: what to call; an error is logged and ends nothing.
        seconds: between two calls; 0 to call it every second until `is_done`; None for never.
        is_done: tells whether there is anything left to wait for.
    """

    def __init__(
        self, poll: Callable[[], None], seconds: float | None, is_done: Callable[[], bool]
    ) -> None:
        self._call = poll
        self._seconds = seconds
        self._is_done = is_done
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def ensure_running(self) -> None:
        """Begin, or begin anew where it has come to its end."""
        is_running = self._thread is not None and self._thread.is_alive()
        if self._seconds is None or is_running or self._stopping.is_set():
            return
        self._thread = threading.Thread(target=self._run, name="serving-poll", daemon=True)
        self._thread.start()

    def stop(self, timeout: float | None) -> None:
        """Call it no more; wait for a call that is under way."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds or _ONCE_SECONDS):
            try:
                self._call()
            except Exception:
                _LOGGER.exception("Looking for versions failed; it is tried again")
            if not self._seconds and self._is_done():
                return
