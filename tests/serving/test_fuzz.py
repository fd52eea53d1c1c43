"""Two thousand damaged requests against the real server: it answers all and keeps nothing."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import grpc
import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.server_process import ServerProcess, running_server
from rhymes.client.client import DetectorClient
from rhymes.wire.messages import (
    MODEL_SERVICE,
    PREDICTION_SERVICE,
    ClassificationRequest,
    GetModelMetadataRequest,
    GetModelStatusRequest,
    PredictRequest,
)
from tests.support.fuzzing import (
    OBJECTS,
    decoded,
    encode,
    image_to_example,
    mutate,
    predict_request,
    rest_body,
)
from tests.support.red_detector import save_red_detector

pytestmark = pytest.mark.tf

TIMEOUT = 30.0
PROTOS, IMAGES, EXAMPLES, TENSORS, BODIES = 700, 500, 200, 300, 300
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")
REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,
}
"""What a wrong request may be told; anything else says that the server is to blame."""


@dataclass
class Cost:
    """What the server process holds."""

    threads: int
    files: int
    memory: int


@dataclass
class Fuzz:
    """A server under damaged requests; counts what it answers."""

    server: ServerProcess
    channel: grpc.Channel
    before: Cost
    outcomes: Counter[str] = field(default_factory=Counter)

    def send(self, method: str, data: bytes, service: str = PREDICTION_SERVICE) -> None:
        """Send bytes as they are; fail unless they are answered or refused as wrong."""
        call = self.channel.unary_unary(f"/{service}/{method}")
        code, text = grpc.StatusCode.OK, ""
        try:
            call(data, timeout=TIMEOUT)
        except grpc.RpcError as error:
            code, text = error.code(), error.details()
        self.outcomes[code.name] += 1
        assert code in {grpc.StatusCode.OK, *REFUSALS}, f"{code} {text}\n{method} {data.hex()}"
        assert self.server.process.poll() is None, f"the server died of {method} {data.hex()}"


def measure(server: ServerProcess) -> Cost:
    return Cost(server.threads(), server.open_files(), server.memory())


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzz]:
    folder = tmp_path_factory.mktemp("fuzz")
    save_red_detector(folder / "models/1")
    with (
        running_server(folder / "models", folder / "log") as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        # Until each signature has run a few times the runtime takes memory that it keeps.
        for signature, value in valid_inputs():
            for _ in range(20):
                channel.unary_unary(f"/{PREDICTION_SERVICE}/Predict")(
                    predict_request(signature, value), timeout=TIMEOUT
                )
        yield Fuzz(server, channel, measure(server))


def valid_inputs() -> list[tuple[str, Any]]:
    return [
        *(("serving_default", encode(name)) for name in FORMATS),
        ("tf_example", image_to_example(encode("PNG"))),
        ("image_tensor", decoded()),
    ]


def test_damaged_messages(fuzz: Fuzz) -> None:
    generator = np.random.default_rng(1)
    spec = {"name": "detector"}
    bases = [
        *(("Predict", predict_request(*each)) for each in valid_inputs()),
        ("Classify", ClassificationRequest(model_spec=spec).SerializeToString()),
        (
            "GetModelMetadata",
            GetModelMetadataRequest(
                model_spec=spec, metadata_field=["signature_def"]
            ).SerializeToString(),
        ),
    ]
    status = GetModelStatusRequest(model_spec=spec).SerializeToString()
    for number in range(PROTOS):
        if number % 20 == 0:
            fuzz.send("GetModelStatus", mutate(status, generator), MODEL_SERVICE)
        else:
            method, data = bases[number % len(bases)]
            fuzz.send(method, mutate(data, generator))


def test_damaged_images(fuzz: Fuzz) -> None:
    generator = np.random.default_rng(2)
    images = [encode(name) for name in FORMATS]
    for number in range(IMAGES):
        damaged = mutate(images[number % len(images)], generator)
        fuzz.send("Predict", predict_request("serving_default", damaged))


def test_damaged_examples(fuzz: Fuzz) -> None:
    generator = np.random.default_rng(3)
    example = image_to_example(encode("PNG"))
    for _ in range(EXAMPLES):
        fuzz.send("Predict", predict_request("tf_example", mutate(example, generator)))


SIZES = st.one_of(st.integers(-2, 5), st.sampled_from([2**31, 2**62, 2**63 - 1, -(2**63)]))


@settings(
    max_examples=TENSORS,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    signature=st.sampled_from(["serving_default", "image_tensor", "tf_example", "model_info"]),
    dtype=st.integers(-1, 130),
    shape=st.lists(SIZES, max_size=6),
    content=st.binary(max_size=64),
    strings=st.lists(st.binary(max_size=8), max_size=4),
    numbers=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=8),
    unknown_rank=st.booleans(),
    alias=st.sampled_from(["inputs", "", "input\n", "x" * 2000]),
    filters=st.lists(st.sampled_from(["detection_boxes", "", "é"]), max_size=2),
)
def test_absurd_tensors(
    fuzz: Fuzz,
    signature: str,
    dtype: int,
    shape: list[int],
    content: bytes,
    strings: list[bytes],
    numbers: list[int],
    unknown_rank: bool,
    alias: str,
    filters: list[str],
) -> None:
    request = PredictRequest(output_filter=filters)
    request.model_spec.name = "detector"
    request.model_spec.signature_name = signature
    tensor = request.inputs[alias]
    tensor.dtype = dtype
    tensor.tensor_content = content
    tensor.string_val.extend(strings)
    tensor.int_val.extend(numbers)
    tensor.tensor_shape.unknown_rank = unknown_rank
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    fuzz.send("Predict", request.SerializeToString())


def test_damaged_rest_calls(fuzz: Fuzz) -> None:
    generator = np.random.default_rng(4)
    body = rest_body(encode("PNG"))
    path = "/v1/models/detector:predict"
    with httpx.Client(base_url=f"http://{fuzz.server.rest_address}", timeout=TIMEOUT) as client:
        assert client.post(path, content=body).status_code == 200
        for number in range(BODIES):
            damaged = mutate(body, generator)
            target = path
            if number % 3 == 0:
                target = "/" + quote(mutate(path.encode()[1:], generator), safe="/:")
            answer = client.request(("POST", "GET", "PUT")[number % 7 % 3], target, content=damaged)
            fuzz.outcomes[f"HTTP {answer.status_code}"] += 1
            assert answer.status_code < 500 or answer.status_code == 501, (
                f"{answer.status_code} {answer.text}\n{target} {damaged!r}"
            )


def test_what_is_not_even_http(fuzz: Fuzz) -> None:
    generator = np.random.default_rng(5)
    http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
    for number in range(40):
        address = (fuzz.server.address, fuzz.server.rest_address)[number % 2]
        host, port = address.split(":")
        with socket.create_connection((host, int(port)), TIMEOUT) as connection:
            connection.settimeout(TIMEOUT)
            connection.sendall(mutate(http2, generator) if number % 4 < 2 else generator.bytes(200))
    assert fuzz.server.process.poll() is None


def test_the_server_has_kept_nothing_and_still_finds_what_is_there(fuzz: Fuzz) -> None:
    with DetectorClient(fuzz.server.address, model="detector", attempts=1) as client:
        found = client.detect(encode("PNG"))
    assert found.class_ids.tolist() == [class_id for class_id, _ in OBJECTS]
    after = measure(fuzz.server)
    assert after.threads <= fuzz.before.threads + 10
    assert after.files <= fuzz.before.files + 10
    assert after.memory <= 1.2 * fuzz.before.memory
    if fuzz.outcomes.total() >= PROTOS + IMAGES + EXAMPLES + BODIES:  # all tests of the module
        assert fuzz.outcomes["OK"] > 50, "some damage must leave a request whole"
        assert fuzz.outcomes["INVALID_ARGUMENT"] > 500, "or the damage does not reach the model"
