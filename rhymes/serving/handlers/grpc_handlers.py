"""TensorFlow Serving's services as gRPC handlers: bytes in, bytes out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from rhymes.serving.handlers.classification import classify, multi_inference, regress
from rhymes.serving.handlers.prediction import metadata, status
from rhymes.serving.handlers.service import Service, foreseen
from rhymes.wire.errors import WireError, invalid
from rhymes.wire.messages import (
    IDENTITY_KEY,
    METHODS,
    MODEL_SERVICE,
    PREDICTION_SERVICE,
    SECONDS_KEY,
    ReloadConfigResponse,
)

_MAX_WAIT = 86_400.0
# A context is used for all that gRPC tells of a call; its type has no annotations.
_Answer = Callable[[Any, Any], bytes]


class Handlers:
    """Makes the handlers of all methods.

    Args:
        service: what answers.
        reload: takes the ModelServerConfig of a HandleReloadConfigRequest; raises WireError.
    """

    def __init__(self, service: Service, reload: Callable[[Any], None]) -> None:
        self._service = service
        self._reload = reload
        self._answers: dict[str, _Answer] = {
            "Predict": self._predict,
            "GetModelMetadata": lambda request, _: _bytes(metadata(service.manager, request)),
            "Classify": self._refusal("Classify", classify, _name),
            "Regress": self._refusal("Regress", regress, _name),
            "MultiInference": self._refusal("MultiInference", multi_inference, _first_name),
            "GetModelStatus": lambda request, _: _bytes(status(service.manager, request)),
            "HandleReloadConfigRequest": self._reload_config,
        }

    def generic(self) -> list[Any]:
        """One generic handler a service."""
        return [
            grpc.method_handlers_generic_handler(
                name,
                {
                    method: grpc.unary_unary_rpc_method_handler(
                        _to_handler(method, request, self._answers[method])
                    )
                    for method, (request, _) in METHODS[name].items()
                },
            )
            for name in (PREDICTION_SERVICE, MODEL_SERVICE)
        ]

    def _predict(self, request: Any, context: Any) -> bytes:
        start = time.monotonic()
        timeout: float | None = context.time_remaining()
        if timeout is not None and timeout > _MAX_WAIT:
            timeout = None  # gRPC counts centuries where there is no deadline; locks cannot
        response, ran = self._service.predict(request, "GRPC", timeout, context.is_active)
        answer = _bytes(response)
        context.set_trailing_metadata(
            ((IDENTITY_KEY, ran.identity), (SECONDS_KEY, f"{time.monotonic() - start:.6f}"))
        )
        return answer

    def _refusal(
        self, api: str, function: Callable[[Any, Any], Any], named: Callable[[Any], str]
    ) -> _Answer:
        def answer(request: Any, _: Any) -> bytes:
            with self._service.measured(named(request), api, "GRPC"):
                return _bytes(function(self._service.manager, request))

        return answer

    def _reload_config(self, request: Any, _: Any) -> bytes:
        # The status goes into the response, too; a client sees that one only where it is OK.
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        self._reload(request.config)
        response = ReloadConfigResponse()
        response.status.SetInParent()
        return _bytes(response)


def _to_handler(method: str, request_class: Any, answer: _Answer) -> Callable[[bytes, Any], bytes]:
    def handle(data: bytes, context: Any) -> bytes:
        try:
            with foreseen(method):
                try:
                    request = request_class.FromString(data)
                except DecodeError:
                    raise invalid(
                        f"The request is not a {request_class.DESCRIPTOR.full_name}."
                    ) from None
                return answer(request, context)
        except WireError as error:
            failure = error
        context.abort(failure.code, failure.message)
        raise AssertionError("abort raises")

    return handle


def _name(request: Any) -> str:
    return str(request.model_spec.name)


def _first_name(request: Any) -> str:
    return str(request.tasks[0].model_spec.name) if request.tasks else ""


def _bytes(message: Any) -> bytes:
    return bytes(message.SerializeToString())
