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

from rhymes.common.addresses import free_ports, is_free
from tests.conftest import ROOT

ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "rhymes", "demo", *arguments],
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
def checkout(tmp_path: Path) -> Path:
    """What the demo takes for a checkout, without a model."""
    for name in ("dvc.yaml", "params.yaml", "deploy/monitoring.config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


@pytest.fixture
def repository(checkout: Path) -> Path:
    """A checkout with a model to serve."""
    from rhymes.versions.model_folder import save_manifest
    from tests.support.red_detector import save_red_detector

    save_manifest(save_red_detector(checkout / 'mo"dèls' / "1"))
    (checkout / "models").mkdir()
    (checkout / "models/detector").symlink_to(checkout / 'mo"dèls')
    return checkout


@pytest.mark.tf
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_starts_both_and_stops_both(repository: Path, number: signal.Signals) -> None:
    server, rest, page = free_ports(3)
    ports = [f"--{n}-port={p}" for n, p in (("server", server), ("rest", rest), ("page", page))]
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


def test_no_model_is_a_sentence(checkout: Path) -> None:
    with start(checkout) as demo:
        printed, _ = demo.communicate(timeout=60)
    assert (
        printed
        == "rhymes demo: models/detector: no model yet; `make repro` trains and exports one\n"
    )
    assert demo.returncode == 1


def test_a_server_that_cannot_start_is_told(checkout: Path) -> None:
    folder = checkout / "models/detector/1"
    folder.mkdir(parents=True)
    (checkout / "logs").mkdir()
    (checkout / "logs/demo_models.config").mkdir()  # the configuration cannot be written
    with start(checkout) as demo:
        printed, _ = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert printed.startswith("rhymes demo: ")
    assert "Traceback" not in printed


def test_elsewhere_it_says_where_to_start_it(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (checkout / "data").mkdir()
    outside = tmp_path_factory.mktemp("outside")
    below_it = f"this runs in the checkout's root: cd {checkout}\n"
    elsewhere = (
        f"{outside} is no checkout of the project (it has no dvc.yaml and params.yaml): "
        "clone the project, and start the command in the clone\n"
    )
    for folder, told in ((checkout / "data", below_it), (outside, elsewhere)):
        with start(folder) as demo:
            printed, _ = demo.communicate(timeout=60)
        assert printed == f"rhymes demo: {told}"
        assert demo.returncode == 1


def test_former_flags_are_refused_by_their_new_names(checkout: Path) -> None:
    for arguments, told in (
        (["--server_port=1"], "--server_port is --server-port now"),
        (["--only-page"], "--only-page is `rhymes page` now"),
    ):
        with start(checkout, *arguments) as demo:
            printed, _ = demo.communicate(timeout=60)
        assert told in printed
        assert demo.returncode == 2
