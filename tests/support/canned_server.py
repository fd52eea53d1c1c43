"""A gRPC server that answers what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from PIL import Image

from rhymes.wire import messages
from rhymes.wire.codec import array_to_tensor, tensor_to_array

Behaviour = Callable[[Any, grpc.ServicerContext], Any]

FLOAT, UINT8, STRING, INT64 = 1, 4, 7, 9
DETECTIONS = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
MASKS = "detection_masks"


def make_signature(
    inputs: dict[str, tuple[int, list[int] | None]], outputs: tuple[str, ...] = DETECTIONS
) -> Any:
    """A SignatureDef; an input is (dtype, shape), -1 for any size, None for an unknown rank."""
    signature = messages.SignatureDef()
    for key, (dtype, shape) in inputs.items():
        signature.inputs[key].dtype = dtype
        if shape is None:
            signature.inputs[key].tensor_shape.unknown_rank = True
        for size in shape or []:
            signature.inputs[key].tensor_shape.dim.add(size=size)
    for key in outputs:
        signature.outputs[key].dtype = STRING if key == "model_info" else FLOAT
    return signature


def make_outputs(images: int = 1, *, masks: bool = False) -> dict[str, np.ndarray[Any, Any]]:
    """Two objects (of four at most) in each image: class 1 on the left half, 2 on the right."""
    boxes = [[0, 0, 1, 0.5], [0, 0.5, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    outputs = {
        "detection_boxes": np.array([boxes] * images, np.float32),
        "detection_scores": np.array([[0.75, 0.5, 0, 0]] * images, np.float32),
        "detection_classes": np.array([[1, 2, 0, 0]] * images, np.float32),
        "num_detections": np.array([2] * images, np.float32),
    }
    if masks:
        outputs[MASKS] = np.ones((images, 4, 28, 28), np.float32)
    return outputs


@dataclass
class CannedServer:
    """State that a test may change while the server runs.

    Attributes:
        once: Behaviours for the next Predicts of images, used up one by one.
        statuses: Version -> state number and error, as GetModelStatus answers.
    """

    version: int = 1
    identity: str | None = "one"
    server_seconds: str | None = "0.25"
    classes: list[dict[str, Any]] | None = field(
        default_factory=lambda: [{"id": 1, "name": "CAT"}, {"id": 2, "name": "DOG"}]
    )
    signatures: dict[str, Any] = field(
        default_factory=lambda: {
            "serving_default": make_signature({"inputs": (STRING, [-1])}, (*DETECTIONS, MASKS))
        }
    )
    as_content: bool = True
    once: list[Behaviour] = field(default_factory=list)
    always: Behaviour | None = None
    before_metadata: Behaviour | None = None
    before_info: Callable[[], None] = lambda: None
    statuses: dict[int, tuple[int, str]] | None = field(default_factory=lambda: {1: (30, "")})
    asked: list[tuple[str, Any]] = field(default_factory=list)
    address: str = ""

    def asked_for(self, method: str) -> list[Any]:
        """The requests of a method, without those for model_info."""
        return [
            request
            for name, request in self.asked
            if name == method and request.model_spec.signature_name != "model_info"
        ]

    def respond(self, outputs: dict[str, Any], *, as_content: bool | None = None) -> Any:
        """A PredictResponse of arrays (or tensors)."""
        response = messages.PredictResponse()
        response.model_spec.name = "detector"
        response.model_spec.version.value = self.version
        packed = self.as_content if as_content is None else as_content
        for name, value in outputs.items():
            is_tensor = isinstance(value, messages.TensorProto)
            tensor = value if is_tensor else array_to_tensor(value, as_content=packed)
            response.outputs[name].CopyFrom(tensor)
        return response

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self._tell(context)
        if request.model_spec.signature_name == "model_info":
            self.before_info()
            text = json.dumps({"classes": self.classes})
            return self.respond({"model_info": array_to_tensor(text.encode())})
        behaviour = self.once.pop(0) if self.once else self.always
        if behaviour is not None:
            return behaviour(request, context)
        images = tensor_to_array(next(iter(request.inputs.values())))
        outputs = make_outputs(len(images), masks=True)
        return self.respond({name: outputs[name] for name in request.output_filter})

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        if self.before_metadata:
            self.before_metadata(request, context)
        signatures = dict(self.signatures)
        if self.classes is not None:
            signatures["model_info"] = make_signature({}, ("model_info",))
        response = messages.GetModelMetadataResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = self.version
        packed = messages.SignatureDefMap(signature_def=signatures)
        response.metadata["signature_def"].value = packed.SerializeToString()
        return response

    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        name = request.model_spec.name
        if self.statuses is None:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {name}")
        response = messages.GetModelStatusResponse()
        for version, (state, error) in (self.statuses or {}).items():
            status = response.model_version_status.add(version=version, state=state)
            status.status.error_message = error
        return response

    def _tell(self, context: grpc.ServicerContext) -> None:
        told = {
            "rhymes-model-identity": self.identity,
            "rhymes-server-seconds": self.server_seconds,
        }
        context.set_trailing_metadata([(k, v) for k, v in told.items() if v is not None])


def abort(code: grpc.StatusCode, details: str) -> Behaviour:
    """A behaviour: answer with an error."""
    return lambda request, context: context.abort(code, details)


@contextmanager
def running(
    canned: CannedServer,
    *,
    address: str = "127.0.0.1:0",
    credentials: grpc.ServerCredentials | None = None,
) -> Iterator[CannedServer]:
    """Start on a free port of the loopback (or at an address), for the time of the block."""
    server = grpc.server(
        futures.ThreadPoolExecutor(20),
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", 1 << 26),
            ("grpc.max_send_message_length", 1 << 26),
        ],
    )

    def handler(method: str, request: Any, response: Any) -> grpc.RpcMethodHandler:
        def answer(message: Any, context: grpc.ServicerContext) -> Any:
            canned.asked.append((method, message))
            return getattr(canned, method)(message, context)

        def to_bytes(reply: Any) -> bytes:
            return reply if isinstance(reply, bytes) else reply.SerializeToString()

        return grpc.unary_unary_rpc_method_handler(answer, request.FromString, to_bytes)

    for service, methods in messages.METHODS.items():
        handlers = {
            method: handler(method, *types)
            for method, types in methods.items()
            if hasattr(canned, method)
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    if credentials is None:
        port = server.add_insecure_port(address)
    else:
        port = server.add_secure_port(address, credentials)
    canned.address = f"127.0.0.1:{port}"
    server.start()
    try:
        yield canned
    finally:
        server.stop(0).wait(10)


def encode(encoding: str = "JPEG", size: tuple[int, int] = (40, 20), **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (9, 99, 199)).save(file, encoding, **options)
    return file.getvalue()


IMAGE = encode()


def sizes(found: list[Any]) -> list[tuple[int, int]]:
    return [(each.width, each.height) for each in found]


def lengths(requests: list[Any]) -> list[int]:
    return [len(tensor_to_array(next(iter(request.inputs.values())))) for request in requests]
