"""Protocols of a loaded model and of the models' manager, as the request handlers use them."""

# ruff: noqa: D102 (the protocols' docstrings say what their members do)

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from numpy.typing import NDArray


class Runnable(Protocol):
    """A loaded model: SignatureDefs by name, and a way to run one of them.

    `run` takes arrays by input key, the output keys that are wanted and the seconds that it may
    take; it raises WireError for what an operation refuses.
    """

    @property
    def signatures(self) -> Mapping[str, Any]: ...
    def run(
        self,
        signature: str,
        inputs: Mapping[str, NDArray[Any]],
        outputs: Sequence[str],
        timeout: float | None,
    ) -> Mapping[str, NDArray[Any]]: ...


class Lease(Protocol):
    """A version of a model that stays loaded while it is held.

    `identity` is that of the version's bytes: others under the same number differ in it.
    """

    @property
    def servable(self) -> Runnable: ...
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def identity(self) -> str: ...


class Models(Protocol):
    """The manager of models; it raises the WireErrors of names, versions and labels."""

    def acquire(self, spec: Any) -> AbstractContextManager[Lease]: ...
    def statuses(self, name: str, version: int | None) -> Sequence[Any]: ...
    def names(self) -> Sequence[str]: ...
    def available(self, name: str) -> Sequence[int]: ...


class Manager(Models, Protocol):
    """A manager that can be started, told of other models, watched and stopped."""

    def start(self, configs: Sequence[Any], timeout: float | None) -> None: ...
    def reconfigure(self, configs: Sequence[Any]) -> None: ...
    def on_change(self, callback: Callable[[], None]) -> None: ...
    def stop(self) -> None: ...
