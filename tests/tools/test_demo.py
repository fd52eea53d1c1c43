"""The demo as a user starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT
from tools.processes import free_ports, is_free

ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "tools.demo", *arguments],
        cwd=folder, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if text in line:
            return printed
    raise AssertionError(f"ended before it printed {text!r}:\n{printed}")


def wait_until_free(*ports: int) -> None:
    deadline = time.monotonic() + 60
    while not all(map(is_free, ports)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A folder with a model to serve."""
    from rhymes.versions.model_folder import save_manifest
    from tests.support.red_detector import save_red_detector

    save_manifest(save_red_detector(tmp_path / 'mo"dèls' / "1"))
    (tmp_path / "models").mkdir()
    (tmp_path / "models/detector").symlink_to(tmp_path / 'mo"dèls')
    return tmp_path


@pytest.mark.tf
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_starts_both_and_stops_both(repository: Path, number: signal.Signals) -> None:
    server, rest, page = free_ports(3)
    ports = [f"--{n}_port={p}" for n, p in (("server", server), ("rest", rest), ("page", page))]
    with socket.create_server(("127.0.0.1", page)):  # taken, so that the next one is used
        with start(repository, *ports) as demo:
            printed = read_until(demo, "Ctrl-C stops everything")
            assert f"127.0.0.1:{server} (gRPC)" in printed
            assert f"Port {page} is taken" in printed
            children = psutil.Process(demo.pid).children(recursive=True)
            assert len(children) >= 2
            demo.send_signal(number)
            assert demo.stdout is not None
            rest_of_it = demo.stdout.read()
            assert demo.wait(60) == 0
        assert "Stopped." in rest_of_it
        assert "Traceback" not in rest_of_it
    assert not psutil.wait_procs(children, timeout=30)[1]
    wait_until_free(server, rest)
    assert "all calls finished" in (repository / "logs/server.log").read_text()


def test_no_model_is_a_sentence(tmp_path: Path) -> None:
    with start(tmp_path) as demo:
        printed, _ = demo.communicate(timeout=60)
    assert printed == "demo: models/detector: no model yet; `make repro` trains and exports one\n"
    assert demo.returncode == 1


def test_a_server_that_cannot_start_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "models/detector/1"
    folder.mkdir(parents=True)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/demo_models.config").mkdir()  # the configuration cannot be written
    with start(tmp_path) as demo:
        printed, _ = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert printed.startswith("demo: ")
    assert "Traceback" not in printed


def test_the_page_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port, environment_port = free_ports(2)
    monkeypatch.setitem(ENVIRONMENT, "SERVING_ADDRESS", f"127.0.0.1:{environment_port}")
    with start(tmp_path, "--only-page", f"--page_port={port}") as demo:
        printed = read_until(demo, "Ctrl-C stops everything")
        assert f"No model server answers at 127.0.0.1:{environment_port} yet" in printed
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 0
    wait_until_free(port)
