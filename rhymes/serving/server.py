"""The model server: gRPC, REST and health in front of a manager of models.

Inside a process `with ModelServer(ServerOptions(...)) as server:` answers on `server.port`;
`rhymes serve` runs one by itself.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import grpc

from rhymes.common.errors import InputError
from rhymes.serving.handlers.grpc_handlers import Handlers
from rhymes.serving.handlers.health import Health
from rhymes.serving.handlers.interfaces import Manager
from rhymes.serving.handlers.rest import RestApp
from rhymes.serving.handlers.rest_server import RestServer
from rhymes.serving.handlers.service import Service
from rhymes.serving.models.model_config import message_to_model_configs
from rhymes.serving.options.flags import ServerOptions
from rhymes.serving.options.model_sources import (
    ConfigWatcher,
    load_model_configs,
    options_to_manager,
)
from rhymes.serving.options.text_configs import (
    load_credentials,
    load_metrics_path,
    text_to_core_arguments,
)
from rhymes.wire.errors import WireError

__all__ = ["ModelServer", "ServerOptions"]

# Calls beyond these are refused. Most of them wait: in gRPC's core until a thread takes their
# message, then at the gate.
_MAX_CALLS = 1024
# A thread is held from a call's header to its answer, slow senders and waiting calls included; the
# others, and above all health checks, need some that are free.
_MIN_THREADS = 64
_CANCEL_SECONDS = 2.0


class ModelServer:
    """Serves models until it is stopped.

    Args:
        options: as on the command line.
        manager: of the models; one of TensorFlow SavedModels where none is given.

    Attributes:
        port: of gRPC.
        rest_port: of REST, None where it is off.
        service: what answers, with its metrics.
    """

    def __init__(self, options: ServerOptions, *, manager: Manager | None = None) -> None:
        self.options = options
        self.manager = manager or options_to_manager(options, self._observe_warmup)
        self.service = Service(
            self.manager,
            workers=options.workers,
            limits=options.limits,
            as_content=options.enable_serialization_as_tensor_content,
        )
        self.port = 0
        self.rest_port: int | None = None
        self._pool = ThreadPoolExecutor(max(_MIN_THREADS, 4 * options.workers), "grpc")
        self._health = Health()
        self._grpc: grpc.Server | None = None
        self._rest: RestServer | None = None
        self._watcher: ConfigWatcher | None = None
        self._drained: bool | None = None

    def start(self) -> None:
        """Listen, and load the models' first versions.

        Raises:
            InputError: a port is taken, a file is wrong, or no version could be loaded (unless
                `wait_for_model`).
        """
        try:
            self._start()
        except BaseException:
            self.stop(0)
            raise

    def _start(self) -> None:
        configs = load_model_configs(self.options)
        self._grpc = self._make_grpc()
        self._rest = self._make_rest()
        self._grpc.start()
        if self._rest is not None:
            self.rest_port = self._rest.port
            self._rest.start()
        self.manager.on_change(self._models_changed)
        try:
            self.manager.start(configs, None)
        except WireError as error:
            raise InputError(error.message) from None
        self._models_changed()
        if not self.options.wait_for_model:
            self._check_models()
        if self.options.model_config_file_poll_wait_seconds and self.options.model_config_file:
            self._watcher = ConfigWatcher(
                self.options.model_config_file,
                self.options.model_config_file_poll_wait_seconds,
                self.manager.reconfigure,
            )
            self._watcher.start()

    def stop(self, grace: float | None = None) -> bool:
        """Take no more calls, let those that run finish, unload the models.

        Args:
            grace: seconds that running calls are given; the option's where none are given.

        Returns:
            Whether all of them finished.
        """
        if self._drained is not None:
            return self._drained
        end = time.monotonic() + (self.options.drain_seconds if grace is None else grace)
        self._health.shut_down()
        if self._watcher is not None:
            self._watcher.stop()
        # Both stop at once: gRPC's waits in a thread of its own.
        stopped = None if self._grpc is None else self._grpc.stop(_left(end))
        in_time = self._rest is None or self._rest.stop(_left(end))
        if stopped is not None:
            in_time &= stopped.wait(_left(end))
        # Streams and slow senders alone are no work that is lost.
        idle = not (self.service.gate.running or self.service.gate.waiting)
        if stopped is not None:
            stopped.wait(_CANCEL_SECONDS)
        self._drained = in_time or idle
        self._pool.shutdown(wait=False)
        if self._drained:
            # A version is unloaded once nobody uses it, which may be never.
            self.manager.stop()
        return self._drained

    def describe(self) -> str:
        """Say what is served and where, in a line."""
        served = []
        for name in self.manager.names():
            versions = sorted(self.manager.available(name))
            listed = ", ".join(map(str, versions))
            plural = "version" if len(versions) == 1 else "versions"
            served.append(f"{name} {plural} {listed}" if versions else f"{name} (no version yet)")
        rest = "" if self.rest_port is None else f", REST on {self._address(self.rest_port)}"
        return f"serving {' and '.join(served)} on {self._address(self.port)}{rest}"

    def _make_grpc(self) -> grpc.Server:
        options = self.options
        server = grpc.server(
            self._pool,
            handlers=Handlers(self.service, self._reload).generic(),
            options=list(self._core_arguments().items()),
            maximum_concurrent_rpcs=_MAX_CALLS,
        )
        if options.enable_grpc_healthcheck_service:
            self._health.add_to(server)
        self.port = self._bind(server, self._address(options.port), "--port or --host")
        if options.grpc_socket_path:
            self._bind(server, f"unix:{options.grpc_socket_path}", "--grpc_socket_path")
        return server

    def _core_arguments(self) -> dict[str, int | str]:
        return {
            "grpc.max_receive_message_length": self.options.max_message_bytes,
            "grpc.max_send_message_length": -1,
            # Else two servers would share a port, and a taken one go unnoticed.
            "grpc.so_reuseport": 0,
        } | text_to_core_arguments(self.options.grpc_channel_arguments)

    def _bind(self, server: grpc.Server, address: str, flag: str) -> int:
        path = self.options.ssl_config_file
        credentials = None if path is None else load_credentials(path)
        try:
            if credentials is None:
                return int(server.add_insecure_port(address))
            return int(server.add_secure_port(address, credentials))
        except RuntimeError:
            raise InputError(
                f"gRPC cannot listen on {address}: it is taken, not allowed or not this "
                f"machine's; choose another with {flag}"
            ) from None

    def _make_rest(self) -> RestServer | None:
        options = self.options
        metrics_path = load_metrics_path(options.monitoring_config_file)
        if not options.rest_api_port:
            return None
        app = RestApp(
            self.service,
            threads=options.rest_api_num_threads or 4 * len(os.sched_getaffinity(0)),
            timeout=options.rest_api_timeout_in_ms / 1000,
            max_bytes=options.max_message_bytes,
            metrics_path=metrics_path,
        )
        port = max(options.rest_api_port, 0)
        return RestServer(options.host, port, app)

    def _address(self, port: int) -> str:
        host = self.options.host
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _check_models(self) -> None:
        for name in self.manager.names():
            if self.manager.available(name):
                return
        raise InputError("\n".join(map(self._explain, self.manager.names())))

    def _explain(self, name: str) -> str:
        try:
            states = self.manager.statuses(name, None)
        except WireError:
            states = []
        errors = [f"version {s.version}: {s.status.error_message}" for s in states]
        return f"model {name}: " + ("; ".join(errors) or "no version was found")

    def _reload(self, config: Any) -> None:
        self.manager.reconfigure(message_to_model_configs(config))

    def _models_changed(self) -> None:
        self._health.update(self.manager)

    def _observe_warmup(self, folder: str, status: str, seconds: float) -> None:
        self.service.metrics.warmup.observe(seconds, folder, status)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _left(end: float) -> float:
    return max(0.0, end - time.monotonic())
