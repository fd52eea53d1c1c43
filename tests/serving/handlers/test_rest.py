"""REST as clients see it, with models that compute nothing."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import httpx
import numpy as np
import pytest

from rhymes.common.errors import InputError
from rhymes.serving.handlers import rest, rest_server
from rhymes.serving.handlers.limits import Limits
from rhymes.serving.handlers.rest import RestApp
from rhymes.serving.handlers.rest_server import RestServer
from rhymes.serving.handlers.service import Service
from rhymes.wire.errors import WireError
from tests.support.fake_models import Blocker, FakeManager, FakeServable, detector_signatures
from tests.support.hostile_server import png_bomb

SECONDS = 20.0
PREDICT = "/v1/models/detector:predict"
BODY = {"instances": [{"b64": base64.b64encode(b"image").decode()}]}


class Rest:
    """A client, and what it talks to."""

    def __init__(self, client: httpx.Client, server: RestServer, service: Service) -> None:
        self.client = client
        self.server = server
        self.service = service
        self.servable: FakeServable = service.manager.servable  # type: ignore[attr-defined]

    def post(self, path: str = PREDICT, body: Any = BODY) -> httpx.Response:
        return self.client.post(path, json=body)


@contextmanager
def serving(
    behaviour: Callable[[], None] = lambda: None, *, workers: int = 2, **options: Any
) -> Iterator[Rest]:
    servable = FakeServable(detector_signatures(), behaviour=behaviour)
    service = Service(FakeManager(servable), workers=workers, limits=Limits())
    settings = {
        "threads": 8, "timeout": SECONDS, "max_bytes": 1_000_000, "metrics_path": "/metrics"
    } | options  # fmt: skip
    server = RestServer("127.0.0.1", 0, RestApp(service, **settings))
    server.start()
    try:
        url = f"http://127.0.0.1:{server.port}"
        with httpx.Client(base_url=url, timeout=SECONDS, trust_env=False) as client:
            yield Rest(client, server, service)
    finally:
        assert server.stop(SECONDS)


@pytest.fixture(scope="module")
def running() -> Iterator[Rest]:
    with serving() as running:
        yield running


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(PREDICT, id="latest"),
        pytest.param("/v1/models/detector/versions/7:predict", id="version"),
        pytest.param("/V1/Models/detector:PREDICT", id="any case"),
        pytest.param("/v1/models/%64etector:predict", id="escaped"),
    ],
)
def test_predict(running: Rest, path: str) -> None:
    answer = running.post(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"predictions": [[1.0, 1.0]]}
    signature, inputs, outputs, timeout = running.servable.asked[-1]
    assert (signature, outputs) == ("serving_default", ["found"])
    assert inputs["inputs"].tolist() == [b"image"]
    assert timeout is not None
    assert 0 < timeout < SECONDS


def test_predict_in_columns_by_another_signature(running: Rest) -> None:
    pixels = np.zeros((1, 2, 2, 3), int).tolist()
    answer = running.post(body={"signature_name": "image_tensor", "inputs": pixels})
    assert answer.json() == {"outputs": [[1.0, 1.0]]}
    assert running.servable.asked[-1][1]["inputs"].dtype == np.uint8


NOT_FOUND = "Servable not found for request: "
BOMB = {"instances": [{"b64": base64.b64encode(png_bomb()).decode()}]}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("POST", "/v1/models/no:predict", BODY, 404, NOT_FOUND + "Latest(no)"),
        ("POST", "/v1/models/detector/versions/8:predict", BODY, 404,
         NOT_FOUND + "Specific(detector, 8)"),
        ("POST", PREDICT, {"signature_name": "no"} | BODY, 400,
         'Serving signature name: "no" not found in signature def'),
        ("POST", PREDICT, {"signature_name": "model_info"} | BODY, 400,
         "Failed to get input map for signature: model_info"),
        ("POST", PREDICT, {}, 400, "Missing 'inputs' or 'instances' key"),
        ("POST", PREDICT, BOMB, 400,
         "inputs[0]: 50000 x 50000 pixels, more than the 50,000,000 allowed"),
        ("POST", PREDICT, {"signature_name": "image_tensor", "instances": [[[[1, 2]]]]}, 400,
         "Expects arg[0] to have shape [?,?,?,3] but [1,1,1,2] is provided for input inputs"),
        ("POST", "/v1/models/detector:classify", {}, 400,
         "Expected classification signature outputs to contain at least one of "),
        ("POST", "/v1/models/detector:regress", {}, 400,
         "No regression outputs found in SignatureDef: "),
        ("POST", "/v1/models/detector:dance", {}, 400,
         "Malformed request: POST /v1/models/detector:dance"),
        ("POST", "/v1/models/detector", {}, 400, "Malformed request: POST /v1/models/detector"),
        ("PUT", PREDICT, BODY, 400, f"Malformed request: PUT {PREDICT}"),
        ("DELETE", PREDICT, None, 400, f"Malformed request: DELETE {PREDICT}"),
        ("GET", PREDICT, None, 400, f"Malformed request: GET {PREDICT}"),
        ("GET", "/v1/models", None, 400, "Missing model name in request."),
        ("GET", "/v1/models/detector/versions/x", None, 400,
         "Malformed request: GET /v1/models/detector/versions/x"),
        ("GET", "/v1/models/detector/versions/9223372036854775808", None, 400,
         "Failed to convert version: 9223372036854775808 to numeric."),
        ("GET", "/v1/models/detector/versions/" + "9" * 6000, None, 400,
         "Failed to convert version: 999"),
        ("GET", "/v1/models/no", None, 404, "Could not find any versions of model no"),
        ("GET", "/v1/models/no/metadata", None, 404, NOT_FOUND + "Latest(no)"),
        ("POST", "/metrics", {}, 404, "Malformed request: POST /metrics"),
    ],
)  # fmt: skip
def test_refused(running: Rest, method: str, path: str, body: Any, status: int, text: str) -> None:
    answer = running.client.request(method, path, json=body)
    assert answer.status_code == status
    assert answer.json()["error"].startswith(text)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xd8\xff", b'{"instances": [{"b64": "!"}]}'])
def test_body_that_is_no_request(running: Rest, body: bytes) -> None:
    answer = running.client.post(PREDICT, content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize("code", list(grpc.StatusCode))
def test_status_of_each_code(code: grpc.StatusCode) -> None:
    expected = {
        "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400,
        "UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403, "NOT_FOUND": 404, "ALREADY_EXISTS": 409,
        "ABORTED": 409, "RESOURCE_EXHAUSTED": 429, "CANCELLED": 499, "UNIMPLEMENTED": 501,
        "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504, "UNKNOWN": 500, "INTERNAL": 500,
        "DATA_LOSS": 500,
    }  # fmt: skip
    if code is not grpc.StatusCode.OK:
        assert rest._CODES.get(code, 500) == expected[code.name]


def test_metadata(running: Rest) -> None:
    for path in ("/v1/models/detector/metadata", "/v1/models/detector/versions/7/metadata"):
        document = running.client.get(path).json()
        assert document["model_spec"] == {
            "name": "detector", "signature_name": "", "version": "7",
        }  # fmt: skip
        signature = document["metadata"]["signature_def"]["signature_def"]["image_tensor"]
        assert signature["inputs"]["inputs"]["dtype"] == "DT_UINT8"
        sizes = [dim["size"] for dim in signature["inputs"]["inputs"]["tensor_shape"]["dim"]]
        assert sizes == ["-1", "-1", "-1", "3"]


def test_status(running: Rest) -> None:
    for path in ("", "/versions/7", "/labels/stable"):
        assert running.client.get(f"/v1/models/detector{path}").json() == {
            "model_version_status": [{"version": "7", "state": "AVAILABLE"}]
        }


def test_metrics_count_both_entrances() -> None:
    with serving() as running:
        assert running.post().status_code == 200
        assert running.post("/v1/models/no:predict").status_code == 404
        answer = running.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert ':request_count{model_name="detector",status="OK"} 1' in answer.text
    assert ':request_count{model_name="",status="NOT_FOUND"} 1' in answer.text
    assert ':request_latency_count{model_name="detector",API="Predict",entrypoint="REST"} 1' in (
        answer.text
    )


def test_other_paths_are_told_that_of_the_metrics(running: Rest) -> None:
    answer = running.client.get("/monitoring")
    assert answer.status_code == 400
    assert answer.text == "Unexpected path: /monitoring. Should be /metrics"


def test_without_metrics_there_are_none() -> None:
    with serving(metrics_path=None) as running:
        answer = running.client.get("/monitoring/prometheus/metrics")
    assert answer.status_code == 404
    assert "Malformed request" in answer.json()["error"]


def test_unforeseen_error_is_a_short_one() -> None:
    def fail() -> None:
        raise RuntimeError("secret of the server")

    with serving(fail) as running:
        answer = running.post()
        assert answer.status_code == 500
        assert answer.json() == {"error": "The server failed; its log says more."}
        running.servable.behaviour = lambda: None
        assert running.post().status_code == 200


def test_error_of_the_model_is_passed_on() -> None:
    def refuse() -> None:
        raise WireError(grpc.StatusCode.INVALID_ARGUMENT, 'Unknown image file format. "x"')

    with serving(refuse) as running:
        answer = running.post()
    assert (answer.status_code, answer.json()["error"]) == (400, 'Unknown image file format. "x"')


def test_too_large_body_is_refused() -> None:
    with serving(max_bytes=1_000) as running:
        assert running.post(body=BODY | {"x": "y" * 1_000}).status_code == 413
        # Chunks say nothing of their sum beforehand.
        answer = running.client.post(PREDICT, content=iter([b"x" * 600] * 2))
        assert answer.status_code == 413
        assert "more than the 1,000 bytes" in answer.json()["error"]
        assert running.post().status_code == 200


def test_slow_model_is_given_up_in_time() -> None:
    block = Blocker()
    with serving(block, timeout=0.3) as running:
        answer = running.post()
        assert answer.status_code == 504
        assert "took longer than 0.3 s" in answer.json()["error"]
        block.opened.set()


def test_slow_body_is_given_up_in_time() -> None:
    with (
        serving(timeout=0.3) as running,
        socket.create_connection(("127.0.0.1", running.server.port), timeout=SECONDS) as sender,
    ):
        sender.sendall(
            f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode()
        )
        assert sender.recv(100).startswith(b"HTTP/1.1 504")
        assert running.post().status_code == 200


@pytest.mark.parametrize("sent", [b"", b"POST /v1/mod", b"GET /metrics HTTP/1.1\r\nHost: x\r\n"])
def test_header_that_does_not_end_is_given_up(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_server, "_HEADER_SECONDS", 0.2)
    with (
        serving() as running,
        socket.create_connection(("127.0.0.1", running.server.port), timeout=SECONDS) as sender,
    ):
        sender.sendall(sent)
        assert sender.recv(100) == b"", "the server closes the connection"


def test_connection_may_be_used_again_after_the_time_for_a_header(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rest_server, "_HEADER_SECONDS", 0.2)
    block = Blocker()
    with serving(block) as running:
        threading.Timer(0.5, block.opened.set).start()
        assert running.post().status_code == 200
        assert running.post().status_code == 200


def test_caller_that_hung_up_is_not_worked_for() -> None:
    block = Blocker()
    with serving(block, workers=1) as running:
        first = threading.Thread(target=running.post)
        first.start()
        assert block.entered.acquire(timeout=SECONDS)
        with pytest.raises(httpx.TimeoutException):
            running.client.post(PREDICT, json=BODY, timeout=0.3)
        time.sleep(0.2)  # the end of a connection takes a moment to be noticed
        block.opened.set()
        first.join(SECONDS)
        end = time.monotonic() + SECONDS
        while "CANCELLED" not in running.service.metrics.text() and time.monotonic() < end:
            time.sleep(0.01)
        assert 'status="CANCELLED"} 1' in running.service.metrics.text()
        assert len(running.servable.asked) == 1


def test_running_request_is_finished_at_the_end() -> None:
    block, answers = Blocker(), []
    with serving(block) as running:
        thread = threading.Thread(target=lambda: answers.append(running.post().status_code))
        thread.start()
        assert block.entered.acquire(timeout=SECONDS)
        threading.Timer(0.3, block.opened.set).start()
        assert running.server.stop(SECONDS)
        thread.join(SECONDS)
        with pytest.raises(httpx.TransportError):
            running.client.get("/v1/models/detector")
    assert answers == [200]


def test_answers_are_not_held_back() -> None:
    with serving() as running:
        accepted = []
        made = rest_server._ImpatientProtocol.connection_made

        def connection_made(self: Any, transport: Any) -> None:
            made(self, transport)
            accepted.append(transport.get_extra_info("socket"))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rest_server._ImpatientProtocol, "connection_made", connection_made)
            assert running.post().status_code == 200
        assert accepted[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_taken_port_is_named() -> None:
    with serving() as running, pytest.raises(InputError, match=str(running.server.port)):
        RestServer("127.0.0.1", running.server.port, RestApp(
            running.service, threads=1, timeout=1, max_bytes=1, metrics_path=None
        ))  # fmt: skip
