"""Servers of ours as processes: started, waited for, ended; what they print goes to a file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from rhymes.common.addresses import LOOPBACK, free_ports
from rhymes.page.command import page_command, page_environment

ROOT = Path(__file__).resolve().parents[2]
"""Where the library lies: the checkout, as these processes are of one."""


_PAUSE = 0.1
_TAIL_LINES = 15


class ChildError(Exception):
    """A process ended, or did not get ready; the message has the end of what it printed."""


class Child:
    """A process of ours, in a group of its own: the terminal's Ctrl-C reaches its parent alone.

    Where util-linux is there, it is ended when its parent is, even by kill -9.

    Args:
        name: What to call it.
        command: Its arguments; the first is the program.
        log: File for what it prints.
        environment: Variables on top of this process's own.
        folder: Its current folder.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path = ROOT,
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [*_end_with_parent(), *command],
                cwd=folder,
                env=os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def check(self) -> None:
        """Raise a `ChildError` if it has ended."""
        status = self.process.poll()
        if status is not None:
            raise ChildError(f"{self.name} ended with status {status}:\n{self.tail()}")

    def wait_until(self, is_ready: Callable[[], bool], seconds: float) -> None:
        """Wait until it is ready.

        Raises:
            ChildError: it ended, or was not ready in time.
        """
        deadline = time.monotonic() + seconds
        while not is_ready():
            self.check()
            if time.monotonic() > deadline:
                raise ChildError(f"{self.name} was not ready in {seconds:g} s:\n{self.tail()}")
            time.sleep(_PAUSE)

    def tail(self) -> str:
        """The last lines that it printed."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-_TAIL_LINES:])

    def stop(self, seconds: float = 60.0) -> int:
        """Ask it to end (SIGTERM), insist after a while; return its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                return self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait(seconds)


def _end_with_parent() -> list[str]:
    """What to start a command with, so that Linux ends it when its parent is gone.

    util-linux's setpriv becomes the command. To set it from Python between fork and exec
    (preexec_fn) is not safe in a process that has threads.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []


def is_serving(address: str) -> bool:
    """Whether a model server's health service says that it serves."""
    with grpc.insecure_channel(address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        try:
            answer = health.Check(health_pb2.HealthCheckRequest(), timeout=5)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def is_page(url: str) -> bool:
    """Whether Streamlit answers at an address of this machine."""
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False


def server_command(port: int, rest_port: int, flags: Sequence[str]) -> list[str]:
    """Start the model server on these ports of the loopback."""
    return [
        sys.executable, "-m", "rhymes", "serve",
        "--port", str(port), "--rest_api_port", str(rest_port), *flags,
    ]  # fmt: skip


def save_models_config(path: Path, base: Path, policy: str) -> None:
    """Write TensorFlow Serving's model configuration: the detector, with more than one version.

    Args:
        path: Of the configuration.
        base: The model base path.
        policy: A ServableVersionPolicy in protobuf's text format, such as "all {}".
    """
    quoted = str(base.resolve()).replace("\\", "\\\\").replace('"', '\\"')
    text = f"""model_config_list {{ config {{
  name: "detector" base_path: "{quoted}" model_platform: "tensorflow"
  model_version_policy {{ {policy} }}
}} }}
"""
    path.write_text(text, encoding="utf-8")


@contextmanager
def running_page(
    server_address: str, log: Path, *, folder: Path = ROOT, port: int | None = None
) -> Iterator[PageProcess]:
    """Start the page, wait until it answers, end it at the end.

    Args:
        server_address: Of the model server, host and port.
        log: File for what it prints.
        folder: Whose data/ and reports/ it shows.
        port: To listen on; a free one where it is None.
    """
    page = PageProcess(server_address, log, folder, port or free_ports(1)[0])
    with page:
        page.wait_until(lambda: is_page(page.url), 60)
        yield page


class PageProcess(Child):
    """The page as a process.

    Attributes:
        url: Where it is.
    """

    def __init__(self, server_address: str, log: Path, folder: Path, port: int) -> None:
        self.url = f"http://{LOOPBACK}:{port}"
        environment = page_environment(server_address)
        super().__init__("the page", page_command(port), log, environment, folder)
