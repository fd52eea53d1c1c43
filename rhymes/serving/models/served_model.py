"""One model: polls its base path, loads and unloads its versions.

TensorFlow Serving's rules (aspired_versions_manager.cc) but for three: a version that was served
goes only when another one that should be served is; where a base path is emptied the last good
version stays, unless told otherwise; other bytes under a number that serves are loaded.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from rhymes.serving.models.handles import Handle, Servable, VersionLease
from rhymes.serving.models.loading import LoadPolicy, error_to_text
from rhymes.serving.models.model_config import ModelConfig
from rhymes.serving.models.served_version import ServedVersion
from rhymes.serving.models.version_folder import CompleteFolder, FolderWatch, IncompleteFolder
from rhymes.serving.models.versions import BasePathWatch, FolderState
from rhymes.wire.errors import WireError

ENDED_LIMIT = 20
"""Versions that are over and still reported."""

_LOGGER = logging.getLogger("rhymes.serving")


@dataclass(frozen=True)
class SharedLoaders:
    """What all models share.

    Attributes:
        changed: guards all versions; notified whenever one of them changes.
        loader: runs loads, one at a time, so that memory holds one model more than is served.
        closer: frees memory, which a request that is the last must not wait for.
        announce: called without the lock after every change.
    """

    changed: threading.Condition
    loader: Executor
    closer: Executor
    announce: Callable[[], None]


class ServedModel:
    """One model.

    Args:
        config: what to serve.
        policy: how to load it.
        shared: what it shares with the others.

    Attributes:
        config: what to serve; None once it is removed.
    """

    def __init__(self, config: ModelConfig, policy: LoadPolicy, shared: SharedLoaders) -> None:
        self.config: ModelConfig | None = config
        self._name = config.name
        self._policy = policy
        self._shared = shared
        self._versions: dict[int, ServedVersion] = {}
        self._base_path = BasePathWatch()

    # Everything from here to `poll` is called with the lock held.

    def find(self, version: int | None) -> Handle | None:
        """Return what serves a version, or the highest that is served."""
        if version is None:
            version = max(self.available(), default=-1)
        found = self._versions.get(version)
        return None if found is None else found.handle

    def available(self) -> list[int]:
        """List the versions that are served, ascending."""
        return sorted(number for number, one in self._versions.items() if one.handle is not None)

    def statuses(self) -> list[Any]:
        """Report every version that is known, the highest first as TensorFlow Serving does."""
        return [self._versions[number].to_status() for number in sorted(self._versions)[::-1]]

    def explain(self) -> str:
        """Say which version should serve and does not, and why, as TensorFlow Serving does."""
        versions = [self._versions[number] for number in sorted(self._versions)[::-1]]
        for version in versions:
            error = version.error()
            if version.handle is None and error is not None:
                return f"{self._shown(version)} due to error: {error_to_text(error)}"
        if versions:
            return self._shown(versions[0])
        troubles = "".join(f" due to error: NOT_FOUND: {one}" for one in self._base_path.troubles)
        return f"{{name: {self._name}}}{troubles}"

    def is_pending(self) -> bool:
        """Tell whether a version may yet become available without anybody's help."""
        return any(version.is_pending() for version in self._versions.values())

    def is_busy(self) -> bool:
        """Tell whether a load or an unload is under way."""
        return any(version.is_loading or version.closing for version in self._versions.values())

    def remove(self) -> list[Handle]:
        """Stop serving; return the handles to retire."""
        self.config = None
        retired = []
        for version in self._versions.values():
            version.folder = None
            retired += self._take_handle(version)
        self._forget()
        return retired

    def poll(self) -> None:
        """Look at the base path, and start the loads and unloads that this asks for.

        One thread at a time may call it.
        """
        config = self.config
        if config is None:
            return
        found = self._base_path.poll(config)
        if found is None:
            return
        with self._shared.changed:
            if self.config is not config:
                return
            self._take(found)
            retired = self._retire_unwanted()
            self._shared.changed.notify_all()
        self._retire(retired)

    def _take(self, found: dict[int, FolderState]) -> None:
        """Note what a poll found, and start loads."""
        for number in found.keys() - self._versions.keys():
            self._versions[number] = ServedVersion(number)
        for number, version in sorted(self._versions.items()):
            state = found.get(number)
            version.folder = state.found if state else None
            if state and version.needs_load(self._policy.clock()):
                version.is_loading = version.is_known = True
                self._shared.loader.submit(self._load, version, state.watch)
        self._forget()

    def _load(self, version: ServedVersion, watch: FolderWatch) -> None:
        """Load a version and let it serve, unless its folder changed meanwhile."""
        whole = version.folder
        loaded: Servable | WireError | None = None
        is_same = False
        if isinstance(whole, CompleteFolder):
            try:
                loaded = self._policy.load_version(watch.folder, self._shown(version))
            except WireError as error:
                loaded = error
            is_same = watch.holds(whole)
        with self._shared.changed:
            version.is_loading = False
            retired = []
            if isinstance(whole, CompleteFolder) and loaded is not None:
                retired = self._settle(version, whole, loaded, is_same)
            if not is_same and version.folder is not None:
                version.folder = IncompleteFolder()  # until the next poll looks again
            retired += self._retire_unwanted()
            self._forget()
        self._retire(retired)
        self._changed()

    def _settle(
        self,
        version: ServedVersion,
        whole: CompleteFolder,
        loaded: Servable | WireError,
        is_same: bool,
    ) -> list[Handle]:
        """Take over what a load came to; return the handles to retire."""
        if isinstance(loaded, WireError):
            if is_same:
                version.failure = self._policy.to_failure(loaded, whole, version.failure)
            return []
        handle = self._handle(version, loaded, whole.identity)
        if is_same and version.wants(whole):
            _LOGGER.info("Successfully loaded servable version %s", self._shown(version))
            retired = self._take_handle(version)
            version.handle, version.failure = handle, None
            return retired
        _LOGGER.info("%s changed while it was loaded: not used", self._shown(version))
        version.closing += 1
        return [handle]

    def _handle(self, version: ServedVersion, servable: Servable, identity: str) -> Handle:
        lease = VersionLease(servable, self._name, version.number, identity)
        return Handle(lease, lambda handle: self._close(version, handle))

    def _retire_unwanted(self) -> list[Handle]:
        """Take the handles that are to be retired off the versions that are not wanted."""
        wanted = [one for one in self._versions.values() if one.folder is not None]
        if wanted:
            if not any(one.handle for one in wanted) or any(one.is_pending() for one in wanted):
                return []
        elif self.config is not None and not self._policy.unload_when_empty:
            return []
        unwanted = [one for one in self._versions.values() if one.folder is None]
        return [handle for version in unwanted for handle in self._take_handle(version)]

    def _take_handle(self, version: ServedVersion) -> list[Handle]:
        if version.handle is None:
            return []
        handle, version.handle = version.handle, None
        version.closing += 1
        return [handle]

    def _retire(self, handles: list[Handle]) -> None:
        for handle in handles:
            handle.retire()
        if handles:
            self._changed()

    def _close(self, version: ServedVersion, handle: Handle) -> None:
        self._shared.closer.submit(self._close_now, version, handle)

    def _close_now(self, version: ServedVersion, handle: Handle) -> None:
        try:
            handle.lease.servable.close()
        except Exception:
            _LOGGER.exception("%s was not freed", self._shown(version))
        finally:
            with self._shared.changed:
                version.closing -= 1
                self._forget()
            _LOGGER.info("Unloaded servable version %s", self._shown(version))
            self._changed()

    def _forget(self) -> None:
        """Drop versions that were never loaded and are gone, and the oldest that are over."""
        over = [number for number, one in self._versions.items() if one.is_over()]
        never = [number for number in over if not self._versions[number].is_known]
        known = [number for number in over if self._versions[number].is_known]
        for number in [*never, *known[:-ENDED_LIMIT]]:
            del self._versions[number]

    def _changed(self) -> None:
        with self._shared.changed:
            self._shared.changed.notify_all()
        self._shared.announce()

    def _shown(self, version: ServedVersion) -> str:
        return f"{{name: {self._name} version: {version.number}}}"
