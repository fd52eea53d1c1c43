"""The container's health check is green while the model is available, and at no other time."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rhymes.serving.options.flags import ServerOptions
from rhymes.serving.server import ModelServer
from tests.support.fake_models import FakeManager, FakeServable, detector_signatures

STATE = '{"model_version_status": [{"version": "1", "state": "%s"}]}'
# As TensorFlow Serving lays it out.
SPREAD = (
    '{\n "model_version_status": [\n  {\n   "version": "2",\n   "state": "LOADING"\n  },\n'
    '  {\n   "version": "1",\n   "state": "AVAILABLE",\n   "status": {\n    "error_code": "OK",\n'
    '    "error_message": ""\n   }\n  }\n ]\n}\n'
)


@contextmanager
def rest_server(status: int, body: str) -> Iterator[int]:
    """Answer each request for the model's state with this; give the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/v1/models/detector"
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def check(root: Path, port: int, mark: Path) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(root / "deploy/health.sh"), "detector", str(port)]
    environment = {**os.environ, "DRAIN_MARK": str(mark)}
    return subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        pytest.param(200, STATE % "AVAILABLE", 0, id="available"),
        pytest.param(200, SPREAD, 0, id="available beside one that loads"),
        pytest.param(200, SPREAD.replace("\n", "").replace(" ", ""), 0, id="no spaces"),
        pytest.param(200, STATE % "LOADING", 1, id="loading"),
        pytest.param(200, STATE % "UNLOADING", 1, id="unloading"),
        pytest.param(200, STATE % "END", 1, id="unloaded"),
        pytest.param(
            404, '{"error": "Could not find any versions of model detector"}', 1, id="404"
        ),
        pytest.param(200, "", 1, id="nothing"),
    ],
)
def test_state_of_the_model(root: Path, tmp_path: Path, status: int, body: str, code: int) -> None:
    with rest_server(status, body) as port:
        result = check(root, port, tmp_path / "mark")
    assert result.returncode == code, result.stdout


def test_embedded_server_is_asked_in_the_same_way(root: Path, tmp_path: Path) -> None:
    manager = FakeManager(FakeServable(detector_signatures()))
    options = ServerOptions(model_base_path=tmp_path, port=0, rest_api_port=-1)
    with ModelServer(options, manager=manager) as server:
        assert server.rest_port is not None
        assert check(root, server.rest_port, tmp_path / "mark").returncode == 0


def test_red_while_the_server_is_being_stopped(root: Path, tmp_path: Path) -> None:
    (tmp_path / "mark").touch()
    with rest_server(200, SPREAD) as port:
        assert check(root, port, tmp_path / "mark").returncode == 1


def test_red_where_nothing_listens(root: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        result = check(root, free.getsockname()[1], tmp_path / "mark")
    assert result.returncode == 1
    assert "nothing listens" in result.stdout


def test_red_where_no_answer_comes(root: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = check(root, silent.getsockname()[1], tmp_path / "mark")
    assert result.returncode == 1
    assert "no answer within 3 seconds" in result.stdout
