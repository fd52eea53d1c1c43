"""A manager of models that compute nothing: what stands before the models is tested with it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np

from rhymes.wire import messages
from rhymes.wire.dtypes import dtype_to_number
from rhymes.wire.errors import WireError

Arrays = Mapping[str, np.ndarray[Any, Any]]


def make_signature(
    inputs: Mapping[str, tuple[Any, Sequence[int] | None]],
    outputs: Sequence[str] = ("found",),
    defaults: Mapping[str, Any] | None = None,
) -> Any:
    """Declare a signature: dtype and shape an input (-1 any size, None any rank)."""
    signature = messages.SignatureDef(method_name="tensorflow/serving/predict")
    for name, (dtype, shape) in inputs.items():
        info = signature.inputs[name]
        info.name, info.dtype = f"serving_default_{name}:0", dtype_to_number(np.dtype(dtype))
        info.tensor_shape.SetInParent()
        info.tensor_shape.unknown_rank = shape is None
        for size in shape or ():
            info.tensor_shape.dim.add(size=size)
    for name in outputs:
        signature.outputs[name].dtype = dtype_to_number(np.dtype(np.float32))
    for name, tensor in (defaults or {}).items():
        signature.defaults[name].CopyFrom(tensor)
    return signature


@dataclass
class FakeServable:
    """Answers with `result`, or does what `behaviour` says; remembers what it was given."""

    signatures: Mapping[str, Any]
    result: Arrays = field(default_factory=lambda: {"found": np.ones((1, 2), np.float32)})
    behaviour: Callable[[], None] = lambda: None
    asked: list[tuple[str, Arrays, Sequence[str], float | None]] = field(default_factory=list)

    def run(
        self, signature: str, inputs: Arrays, outputs: Sequence[str], timeout: float | None
    ) -> Arrays:
        self.asked.append((signature, inputs, outputs, timeout))
        self.behaviour()
        return {name: self.result[name] for name in outputs}


@dataclass
class FakeHeld:
    servable: FakeServable
    name: str
    version: int
    identity: str = "0123abc"


class FakeManager:
    """One model, `detector`, of version 7."""

    def __init__(self, servable: FakeServable) -> None:
        self.servable = servable
        self.versions = [7]
        self.held = 0
        self.changed: list[Callable[[], None]] = []
        self.configs: list[Any] = []
        self.stopped = False

    @contextmanager
    def acquire(self, spec: Any) -> Iterator[FakeHeld]:
        if not spec.name:
            raise WireError(grpc.StatusCode.INVALID_ARGUMENT, "ModelSpec has no name specified.")
        if spec.name != "detector" or (spec.HasField("version") and spec.version.value != 7):
            asked = f"Specific({spec.name}, {spec.version.value})"
            latest = f"Latest({spec.name})"
            raise WireError(
                grpc.StatusCode.NOT_FOUND,
                "Servable not found for request: "
                + (asked if spec.HasField("version") else latest),
            )
        self.held += 1
        try:
            yield FakeHeld(self.servable, "detector", 7)
        finally:
            self.held -= 1

    def statuses(self, name: str, version: int | None) -> list[Any]:
        if name != "detector":
            raise WireError(
                grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {name}"
            )
        return [messages.ModelVersionStatus(version=v, state=30) for v in self.versions]

    def names(self) -> list[str]:
        return ["detector"]

    def available(self, name: str) -> list[int]:
        return self.versions

    def start(self, configs: Sequence[Any], timeout: float | None) -> None:
        self.configs = list(configs)

    def reconfigure(self, configs: Sequence[Any]) -> None:
        self.configs = list(configs)

    def on_change(self, callback: Callable[[], None]) -> None:
        self.changed.append(callback)

    def stop(self) -> None:
        self.stopped = True


def detector_signatures() -> dict[str, Any]:
    """The inputs of an exported detector's signatures."""
    return {
        "serving_default": make_signature({"inputs": (object, [-1])}),
        "image_tensor": make_signature({"inputs": (np.uint8, [-1, -1, -1, 3])}),
        "tf_example": make_signature({"inputs": (object, [-1])}),
        "model_info": make_signature({}, ("model_info",)),
    }


class Blocker:
    """Holds whoever calls it until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.opened = threading.Event()

    def __call__(self) -> None:
        self.entered.release()
        if not self.opened.wait(30):
            raise AssertionError("nobody opened it")
