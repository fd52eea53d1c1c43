"""The manager of all served models: it polls base paths, loads, unloads, and knows the labels.

Version labels are names that requests may use for a version's number; their rules and texts are
those of TensorFlow Serving's server_core.cc.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from rhymes.serving.models.handles import Servable, VersionLease
from rhymes.serving.models.loading import LoadPolicy
from rhymes.serving.models.model_config import ModelConfig, check_transition
from rhymes.serving.models.served_model import ServedModel, SharedLoaders
from rhymes.wire.errors import WireError

REMOVED_LIMIT = 16
"""Models that are not served any more and whose ends are still reported."""

_LOGGER = logging.getLogger("rhymes.serving")
_ONCE_SECONDS = 1.0


class ModelManager:
    """Models by name; any thread may call any method.

    Args:
        load: loads a version's folder; raises WireError where it cannot.
        warm_up: runs on a loaded model what should run before the first request; an error fails
            the load.
        poll_seconds: between two looks at the base paths; 0 to look until all that is there has
            been loaded, None to look only when `poll_once` is called.
        max_load_retries: how often a load that failed is tried again with the same files.
        retry_seconds: how long to wait before that; changed files are tried at once.
        unload_when_empty: whether an empty base path unloads what it held, as TensorFlow Serving
            does.
        allow_labels_ahead: whether `reconfigure` may give a new label to a version that is not
            available yet.
        clock: seconds, for the retries.
    """

    def __init__(
        self,
        *,
        load: Callable[[Path], Servable],
        warm_up: Callable[[Servable, Path], object] | None = None,
        poll_seconds: float | None = 1.0,
        max_load_retries: int = 5,
        retry_seconds: float = 60.0,
        unload_when_empty: bool = False,
        allow_labels_ahead: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy = LoadPolicy(
            load, warm_up, max_load_retries, retry_seconds, unload_when_empty, clock
        )
        self._poll_seconds = poll_seconds
        self._labels = Labels(allow_labels_ahead)
        self._changed = threading.Condition()
        self._configuring = threading.Lock()
        self._polling = threading.Lock()
        self._poller = Poller(self.poll_once, poll_seconds, lambda: not self._is_pending())
        self._loader = ThreadPoolExecutor(1, "serving-load")
        self._closer = ThreadPoolExecutor(1, "serving-unload")
        self._shared = SharedLoaders(self._changed, self._loader, self._closer, self._announce)
        self._callbacks: tuple[Callable[[], None], ...] = ()
        self._models: dict[str, ServedModel] = {}

    def start(self, configs: Sequence[ModelConfig], timeout: float | None = None) -> None:
        """Begin to serve; return when every first load has ended, well or not, or at the timeout.

        A label points to its version from now on, and works once that is available.

        Raises:
            WireError: the models cannot be served; nothing has begun.
        """
        with self._configuring:
            check_transition(self._configs(), configs)
            self._configure(configs)
            self._wait(lambda: not self._is_pending(), timeout)

    def reconfigure(self, configs: Sequence[ModelConfig], timeout: float | None = 300.0) -> None:
        """Serve these models instead (HandleReloadConfigRequest); wait for those that are new.

        Args:
            configs: all models to serve; others are unloaded.
            timeout: seconds to wait.

        Raises:
            WireError: INVALID_ARGUMENT or FAILED_PRECONDITION, and all is as it was; UNKNOWN, and
                the new models are tried on.
        """
        with self._configuring:
            check_transition(self._configs(), configs)
            self._labels.check(configs, self.available)
            before = self.names()
            self._configure(configs)
            new = [config.name for config in configs if config.name not in before]
            self._wait(lambda: all(map(self._is_settled, new)), timeout)
            self._check_available(new)

    @contextmanager
    def acquire(self, spec: Any) -> Iterator[VersionLease]:
        """Hold the version that a ModelSpec asks for: it stays loaded meanwhile.

        Raises:
            WireError: there is no such model, version or label.
        """
        if not spec.name:
            raise WireError(grpc.StatusCode.INVALID_ARGUMENT, "ModelSpec has no name specified.")
        with self._changed:
            version = self._spec_to_version(spec)
            model = self._models.get(spec.name)
            handle = None if model is None else model.find(version)
            if handle is not None:
                handle.hold()
        if handle is None:
            asked = (
                f"Latest({spec.name})" if version is None else f"Specific({spec.name}, {version})"
            )
            raise WireError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {asked}")
        try:
            yield handle.lease
        finally:
            handle.release()

    def statuses(self, name: str, version: int | None = None) -> list[Any]:
        """Report a model's versions (ModelVersionStatus), the highest first, or one of them.

        Raises:
            WireError: NOT_FOUND; no such version, or none at all.
        """
        with self._changed:
            model = self._models.get(name)
            found = [] if model is None else model.statuses()
        if version is not None:
            found = [status for status in found if status.version == version]
        if not found:
            which = "any versions" if version is None else f"version {version}"
            raise WireError(grpc.StatusCode.NOT_FOUND, f"Could not find {which} of model {name}")
        return found

    def names(self) -> list[str]:
        """List the models that should be served."""
        with self._changed:
            return [name for name, model in self._models.items() if model.config is not None]

    def available(self, name: str) -> list[int]:
        """List a model's versions that are served, ascending; none of a model that there is not."""
        with self._changed:
            model = self._models.get(name)
            return [] if model is None else model.available()

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back after every change of what is available; from any thread, so be quick."""
        self._callbacks += (callback,)

    def poll_once(self) -> None:
        """Look at all base paths now; loads and unloads go on behind."""
        with self._polling:
            with self._changed:
                models = list(self._models.values())
            for model in models:
                model.poll()

    def wait_idle(self, timeout: float | None = None) -> bool:
        """Wait until no load or unload is under way; tell whether that came before the timeout."""
        return self._wait(lambda: not any(one.is_busy() for one in self._models.values()), timeout)

    def stop(self, timeout: float | None = 30.0) -> None:
        """Unload everything; what requests still hold stays until they let it go."""
        self._poller.stop(timeout)
        with self._configuring:
            self._configure([])
        if self.wait_idle(timeout):
            self._loader.shutdown()
            self._closer.shutdown()
        else:
            _LOGGER.warning("Stopped while a model was still in use or being loaded")

    def _configure(self, configs: Sequence[ModelConfig]) -> None:
        wanted = {config.name: config for config in configs}
        retired = []
        with self._changed:
            self._labels.replace(configs)
            for name, model in self._models.items():
                if name not in wanted:
                    retired += model.remove()
            for name, config in wanted.items():
                if name in self._models:
                    self._models[name].config = config
                else:
                    self._models[name] = ServedModel(config, self._policy, self._shared)
            self._forget()
            self._changed.notify_all()
        for handle in retired:
            handle.retire()
        self._announce()
        self.poll_once()
        self._poller.ensure_running()

    def _forget(self) -> None:
        """Drop the oldest models that were removed."""
        removed = [
            name
            for name, model in self._models.items()
            if model.config is None and not model.is_busy()
        ]
        for name in removed[:-REMOVED_LIMIT]:
            del self._models[name]

    def _configs(self) -> list[ModelConfig]:
        with self._changed:
            return [model.config for model in self._models.values() if model.config is not None]

    def _spec_to_version(self, spec: Any) -> int | None:
        match spec.WhichOneof("version_choice"):
            case "version":
                return int(spec.version.value)
            case "version_label":
                return self._labels.find(spec.name, spec.version_label)
            case _:
                return None

    def _is_pending(self) -> bool:
        return not all(map(self._is_settled, self.names()))

    def _is_settled(self, name: str) -> bool:
        """Tell whether waiting for a model helps no more."""
        with self._changed:
            model = self._models[name]
            # Without a thread that polls, what is not being loaded stays as it is.
            return not (model.is_busy() if self._poll_seconds is None else model.is_pending())

    def _check_available(self, names: Sequence[str]) -> None:
        with self._changed:
            failed = [self._models[name] for name in names if not self._models[name].available()]
            shown = "".join(f"{{{model.explain()}}}, " for model in failed)
        if failed:
            raise WireError(
                grpc.StatusCode.UNKNOWN,
                f"{len(failed)} model(s) did not become available: {{{shown}}}",
            )

    def _wait(self, is_done: Callable[[], bool], timeout: float | None) -> bool:
        with self._changed:
            return self._changed.wait_for(is_done, timeout)

    def _announce(self) -> None:
        for callback in self._callbacks:
            try:
                callback()
            except Exception:
                _LOGGER.exception("A callback for changed models failed")


class Labels:
    """Labels by model.

    Args:
        allow_ahead: whether a new label may point to a version that is not available yet.
    """

    def __init__(self, allow_ahead: bool) -> None:
        self._allow_ahead = allow_ahead
        self._versions: Mapping[str, Mapping[str, int]] | None = None

    def check(
        self, configs: Iterable[ModelConfig], available: Callable[[str], Sequence[int]]
    ) -> None:
        """Check labels that are to replace these.

        Raises:
            WireError: FAILED_PRECONDITION; one points to a version that is not available.
        """
        for config in configs:
            versions = available(config.name)
            known = (self._versions or {}).get(config.name, {})
            for label, version in config.labels.items():
                is_allowed = self._allow_ahead and known.get(label, version) == version
                if version not in versions and not is_allowed:
                    raise WireError(
                        grpc.StatusCode.FAILED_PRECONDITION,
                        f"Request to assign label to version {version} of model {config.name}, "
                        "which is not currently available for inference",
                    )

    def replace(self, configs: Iterable[ModelConfig]) -> None:
        """Forget all labels and take those of the models given."""
        self._versions = {config.name: dict(config.labels) for config in configs}

    def find(self, model: str, label: str) -> int:
        """Return the version that a label points to.

        Raises:
            WireError: UNAVAILABLE before any model was configured, INVALID_ARGUMENT for an
                unknown label.
        """
        if self._versions is None:
            raise WireError(grpc.StatusCode.UNAVAILABLE, f"Model labels does not init yet.{label}")
        versions = self._versions.get(model, {})
        if label not in versions:
            raise WireError(
                grpc.StatusCode.INVALID_ARGUMENT, f"Unrecognized servable version label: {label}"
            )
        return versions[label]


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
