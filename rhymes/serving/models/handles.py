"""Reference counts of loaded models: one is freed when no request holds it any more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rhymes.serving.handlers.interfaces import Runnable


class Servable(Runnable, Protocol):
    """A loaded model that gives its memory back."""

    def close(self) -> None:
        """Free the memory; nobody may run it any more."""
        ...


@dataclass(frozen=True)
class VersionLease:
    """A version of a model, for as long as a request holds it.

    Attributes:
        servable: what to run.
        name: of the model.
        version: its number.
        identity: SHA-256 that tells other bytes under the same number.
    """

    servable: Servable
    name: str
    version: int
    identity: str


class Handle:
    """A loaded version; once retired, it is given to `when_unused` as soon as nobody holds it.

    Args:
        lease: what holders get.
        when_unused: called once, by whoever is the last; it must be quick.
    """

    def __init__(self, lease: VersionLease, when_unused: Callable[[Handle], None]) -> None:
        self.lease = lease
        self._when_unused = when_unused
        self._lock = threading.Lock()
        self._holders = 0
        self._is_retired = False

    def hold(self) -> None:
        """Count one more holder; not after `retire`."""
        with self._lock:
            self._holders += 1

    def release(self) -> None:
        """Count one holder less."""
        with self._lock:
            self._holders -= 1
            is_unused = self._is_retired and not self._holders
        if is_unused:
            self._when_unused(self)

    def retire(self) -> None:
        """Say, once, that nobody will hold it anew."""
        with self._lock:
            self._is_retired = True
            is_unused = not self._holders
        if is_unused:
            self._when_unused(self)
