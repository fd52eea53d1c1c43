"""Ctrl-C (SIGINT) put off until a file is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_RAISES = signal.default_int_handler  # KeyboardInterrupt: what Python does on Ctrl-C


@contextmanager
def undisturbed() -> Iterator[list[int]]:
    """Let signals that would raise KeyboardInterrupt wait, and give the list of those that came.

    Nothing is raised at the end of the block either: that is for the caller to decide. Outside the
    main thread, which alone gets signals, this does nothing.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    held = [s for s in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(s) is _RAISES]
    for number in held:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield came
    finally:
        for number in held:
            signal.signal(number, _RAISES)
