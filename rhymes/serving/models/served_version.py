"""The state of one version of a model: its folder, what is loaded, what went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rhymes.serving.models.handles import Handle
from rhymes.serving.models.version_folder import CompleteFolder, Fingerprint, IncompleteFolder
from rhymes.wire.errors import WireError
from rhymes.wire.messages import ModelVersionStatus

State = ModelVersionStatus.State


@dataclass(frozen=True)
class Failure:
    """A load that failed.

    Attributes:
        error: why.
        fingerprint: of the files that were loaded.
        attempts: how often they were tried.
        retry_at: when to try again, in the manager's clock; None for never.
    """

    error: WireError
    fingerprint: Fingerprint
    attempts: int
    retry_at: float | None


@dataclass
class ServedVersion:
    """One version; its model's lock guards it.

    Attributes:
        number: the version.
        folder: what the last poll found; None where no version of that number is wanted.
        handle: what serves.
        is_loading: whether a load is under way.
        closing: how many that served before are still in use or being freed.
        failure: of the last load, unless a later one went well.
        is_known: whether anything was ever loaded or failed, so that its end is worth reporting.
    """

    number: int
    folder: CompleteFolder | IncompleteFolder | None = None
    handle: Handle | None = None
    is_loading: bool = False
    closing: int = 0
    failure: Failure | None = None
    is_known: bool = False

    def needs_load(self, now: float) -> bool:
        """Tell whether the folder holds what should be loaded now."""
        if not isinstance(self.folder, CompleteFolder) or self.is_loading:
            return False
        if self._serves(self.folder):
            return False
        failure = self.failure
        if failure is None or failure.fingerprint != self.folder.fingerprint:
            return True
        return failure.retry_at is not None and now >= failure.retry_at

    def wants(self, whole: CompleteFolder) -> bool:
        """Tell whether the last poll still found the bytes that were found whole."""
        return isinstance(self.folder, CompleteFolder) and self.folder.identity == whole.identity

    def error(self) -> WireError | None:
        """Say what keeps the folder as it is from being served."""
        if isinstance(self.folder, IncompleteFolder):
            return self.folder.error
        failure = self.failure
        if failure is None or self.folder is None:
            return None if failure is None else failure.error
        is_older = failure.fingerprint != self.folder.fingerprint
        return None if is_older or self._serves(self.folder) else failure.error

    def is_pending(self) -> bool:
        """Tell whether it is wanted and neither serves nor has failed."""
        if self.is_loading:
            return self.handle is None
        return self.folder is not None and self.handle is None and self.error() is None

    def is_over(self) -> bool:
        """Tell whether nothing of it is wanted, loaded or under way."""
        return not (self.folder or self.handle or self.is_loading or self.closing)

    def to_status(self) -> Any:
        """State and error as a ModelVersionStatus.

        Where other bytes under a number that serves could not be loaded, the state is AVAILABLE
        and the error says why they are not what serves.
        """
        status = ModelVersionStatus(version=self.number, state=self._state())
        error = self.error()
        if error is not None and status.state in (State.AVAILABLE, State.END):
            status.status.error_code = error.code.value[0]
            status.status.error_message = error.message
        else:
            status.status.SetInParent()
        return status

    def _serves(self, folder: CompleteFolder) -> bool:
        return self.handle is not None and self.handle.lease.identity == folder.identity

    def _state(self) -> int:
        state: int
        if self.handle is not None:
            state = State.AVAILABLE
        elif self.is_loading:
            state = State.LOADING
        elif self.closing:
            state = State.UNLOADING
        elif self.is_pending():
            state = State.START
        else:
            state = State.END
        return state
