"""The real server as a process of its own, `rhymes serve`, and what it costs."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from rhymes.common.addresses import LOOPBACK, free_ports
from rhymes.project.processes import Child, is_serving, server_command

MODEL = "detector"
_START, _STOP = 180.0, 60.0  # seconds


class ServerProcess(Child):
    """A running server.

    Attributes:
        address: of gRPC, host and port.
        rest_address: of REST.
        process: its process.
    """

    def __init__(self, base: Path, log: Path, flags: Sequence[str]) -> None:
        port, rest_port = free_ports(2)
        base_flags = ("--model_name", MODEL, "--model_base_path", str(base.resolve()))
        super().__init__("the server", server_command(port, rest_port, [*base_flags, *flags]), log)
        self.address = f"{LOOPBACK}:{port}"
        self.rest_address = f"{LOOPBACK}:{rest_port}"
        self._look = psutil.Process(self.process.pid)

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
    with ServerProcess(base, log, flags) as server:
        server.wait_until(lambda: is_serving(server.address), _START)
        yield server
