"""Every error of TensorFlow Serving that a detector can meet: code and text, by its own stubs."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from PIL import Image

from rhymes.serving.server import ModelServer
from tests.support.hostile_server import png_bomb

pytestmark = pytest.mark.tf

Code = grpc.StatusCode
SECONDS = 60.0
CLASSIFY = "tensorflow/serving/classify"
NOT_FOUND = "Servable not found for request: "


def spec(
    name: str = "detector", signature: str = "", version: int | None = None, label: str = ""
) -> Any:
    from tensorflow_serving.apis import model_pb2

    made = model_pb2.ModelSpec(name=name, signature_name=signature)
    if version is not None:
        made.version.value = version
    if label:
        made.version_label = label
    return made


def predict_request(
    inputs: dict[str, Any] | None = None, output_filter: Sequence[str] = (), **named: Any
) -> Any:
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest(model_spec=spec(**named), output_filter=output_filter)
    for name, value in ({"inputs": [b"?"]} if inputs is None else inputs).items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def failure(call: Callable[..., Any], request: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as error:
        call(request, timeout=SECONDS)
    return error.value.code(), error.value.details()


PIXELS = np.zeros((1, 8, 8, 3), np.uint8)
INVALID = Code.INVALID_ARGUMENT
EXPECTED = "Inputs expected to be in the request {image}, or default input alias set: "


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        pytest.param({"name": ""}, INVALID, "ModelSpec has no name specified.", id="no name"),
        pytest.param({"name": "no"}, Code.NOT_FOUND, NOT_FOUND + "Latest(no)", id="model"),
        pytest.param(
            {"version": 7}, Code.NOT_FOUND, NOT_FOUND + "Specific(detector, 7)", id="version"
        ),
        pytest.param(
            {"name": "no", "version": 7}, Code.NOT_FOUND, NOT_FOUND + "Specific(no, 7)", id="both"
        ),
        pytest.param(
            {"label": "no"}, INVALID, "Unrecognized servable version label: no", id="label"
        ),
        pytest.param(
            {"signature": "no"},
            Code.FAILED_PRECONDITION,
            'Serving signature key "no" not found.',
            id="signature",
        ),
        pytest.param(
            {"inputs": {"inputs": [b""], "more": [b""]}},
            INVALID,
            "input size does not match signature: 2!=1 len({inputs,more}) != len({inputs}). "
            "Sent extra: {more}. Missing but required: {}.",
            id="too many inputs",
        ),
        pytest.param(
            {"inputs": {}},
            INVALID,
            "input size does not match signature: 0!=1 len({}) != len({inputs}). "
            "Sent extra: {}. Missing but required: {inputs}.",
            id="too few inputs",
        ),
        pytest.param(
            {"inputs": {"image": [b""]}},
            INVALID,
            "Signature input alias: inputs(feed name: serving_default_inputs:0) not found in "
            "request and no default value provided. " + EXPECTED,
            id="input's name",
        ),
        pytest.param(
            {"output_filter": ["no"]},
            INVALID,
            "output tensor alias not found in signature: no Outputs expected to be in the set "
            "{detection_boxes,detection_classes,detection_masks,detection_scores,num_detections}.",
            id="output",
        ),
        pytest.param(
            {"output_filter": ["num_detections"] * 2},
            INVALID,
            "duplicate output tensor alias: num_detections",
            id="output twice",
        ),
        pytest.param(
            {"inputs": {"inputs": np.zeros(1, np.float32)}},
            INVALID,
            "Expects arg[0] to be string but float is provided",
            id="dtype",
        ),
        pytest.param(
            {"inputs": {"inputs": [b"?"]}, "signature": "image_tensor"},
            INVALID,
            "Expects arg[0] to be uint8 but string is provided",
            id="text for pixels",
        ),
        pytest.param(
            {"inputs": {"inputs": PIXELS.astype(np.float32)}, "signature": "image_tensor"},
            INVALID,
            "Expects arg[0] to be uint8 but float is provided",
            id="floats for pixels",
        ),
        pytest.param(
            {"inputs": {"inputs": PIXELS[0]}, "signature": "image_tensor"},
            INVALID,
            "Expects arg[0] to have shape [?,?,?,3] but [8,8,3] is provided for input inputs",
            id="shape",
        ),
        pytest.param(
            {"inputs": {"inputs": b"?"}},
            INVALID,
            "Expects arg[0] to have shape [?] but [] is provided for input inputs",
            id="scalar",
        ),
    ],
)
def test_predict(
    prediction_stub: Any, request_: dict[str, Any], code: grpc.StatusCode, text: str
) -> None:
    assert failure(prediction_stub.Predict, predict_request(**request_)) == (code, text)


def test_tensor_that_is_none(prediction_stub: Any) -> None:
    request = predict_request()
    request.inputs["inputs"].tensor_shape.dim[0].size = 5
    request.inputs["inputs"].string_val.extend([b"a"] * 9)
    assert failure(prediction_stub.Predict, request) == (INVALID, "tensor parsing error: inputs")


def encode(size: tuple[int, int], encoding: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, encoding)
    return file.getvalue()


BOMB = "50000 x 50000 pixels, more than the 50,000,000 allowed"


def example(value: bytes) -> bytes:
    import tensorflow as tf

    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    features = tf.train.Features(feature={"image/encoded": feature})
    return bytes(tf.train.Example(features=features).SerializeToString())


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(b"hello", r"Unknown image file format\.", id="text"),
        pytest.param(b"", r"Input is empty\.", id="nothing"),
        pytest.param(encode((50, 50))[:60], r"(?i)png", id="truncated PNG"),
        pytest.param(encode((50, 50), "JPEG")[:300], r"(?i)jpeg", id="truncated JPEG"),
        pytest.param(png_bomb(), f"^inputs\\[0\\]: {BOMB}$", id="bomb"),
    ],
)
def test_bytes_that_are_no_image(prediction_stub: Any, data: bytes, text: str) -> None:
    code, actual = failure(prediction_stub.Predict, predict_request({"inputs": [data]}))
    assert code is INVALID
    assert re.search(text, actual)
    assert "Traceback" not in actual


def test_bomb_in_an_example(prediction_stub: Any) -> None:
    request = predict_request({"inputs": [example(png_bomb())]}, signature="tf_example")
    assert failure(prediction_stub.Predict, request) == (
        INVALID,
        f"image/encoded of inputs[0]: {BOMB}",
    )


def test_bytes_that_are_no_example(prediction_stub: Any) -> None:
    request = predict_request({"inputs": [b"hello"]}, signature="tf_example")
    code, text = failure(prediction_stub.Predict, request)
    assert code is INVALID
    assert "Could not parse example input" in text


def test_long_text_is_cut(prediction_stub: Any) -> None:
    _, text = failure(prediction_stub.Predict, predict_request(signature="x" * 2000))
    assert text == f'Serving signature key "{"x" * 1001}...TRUNCATED'


@pytest.mark.parametrize("method", ["Predict", "GetModelMetadata", "Classify", "Regress"])
def test_missing_spec(prediction_stub: Any, method: str) -> None:
    from tensorflow_serving.apis import (
        classification_pb2,
        get_model_metadata_pb2,
        predict_pb2,
        regression_pb2,
    )

    requests = {
        "Predict": predict_pb2.PredictRequest,
        "GetModelMetadata": get_model_metadata_pb2.GetModelMetadataRequest,
        "Classify": classification_pb2.ClassificationRequest,
        "Regress": regression_pb2.RegressionRequest,
    }
    call = getattr(prediction_stub, method)
    assert failure(call, requests[method]()) == (INVALID, "Missing ModelSpec")


@pytest.mark.parametrize(
    ("fields", "named", "code", "text"),
    [
        pytest.param(
            [],
            {},
            INVALID,
            "GetModelMetadataRequest must specify at least one metadata_field",
            id="no field",
        ),
        pytest.param(["x"], {}, INVALID, "Metadata field x is not supported", id="other field"),
        pytest.param(
            ["signature_def"],
            {"name": "no"},
            Code.NOT_FOUND,
            NOT_FOUND + "Latest(no)",
            id="model",
        ),
    ],
)
def test_metadata(
    prediction_stub: Any,
    fields: list[str],
    named: dict[str, Any],
    code: grpc.StatusCode,
    text: str,
) -> None:
    from tensorflow_serving.apis import get_model_metadata_pb2

    request = get_model_metadata_pb2.GetModelMetadataRequest(
        model_spec=spec(**named), metadata_field=fields
    )
    assert failure(prediction_stub.GetModelMetadata, request) == (code, text)


@pytest.mark.parametrize(
    ("signature", "classify", "regress"),
    [
        pytest.param(
            "",
            "Expected one or two output Tensors, found 5",
            "Expected one output Tensor.",
            id="detector",
        ),
        pytest.param(
            "model_info", "Expected one input Tensor.", "Expected one input Tensor.", id="no input"
        ),
        pytest.param(
            "no",
            "No signature was found with the name: no",
            "No signature was found with the name: no",
            id="signature",
        ),
    ],
)
def test_classify_and_regress(
    prediction_stub: Any, signature: str, classify: str, regress: str
) -> None:
    from tensorflow_serving.apis import classification_pb2, inference_pb2, regression_pb2

    named = spec(signature=signature)
    request = classification_pb2.ClassificationRequest(model_spec=named)
    assert failure(prediction_stub.Classify, request) == (INVALID, classify)
    request = regression_pb2.RegressionRequest(model_spec=named)
    assert failure(prediction_stub.Regress, request) == (INVALID, regress)
    task = inference_pb2.InferenceTask(model_spec=named, method_name=CLASSIFY)
    request = inference_pb2.MultiInferenceRequest(tasks=[task])
    if signature == "no":
        classify = "Requested signature not found in model graph: no"
    assert failure(prediction_stub.MultiInference, request) == (INVALID, classify)


@pytest.mark.parametrize(
    ("named", "code", "text"),
    [
        pytest.param(None, INVALID, "Missing ModelSpec", id="no spec"),
        pytest.param(
            {"version": 7}, Code.NOT_FOUND, "Could not find version 7 of model detector", id="7"
        ),
        pytest.param(
            {"name": "no"}, Code.NOT_FOUND, "Could not find any versions of model no", id="model"
        ),
    ],
)
def test_status(
    model_stub: Any, named: dict[str, Any] | None, code: grpc.StatusCode, text: str
) -> None:
    from tensorflow_serving.apis import get_model_status_pb2

    given = {} if named is None else {"model_spec": spec(**named)}
    request = get_model_status_pb2.GetModelStatusRequest(**given)
    assert failure(model_stub.GetModelStatus, request) == (code, text)


def reload_request(*models: dict[str, Any]) -> Any:
    from tensorflow_serving.apis import model_management_pb2

    request = model_management_pb2.ReloadConfigRequest()
    for model in models:
        labels = model.pop("version_labels", {})
        request.config.model_config_list.config.add(**model).version_labels.update(labels)
    return request


def detector(base: object, **changes: Any) -> dict[str, Any]:
    named = {"name": "detector", "base_path": str(base), "model_platform": "tensorflow"}
    return named | {"version_labels": {"stable": 1}} | changes


@pytest.fixture
def restored(model_stub: Any, red_model: Path) -> Iterator[None]:
    """Whatever a test made of the configuration, the next one finds the red detector."""
    yield
    model_stub.HandleReloadConfigRequest(reload_request(detector(red_model)), timeout=SECONDS)


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(
    ("models", "code", "text"),
    [
        pytest.param(
            None,
            INVALID,
            "ServerModelConfig type not supported by HandleReloadConfigRequest. "
            "Only ModelConfigList is currently supported",
            id="no list",
        ),
        pytest.param(
            lambda base: [detector(base), detector(base)],
            INVALID,
            "Illegal to list model detector multiple times in config list",
            id="twice",
        ),
        pytest.param(
            lambda base: [detector("models/x")],
            INVALID,
            "Expected model detector to have an absolute path or URI; got base_path()=models/x",
            id="relative",
        ),
        pytest.param(
            lambda base: [detector(base, model_platform="")],
            INVALID,
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            "ModelServerConfig::model_platform, model name is detector",
            id="no platform",
        ),
        pytest.param(
            lambda base: [detector(base), detector(base, name="x", model_platform="torch")],
            INVALID,
            "Model x requests unsupported platform torch",
            id="unsupported platform",
        ),
        pytest.param(
            lambda base: [detector(base, model_platform="torch")],
            INVALID,
            "Illegal to change a model's platform. For model detector platform was tensorflow and "
            "new platform requested is torch",
            id="changed platform",
        ),
        pytest.param(
            lambda base: [detector(base, version_labels={"stable": 2})],
            Code.FAILED_PRECONDITION,
            "Request to assign label to version 2 of model detector, which is not currently "
            "available for inference",
            id="label of no version",
        ),
    ],
)
def test_reload(
    model_stub: Any,
    prediction_stub: Any,
    red_model: Path,
    image: bytes,
    models: Any,
    code: grpc.StatusCode,
    text: str,
) -> None:
    request = reload_request(*(models(red_model) if models else ()))
    assert failure(model_stub.HandleReloadConfigRequest, request) == (code, text)
    response = prediction_stub.Predict(
        predict_request({"inputs": [image]}, label="stable"), timeout=SECONDS
    )
    assert response.model_spec.version.value == 1, "what was served still is"


@pytest.mark.usefixtures("restored")
def test_reload_with_a_model_that_cannot_be_loaded(
    model_stub: Any, red_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1/saved_model.pb").write_bytes(b"no model")
    request = reload_request(detector(red_model), detector(tmp_path, name="x", version_labels={}))
    code, text = failure(model_stub.HandleReloadConfigRequest, request)
    assert code is Code.UNKNOWN
    assert text.startswith("1 model(s) did not become available: {")
    assert "name: x version: 1" in text


def test_answer_by_their_stub(prediction_stub: Any, image: bytes) -> None:
    import tensorflow as tf

    response, call = prediction_stub.Predict.with_call(
        predict_request({"inputs": [image]}), timeout=SECONDS
    )
    assert response.model_spec.name == "detector"
    assert response.model_spec.signature_name == "serving_default"
    assert response.model_spec.version.value == 1
    found = {name: tf.make_ndarray(tensor) for name, tensor in response.outputs.items()}
    assert found["num_detections"].tolist() == [2]
    assert found["detection_classes"][0, :2].tolist() == [1, 2]
    np.testing.assert_allclose(
        found["detection_boxes"][0, 0] * [120, 160, 120, 160], [20, 10, 50, 50], atol=1
    )
    assert len(dict(call.trailing_metadata())["rhymes-model-identity"]) == 64


def test_signatures_by_their_stub(prediction_stub: Any) -> None:
    from tensorflow_serving.apis import get_model_metadata_pb2

    request = get_model_metadata_pb2.GetModelMetadataRequest(
        model_spec=spec(), metadata_field=["signature_def"]
    )
    response = prediction_stub.GetModelMetadata(request, timeout=SECONDS)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def) >= {
        "serving_default",
        "image_tensor",
        "tf_example",
        "model_info",
    }
    assert response.model_spec.version.value == 1


def test_states_by_their_stub(model_stub: Any, model_server: ModelServer) -> None:
    from tensorflow_serving.apis import get_model_status_pb2

    request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec(label="whatever"))
    response = model_stub.GetModelStatus(request, timeout=SECONDS)
    states = [(each.version, each.state) for each in response.model_version_status]
    assert states == [(1, get_model_status_pb2.ModelVersionStatus.AVAILABLE)]
    assert model_server.manager.available("detector") == [1]
