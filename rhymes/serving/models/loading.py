"""Loading a version: the model, then its warm-up; one that fails in either is not served."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc

from rhymes.serving.models.handles import Servable
from rhymes.serving.models.served_version import Failure
from rhymes.serving.models.version_folder import CompleteFolder
from rhymes.wire.errors import WireError

_LOGGER = logging.getLogger("rhymes.serving")


@dataclass(frozen=True)
class LoadPolicy:
    """How versions are loaded.

    Attributes:
        load: loads a version's folder; raises WireError.
        warm_up: runs what should have run before the first request; raises WireError.
        max_retries: how often a load that failed is tried again.
        retry_seconds: how long to wait before that.
        unload_when_empty: whether an empty base path unloads what it held.
        clock: seconds, for the retries.
    """

    load: Callable[[Path], Servable]
    warm_up: Callable[[Servable, Path], object] | None
    max_retries: int
    retry_seconds: float
    unload_when_empty: bool
    clock: Callable[[], float]

    def load_version(self, folder: Path, shown: str) -> Servable:
        """Load and warm up.

        Args:
            folder: the version's.
            shown: what to call it in the log.

        Raises:
            WireError: either failed; nothing is left loaded.
        """
        _LOGGER.info("Loading servable version %s from %s", shown, folder)
        try:
            return self._load(folder)
        except WireError as error:
            _LOGGER.error("Loading servable: %s failed: %s", shown, error_to_text(error))
            raise
        except Exception as error:
            _LOGGER.exception("Loading servable: %s failed", shown)
            raise WireError(grpc.StatusCode.INTERNAL, repr(error)) from error

    def to_failure(
        self, error: WireError, whole: CompleteFolder, before: Failure | None
    ) -> Failure:
        """Note a load that failed, after another one perhaps, and when to try again."""
        is_again = before is not None and before.fingerprint == whole.fingerprint
        attempts = before.attempts + 1 if before is not None and is_again else 1
        is_last = attempts > self.max_retries
        retry_at = None if is_last else self.clock() + self.retry_seconds
        return Failure(error, whole.fingerprint, attempts, retry_at)

    def _load(self, folder: Path) -> Servable:
        servable = self.load(folder)
        if self.warm_up is not None:
            try:
                self.warm_up(servable, folder)
            except BaseException:
                servable.close()
                raise
        return servable


def error_to_text(error: WireError) -> str:
    """Write an error as TensorFlow does: CODE: message."""
    return f"{error.code.name}: {error.message}"
