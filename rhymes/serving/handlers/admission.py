"""Admission control: how many requests run at once, and who waits.

A request that waits costs its message and a sleeping thread; one that runs costs the model's
memory and shares the cores with the others. So few run and the others wait, as long as their
callers do: whoever gave up is dropped before any work is done for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc

from rhymes.wire.errors import WireError


class Gate:
    """Lets a number of requests run at once.

    Args:
        limit: how many.

    Attributes:
        running: requests inside, for the metrics.
        waiting: requests before it, for the metrics.
    """

    def __init__(self, limit: int) -> None:
        self._semaphore = threading.BoundedSemaphore(limit)
        self._counting = threading.Lock()
        self.running = 0
        self.waiting = 0

    @contextmanager
    def entered(
        self, timeout: float | None = None, wanted: Callable[[], bool] = lambda: True
    ) -> Iterator[float | None]:
        """Wait to be let in; give the seconds that are left of `timeout`.

        Args:
            timeout: seconds until nobody waits for the answer any more; None for never.
            wanted: whether somebody still does; asked once the request is let in.

        Raises:
            WireError: DEADLINE_EXCEEDED, or CANCELLED where the answer is not wanted any more.
        """
        start = time.monotonic()
        self._count(waiting=1)
        try:
            # An expired deadline may come as a negative number, which a semaphore refuses.
            entered = self._semaphore.acquire(
                timeout=None if timeout is None else max(timeout, 0.0)
            )
        finally:
            self._count(waiting=-1)
        if not entered:
            raise _too_late()
        self._count(running=1)
        try:
            if not wanted():
                raise WireError(grpc.StatusCode.CANCELLED, "The caller gave up before it ran.")
            left = None if timeout is None else timeout - (time.monotonic() - start)
            if left is not None and left <= 0:
                raise _too_late()
            yield left
        finally:
            self._count(running=-1)
            self._semaphore.release()

    def _count(self, running: int = 0, waiting: int = 0) -> None:
        with self._counting:
            self.running += running
            self.waiting += waiting


def _too_late() -> WireError:
    return WireError(
        grpc.StatusCode.DEADLINE_EXCEEDED,
        "The deadline passed while the request waited for others to finish.",
    )
