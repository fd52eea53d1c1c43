"""`rhymes serve` as a process: what it prints, how it ends."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest

from bench.ending import TURNED_AWAY
from bench.server_process import running_server
from rhymes.wire import messages
from rhymes.wire.codec import array_to_tensor, tensor_to_array

SECONDS = 120.0
TENSORFLOW = re.compile(
    r"WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR"
    r"|I0000 .* MLIR V1 optimization pass is not enabled"
)
"""What docs/reproducibility.md lists of a server."""


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rhymes", "serve", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param(["--prot=1"], "unknown argument --prot=1; did you mean --port?", id="flag"),
        pytest.param(["--model_base_path=/no/such"], "/no/such is not a folder", id="folder"),
        pytest.param(
            ["--model_base_path=.", "--port={taken}"], "gRPC cannot listen on 127.0.0.1:", id="port"
        ),
        pytest.param(
            ["--model_base_path=docs", "--port=0"],
            "model default: no version was found",
            id="no version",
        ),
    ],
)
def test_start_that_fails_says_why(root: Path, arguments: list[str], text: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(root, *(argument.format(taken=port) for argument in arguments))
    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_help_needs_no_tensorflow(root: Path) -> None:
    code = (
        "import sys\n"
        "from rhymes.serving.serve import main\n"
        "try: main(['--help'])\n"
        "finally: assert 'tensorflow' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=root, timeout=SECONDS).returncode == 0


class Callers:
    """Threads that call without a pause until they are refused."""

    def __init__(self, address: str, request: Any, count: int) -> None:
        self.codes: list[grpc.StatusCode] = []
        self.answers = 0
        self._address = address
        self._request = request
        self._threads = [threading.Thread(target=self._call) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def wait(self) -> Counter[str]:
        for thread in self._threads:
            thread.join(SECONDS)
        return Counter(code.name for code in self.codes)

    def _call(self) -> None:
        with grpc.insecure_channel(self._address) as channel:
            predict = channel.unary_unary(
                "/tensorflow.serving.PredictionService/Predict",
                request_serializer=messages.PredictRequest.SerializeToString,
                response_deserializer=messages.PredictResponse.FromString,
            )
            while True:
                try:
                    response = predict(self._request, timeout=SECONDS)
                except grpc.RpcError as error:
                    self.codes.append(error.code())
                    return
                assert tensor_to_array(response.outputs["num_detections"]).tolist() == [2]
                self.answers += 1


def make_request(images: Sequence[bytes]) -> Any:
    request = messages.PredictRequest(model_spec={"name": "detector"})
    request.inputs["inputs"].CopyFrom(array_to_tensor(list(images)))
    request.output_filter.append("num_detections")
    return request


@pytest.mark.tf
def test_sigterm_lets_calls_finish(red_model: Path, image: bytes, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running_server(red_model, log) as server:
        callers = Callers(server.address, make_request([image]), count=8)
        while callers.answers < 50:
            assert server.process.poll() is None
            time.sleep(0.01)
        server.terminate()
        assert server.wait() == 0
        outcomes = callers.wait()
    assert set(outcomes) <= set(TURNED_AWAY), "a call is answered, or was not accepted"
    lines = log.read_text().splitlines()
    address, rest = server.address, server.rest_address
    others = [line for line in lines if " INFO " not in line]
    own = [
        f"serving detector version 1 on {address}, REST on {rest}",
        "draining: running calls have 30 s to finish",
        "all calls finished",
    ]
    assert [line for line in others if not TENSORFLOW.fullmatch(line)] == own
    assert len(others) <= len(own) + 2, "TensorFlow's two lines once"
