"""REST in front of a real model: the same answers as by gRPC."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from PIL import Image

from rhymes.serving.server import ModelServer
from rhymes.wire import messages
from rhymes.wire.codec import array_to_tensor, tensor_to_array

pytestmark = pytest.mark.tf

SECONDS = 60.0
PREDICT = "/v1/models/detector:predict"


@pytest.fixture(scope="module")
def client(model_server: ModelServer) -> Iterator[httpx.Client]:
    url = f"http://127.0.0.1:{model_server.rest_port}"
    with httpx.Client(base_url=url, timeout=SECONDS, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def by_grpc(channel: grpc.Channel, image: bytes) -> dict[str, np.ndarray[Any, Any]]:
    request = messages.PredictRequest(model_spec={"name": "detector"})
    request.inputs["inputs"].CopyFrom(array_to_tensor([image]))
    call = channel.unary_unary(
        "/tensorflow.serving.PredictionService/Predict",
        request_serializer=messages.PredictRequest.SerializeToString,
        response_deserializer=messages.PredictResponse.FromString,
    )
    outputs = call(request, timeout=SECONDS).outputs
    return {name: tensor_to_array(tensor) for name, tensor in outputs.items()}


def encoded(image: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(image).decode()}


@pytest.mark.parametrize("path", [PREDICT, "/v1/models/detector/labels/stable:predict"])
def test_rows_hold_what_grpc_gives(
    client: httpx.Client, path: str, image: bytes, by_grpc: dict[str, np.ndarray[Any, Any]]
) -> None:
    body = {"instances": [encoded(image)] * 2}
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    rows = answer.json()["predictions"]
    assert len(rows) == 2
    for row in rows:
        assert row.keys() == by_grpc.keys()
        for name, expected in by_grpc.items():
            np.testing.assert_array_equal(np.array(row[name], expected.dtype), expected[0])


def test_columns_hold_what_grpc_gives(
    client: httpx.Client, image: bytes, by_grpc: dict[str, np.ndarray[Any, Any]]
) -> None:
    answer = client.post(PREDICT, json={"inputs": {"inputs": [encoded(image)]}})
    outputs = answer.json()["outputs"]
    for name, expected in by_grpc.items():
        np.testing.assert_array_equal(np.array(outputs[name], expected.dtype), expected)


def test_pixels_are_found_in_as_the_image_is(client: httpx.Client, image: bytes) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(image)))
    body = {"signature_name": "image_tensor", "instances": [pixels.tolist()]}
    row = client.post(PREDICT, json=body).json()["predictions"][0]
    assert row["num_detections"] == 2
    assert row["detection_classes"][:2] == [1, 2]


def test_error_of_an_operation(client: httpx.Client) -> None:
    answer = client.post(PREDICT, json={"instances": ["hello"]})
    assert answer.status_code == 400
    assert "Unknown image file format." in answer.json()["error"]


def test_unknown_label(client: httpx.Client, image: bytes) -> None:
    body = {"instances": [encoded(image)]}
    answer = client.post("/v1/models/detector/labels/no:predict", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"] == "Unrecognized servable version label: no"


def test_status_and_metrics(client: httpx.Client) -> None:
    assert client.get("/v1/models/detector").json() == {
        "model_version_status": [
            {
                "version": "1",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }
    text = client.get("/monitoring/prometheus/metrics").text
    assert ':rhymes:serving:served_version{model_name="detector"} 1' in text
    assert ":tensorflow:serving:model_warmup_latency_count{" in text
