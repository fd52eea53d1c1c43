"""The wire, faked: a server of two versions that finds what is red, green or blue.

Everything above gRPC is real: the page, its client, the messages. Version 2 does not see green.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np

from rhymes.images.images import check_image
from rhymes.wire import messages
from rhymes.wire.codec import array_to_tensor, tensor_to_array
from tests.support.canned_server import DETECTIONS, MASKS, STRING, CannedServer, make_signature
from tests.support.fake_client import find_colors

CLASSES = ("RED", "GREEN", "BLUE")
GREEN = 2


@dataclass
class ColorServer(CannedServer):
    """State that a test may change while the server runs.

    Attributes:
        names: Class names of each version, by its number.
        info: What else each version states of itself.
    """

    names: dict[int, tuple[str, ...]] = field(default_factory=lambda: {1: CLASSES, 2: CLASSES})
    info: dict[str, Any] = field(default_factory=lambda: {"score_threshold": 0.05})
    statuses: dict[int, tuple[int, str]] | None = field(
        default_factory=lambda: {2: (30, ""), 1: (30, "")}
    )
    has_masks: bool = True

    def identity_of(self, version: int) -> str:
        """What tells a version's bytes."""
        return f"{self.identity}-{version}"

    def predictions(self) -> int:
        """How many times images were asked for."""
        return len(self.asked_for("Predict"))

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        version = self._choose(request, context)
        context.set_trailing_metadata(
            [
                ("rhymes-model-identity", self.identity_of(version)),
                ("rhymes-server-seconds", self.server_seconds or "0"),
            ]
        )
        if request.model_spec.signature_name == "model_info":
            return self._answer(version, {"model_info": array_to_tensor(self._info(version))})
        behaviour = self.once.pop(0) if self.once else self.always
        if behaviour is not None:
            return behaviour(request, context)
        (data,) = tensor_to_array(next(iter(request.inputs.values())))
        outputs = self._find(data, version)
        return self._answer(version, {name: outputs[name] for name in request.output_filter})

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        version = self._choose(request, context)
        outputs = (*DETECTIONS, MASKS) if self.has_masks else DETECTIONS
        signatures = {
            "serving_default": make_signature({"inputs": (STRING, [-1])}, outputs),
            "model_info": make_signature({}, ("model_info",)),
        }
        response = messages.GetModelMetadataResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = version
        packed = messages.SignatureDefMap(signature_def=signatures)
        response.metadata["signature_def"].value = packed.SerializeToString()
        return response

    def _choose(self, request: Any, context: grpc.ServicerContext) -> int:
        there = [number for number, (state, _) in (self.statuses or {}).items() if state == 30]
        spec = request.model_spec
        version = int(spec.version.value) if spec.HasField("version") else max(there, default=0)
        if version not in there:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found: {version}")
        return version

    def _info(self, version: int) -> bytes:
        classes = [{"id": i, "name": n} for i, n in enumerate(self.names[version], start=1)]
        return json.dumps(self.info | {"version": version, "classes": classes}).encode()

    def _answer(self, version: int, outputs: dict[str, Any]) -> Any:
        self.version = version
        return self.respond(outputs)

    def _find(self, data: bytes, version: int) -> dict[str, Any]:
        image = check_image(data, max_bytes=10**8, max_pixels=10**8, keep=frozenset({"PNG"}))
        found = find_colors(image)
        seen = [i for i, c in enumerate(found.class_ids) if version == 1 or c != GREEN]
        size = np.array([found.height, found.width] * 2, np.float32)
        return {
            "detection_boxes": (found.boxes[seen][:, [1, 0, 3, 2]] / size)[None],
            "detection_scores": found.scores[seen][None],
            "detection_classes": found.class_ids[seen].astype(np.float32)[None],
            "num_detections": np.array([len(seen)], np.float32),
            MASKS: np.ones((1, len(seen), 28, 28), np.float32),
        }
