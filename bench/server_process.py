"""The real server as a process of its own, `python -m serving`, and what it costs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.workspace import ROOT

MODEL = "detector"
_START, _STOP = 180.0, 60.0  # seconds
_PAUSE = 0.05


class ServerProcess:
    """A running server.

    Attributes:
        address: of gRPC, host and port.
        rest_address: of REST.
        process: its process.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int, rest_port: int) -> None:
        self.process = process
        self.address = f"127.0.0.1:{port}"
        self.rest_address = f"127.0.0.1:{rest_port}"
        self._look = psutil.Process(process.pid)

    def memory(self) -> int:
        """Resident memory in bytes."""
        return int(self._look.memory_info().rss)

    def threads(self) -> int:
        """How many threads it has."""
        return int(self._look.num_threads())

    def open_files(self) -> int:
        """How many files and sockets it holds."""
        return int(self._look.num_fds())

    def terminate(self) -> None:
        """Ask it to drain and end (SIGTERM)."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Wait until it has ended; return its exit status."""
        return self.process.wait(_STOP)


@contextmanager
def running_server(base: Path, log: Path, flags: Sequence[str] = ()) -> Iterator[ServerProcess]:
    """Start a server on free ports of this machine; wait until it serves, stop it at the end.

    Args:
        base: the model base path.
        log: a file for what it prints.
        flags: more of its flags.
    """
    port, rest_port = _free_ports(2)
    command = [
        sys.executable, "-m", "serving", "--model_name", MODEL,
        "--model_base_path", str(base.resolve()),
        "--port", str(port), "--rest_api_port", str(rest_port), *flags,
    ]  # fmt: skip
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=output,
        )
    try:
        server = ServerProcess(process, port, rest_port)
        _wait_until_serving(server, log)
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(_STOP)


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, as the system picks them."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _wait_until_serving(server: ServerProcess, log: Path) -> None:
    deadline = time.monotonic() + _START
    with grpc.insecure_channel(server.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        while True:
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start:\n{log.read_text()}")
            try:
                answer = health.Check(health_pb2.HealthCheckRequest(), timeout=5)
            except grpc.RpcError:
                answer = None
            if answer and answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
            time.sleep(_PAUSE)
