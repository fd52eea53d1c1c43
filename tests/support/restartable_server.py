"""The model server as a process that a test may kill and start again at the same port."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from rhymes.common.addresses import LOOPBACK, free_ports
from rhymes.project.processes import ROOT, Child, is_serving, save_models_config, server_command


class RestartableServer:
    """A server of all versions in a model base path.

    Attributes:
        address: Of its gRPC.
    """

    def __init__(self, base: Path, folder: Path) -> None:
        self._port, self._rest_port = free_ports(2)
        self.address = f"{LOOPBACK}:{self._port}"
        self._folder = folder
        self._config = folder / "models.config"
        save_models_config(self._config, base, "all {}")
        self._child: Child | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._child:
            self._child.stop()

    def start(self) -> None:
        """Start it, and wait until it serves."""
        flags = [
            "--model_config_file", str(self._config),
            "--monitoring_config_file", str(ROOT / "deploy/monitoring.config"),
        ]  # fmt: skip
        command = server_command(self._port, self._rest_port, flags)
        self._child = Child("the server", command, self._folder / "log")
        self._child.wait_until(lambda: is_serving(self.address), 120)

    def kill(self) -> None:
        """End it without warning."""
        assert self._child is not None
        self._child.process.kill()
        self._child.process.wait(30)

    def requests(self) -> int:
        """How many requests it has answered, by its own count."""
        url = f"http://{LOOPBACK}:{self._rest_port}/monitoring/prometheus/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
        return sum(
            int(float(count))
            for count in re.findall(
                r"^:tensorflow:serving:request_count\{[^}]*\} (\S+)", text, re.M
            )
        )
