"""grpc.health.v1: whether the server, a service or a model can answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from rhymes.serving.handlers.interfaces import Models
from rhymes.wire.messages import MODEL_SERVICE, PREDICTION_SERVICE

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_SERVICES = (
    "",
    PREDICTION_SERVICE,
    MODEL_SERVICE,
    # TensorFlow Serving registers the names without their package (server.cc).
    *(name.rpartition(".")[2] for name in (PREDICTION_SERVICE, MODEL_SERVICE)),
)


class _Servicer(health.HealthServicer):  # type: ignore[misc]
    """Ends its streams when asked to; they would else outlive the server's last call."""

    def __init__(self) -> None:
        super().__init__()
        self._watchers: set[Callable[[Any], None]] = set()
        self._watching = threading.Lock()
        self._ended = False

    def Watch(  # noqa: N802 (gRPC's name)
        self, request: Any, context: Any, send_response_callback: Any = None
    ) -> Any:
        result = super().Watch(request, context, send_response_callback)
        with self._watching:
            if not self._ended:
                self._watchers.add(send_response_callback)
                context.add_callback(lambda: self._watchers.discard(send_response_callback))
                return result
        send_response_callback(None)
        return result

    def end_watches(self) -> None:
        """Close the streams, after the last state that was told."""
        with self._watching:
            self._ended = True
            watchers = list(self._watchers)
        for send in watchers:
            send(None)


class Health:
    """Keeps the states that clients ask for.

    The server and its services are SERVING while every configured model has a version that
    answers; under a model's name, that model's state is told.
    """

    def __init__(self) -> None:
        self._servicer = _Servicer()
        self._lock = threading.Lock()
        self._models: set[str] = set()
        for name in _SERVICES:
            self._servicer.set(name, _NOT_SERVING)

    def add_to(self, server: grpc.Server) -> None:
        """Let a gRPC server answer for it."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    def update(self, manager: Models) -> None:
        """Tell the models' present states; to be called whenever they change."""
        with self._lock:
            names = set(manager.names())
            answering = {name for name in names if manager.available(name)}
            for name in self._models | names:
                self._servicer.set(name, _SERVING if name in answering else _NOT_SERVING)
            self._models = names
            all_answer = bool(names) and answering == names
            for name in _SERVICES:
                self._servicer.set(name, _SERVING if all_answer else _NOT_SERVING)

    def shut_down(self) -> None:
        """Tell NOT_SERVING from now on, whatever happens to the models."""
        self._servicer.enter_graceful_shutdown()
        self._servicer.end_watches()
