"""What gRPC and REST share: one admission gate, one set of limits, one set of metrics."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import grpc

from rhymes.serving.handlers.admission import Gate
from rhymes.serving.handlers.interfaces import Models
from rhymes.serving.handlers.limits import Limits
from rhymes.serving.handlers.metrics import Metrics
from rhymes.serving.handlers.prediction import ModelRun, predict
from rhymes.wire.errors import WireError

_LOG = logging.getLogger("rhymes.serving")


class Service:
    """Answers requests from a manager's models.

    Args:
        manager: of the models.
        workers: how many requests run at once; others wait.
        limits: of what a request may hold.
        as_content: whether answers are packed into `tensor_content`.

    Attributes:
        manager: of the models.
        limits: of what a request may hold.
        gate: before the models.
        metrics: what was counted.
    """

    def __init__(
        self, manager: Models, *, workers: int, limits: Limits, as_content: bool = True
    ) -> None:
        self.manager = manager
        self.limits = limits
        self.gate = Gate(workers)
        self.metrics = Metrics()
        self._as_content = as_content
        self.metrics.gauge("running_requests", (), lambda: {(): self.gate.running})
        self.metrics.gauge("waiting_requests", (), lambda: {(): self.gate.waiting})
        self.metrics.gauge("served_version", ("model_name",), self._served_versions)

    def predict(
        self, request: Any, entrypoint: str, timeout: float | None, wanted: Callable[[], bool]
    ) -> tuple[Any, ModelRun]:
        """Answer a PredictRequest once the gate lets it in.

        Args:
            request: PredictRequest.
            entrypoint: "GRPC" or "REST".
            timeout: seconds until nobody waits for the answer any more; None for never.
            wanted: whether somebody still does, asked before it runs.

        Raises:
            WireError: as it goes over the wire.
        """
        with (
            self.measured(request.model_spec.name, "Predict", entrypoint),
            self.gate.entered(timeout, wanted) as left,
        ):
            response, ran = predict(
                self.manager, request, left, limits=self.limits, as_content=self._as_content
            )
            self.metrics.runtime.observe(ran.runtime_seconds, ran.name, "Predict", "TF2")
            return response, ran

    @contextmanager
    def measured(self, model: str, api: str, entrypoint: str) -> Iterator[None]:
        """Count what happens inside, by its outcome; any unforeseen error becomes INTERNAL."""
        # Names come from anyone; only those that exist may become a series of their own.
        label = model if model in self.manager.names() else ""
        start = time.monotonic()
        try:
            with foreseen(api):
                yield
        except WireError as error:
            self.metrics.requests.add(label, error.code.name)
            raise
        self.metrics.requests.add(label, grpc.StatusCode.OK.name)
        self.metrics.latency.observe(time.monotonic() - start, label, api, entrypoint)

    def _served_versions(self) -> Mapping[tuple[str, ...], int]:
        served = {name: self.manager.available(name) for name in self.manager.names()}
        return {(name,): max(versions) for name, versions in served.items() if versions}


@contextmanager
def foreseen(what: str) -> Iterator[None]:
    """Turn any error but the wire's own into INTERNAL, with the traceback in the log alone."""
    try:
        yield
    except WireError:
        raise
    except MemoryError:
        _LOG.exception("%s ran out of memory", what)
        raise WireError(
            grpc.StatusCode.RESOURCE_EXHAUSTED, "The server ran out of memory for this request."
        ) from None
    # Whatever a request does, its worker and the others live on.
    except Exception:
        _LOG.exception("%s failed in thread %s", what, threading.current_thread().name)
        raise WireError(grpc.StatusCode.INTERNAL, "The server failed; its log says more.") from None
