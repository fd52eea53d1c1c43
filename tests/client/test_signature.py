"""What is sent follows from what the model says it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rhymes.client.client import DetectorClient
from rhymes.client.errors import (
    BadImage,
    UnsupportedModel,
)
from rhymes.wire import messages
from rhymes.wire.codec import array_to_tensor, tensor_to_array
from tests.support.canned_server import (
    IMAGE,
    INT64,
    STRING,
    UINT8,
    CannedServer,
    encode,
    lengths,
    make_outputs,
    make_signature,
    sizes,
)


@pytest.mark.parametrize(
    ("inputs", "requests"),
    [
        pytest.param({"inputs": (STRING, [1])}, [1, 1, 1, 1], id="string [1]"),
        pytest.param({"image_bytes": (STRING, None)}, [4], id="string of unknown rank"),
        pytest.param({"input_tensor": (UINT8, [1, -1, -1, 3])}, [1, 1, 1, 1], id="uint8 [1]"),
        pytest.param({"inputs": (UINT8, [-1, -1, -1, 3])}, [3, 1], id="uint8 [N], by size"),
        pytest.param({"x": (UINT8, [-1, -1, -1, -1])}, [3, 1], id="uint8, no channels stated"),
        pytest.param({"x": (UINT8, None)}, [1, 1, 1, 1], id="uint8 of unknown rank"),
    ],
)
def test_inputs_that_a_model_may_have(
    inputs: Any, requests: list[int], server: CannedServer, client: DetectorClient
) -> None:
    server.signatures["serving_default"] = make_signature(inputs)
    server.classes = None
    wanted = [(40, 20), (20, 40), (40, 20), (40, 20)]
    images = [encode("PNG", size=size) for size in wanted]
    assert sizes(client.detect_batch(images)) == wanted
    asked = server.asked_for("Predict")
    assert lengths(asked) == requests
    (key,) = inputs
    first = tensor_to_array(asked[0].inputs[key])
    if first.dtype == np.uint8:
        assert first.shape == (requests[0], 20, 40, 3)
        assert (first == (9, 99, 199)).all()


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param({"inputs": (STRING, [])}, id="string scalar"),
        pytest.param({"inputs": (UINT8, [-1, -1, 3])}, id="pixels without a batch"),
    ],
)
def test_inputs_without_a_batch(inputs: Any, server: CannedServer, client: DetectorClient) -> None:
    server.signatures["serving_default"] = make_signature(inputs)
    server.always = lambda request, context: server.respond(make_outputs())
    assert len(client.detect_batch([IMAGE, IMAGE])) == 2
    shape = tensor_to_array(server.asked_for("Predict")[0].inputs["inputs"]).shape
    assert shape == (() if inputs["inputs"][0] == STRING else (20, 40, 3))


def test_tf_examples_are_made_for_a_signature_of_them(server: CannedServer) -> None:
    server.signatures["tf_example"] = make_signature({"inputs": (STRING, [-1])})
    with DetectorClient(server.address, signature="tf_example") as client:
        assert len(client.detect(IMAGE)) == 2
    (request,) = server.asked_for("Predict")
    assert request.model_spec.signature_name == "tf_example"
    (text,) = tensor_to_array(request.inputs["inputs"])
    feature = messages.Example.FromString(text).features.feature
    assert feature["image/encoded"].bytes_list.value[0] == IMAGE


def test_models_of_one_size_refuse_others(server: CannedServer, client: DetectorClient) -> None:
    server.signatures["serving_default"] = make_signature({"x": (UINT8, [1, 20, 40, 3])})
    assert len(client.detect(IMAGE)) == 2
    with pytest.raises(BadImage, match="30 x 20, but the model takes only 40 x 20"):
        client.detect(encode(size=(30, 20)))


def defaulted() -> Any:
    signature = make_signature({"inputs": (STRING, [-1]), "threshold": (1, [])})
    signature.defaults["threshold"].CopyFrom(array_to_tensor(np.array(0.5, np.float32)))
    return signature


def test_inputs_with_a_default_are_left_to_it(server: CannedServer, client: DetectorClient) -> None:
    server.signatures["serving_default"] = defaulted()
    client.detect(IMAGE)
    assert list(server.asked_for("Predict")[0].inputs) == ["inputs"]


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        pytest.param(
            make_signature({"x": (1, [-1, 640, 640, 3])}), r"float \[\?, 640, 640, 3\] as 'x'",
            id="float pixels",
        ),
        pytest.param(make_signature({"x": (UINT8, [8, -1, -1, 3])}), "uint8", id="eight at once"),
        pytest.param(make_signature({"x": (UINT8, [1, -1, -1, 1])}), "uint8", id="grey pixels"),
        pytest.param(make_signature({"x": (UINT8, [-1, -1])}), "uint8", id="uint8 of rank 2"),
        pytest.param(make_signature({"x": (STRING, [-1, -1])}), "string", id="strings of rank 2"),
        pytest.param(make_signature({"x": (STRING, [4])}), "string", id="four strings"),
        pytest.param(make_signature({"x": (INT64, None)}), "int64 of unknown rank", id="int64"),
        pytest.param(make_signature({}), "takes the inputs none", id="no input"),
        pytest.param(
            make_signature({"a": (STRING, [-1]), "b": (STRING, [-1])}), "inputs 'a', 'b'",
            id="two inputs",
        ),
        pytest.param(
            make_signature({"x": (STRING, [-1])}, ("classes", "detection_boxes")),
            "gives no detection_scores, detection_classes, num_detections.* are 'classes', 'det",
            id="a classifier",
        ),
    ],
)  # fmt: skip
def test_models_that_are_no_detectors(
    signature: Any, reason: str, server: CannedServer, client: DetectorClient
) -> None:
    server.signatures["serving_default"] = signature
    with pytest.raises(UnsupportedModel, match=reason):
        client.detect(IMAGE)
    assert server.asked_for("Predict") == []


def test_unknown_signatures_name_those_there_are(server: CannedServer) -> None:
    with (
        DetectorClient(server.address, signature="image") as client,
        pytest.raises(UnsupportedModel, match="'image'; it has 'model_info', 'serving_default'"),
    ):
        client.describe()
