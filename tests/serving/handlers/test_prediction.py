from __future__ import annotations

from typing import Any

import grpc
import numpy as np
import pytest

from rhymes.serving.handlers.limits import Limits
from rhymes.serving.handlers.prediction import metadata, predict, status
from rhymes.wire import messages
from rhymes.wire.codec import array_to_tensor, tensor_to_array
from rhymes.wire.errors import WireError
from tests.support.fake_models import (
    FakeManager,
    FakeServable,
    detector_signatures,
    make_signature,
)

Code = grpc.StatusCode
PIXELS = np.zeros((1, 4, 4, 3), np.uint8)


def make_manager(**signatures: Any) -> FakeManager:
    return FakeManager(FakeServable(detector_signatures() | signatures))


def make_request(
    signature: str = "", inputs: dict[str, Any] | None = None, output_filter: tuple[str, ...] = ()
) -> Any:
    request = messages.PredictRequest(output_filter=output_filter)
    request.model_spec.name = "detector"
    request.model_spec.signature_name = signature
    for name, value in ({"inputs": [b"image"]} if inputs is None else inputs).items():
        tensor = value if hasattr(value, "tensor_shape") else array_to_tensor(value)
        request.inputs[name].CopyFrom(tensor)
    return request


@pytest.mark.parametrize("as_content", [True, False])
def test_answer_holds_outputs_and_what_answered(as_content: bool) -> None:
    manager = make_manager()
    response, ran = predict(manager, make_request(), 5.0, as_content=as_content)
    assert response.model_spec.name == "detector"
    assert response.model_spec.version.value == 7
    assert response.model_spec.signature_name == "serving_default"
    assert (ran.name, ran.version, ran.identity) == ("detector", 7, "0123abc")
    tensor = response.outputs["found"]
    assert bool(tensor.tensor_content) == as_content
    assert tensor_to_array(tensor).tolist() == [[1, 1]]
    signature, inputs, outputs, timeout = manager.servable.asked[0]
    assert (signature, list(inputs), outputs) == ("serving_default", ["inputs"], ["found"])
    assert timeout is not None
    assert 0 < timeout <= 5
    assert manager.held == 0


def test_filter_decides_what_is_computed() -> None:
    manager = make_manager(serving_default=make_signature({"inputs": (object, [-1])}, ("a", "b")))
    manager.servable.result = {"a": np.zeros(1), "b": np.ones(1)}
    response, _ = predict(manager, make_request(output_filter=("b",)), None)
    assert list(response.outputs) == ["b"]
    assert manager.servable.asked[0][2] == ["b"]


def test_default_of_a_signature_stands_in() -> None:
    signature = make_signature(
        {"inputs": (object, [-1]), "threshold": (np.float32, [])},
        defaults={"threshold": array_to_tensor(np.array(0.5, np.float32))},
    )
    manager = make_manager(serving_default=signature)
    predict(manager, make_request(), None)
    assert manager.servable.asked[0][1]["threshold"] == 0.5
    predict(
        manager,
        make_request(inputs={"inputs": [b"x"], "threshold": np.array(0.25, np.float32)}),
        None,
    )
    assert manager.servable.asked[1][1]["threshold"] == 0.25


TWO = make_signature({"a": (np.float32, [-1]), "b": (np.int64, None)})
WITH_DEFAULT = make_signature(
    {"a": (np.float32, [-1]), "b": (np.float32, [-1])},
    defaults={"b": array_to_tensor(np.zeros(1, np.float32))},
)
FLOATS, INTS = np.zeros(1, np.float32), np.zeros((2, 2), np.int64)
BROKEN = messages.TensorProto(dtype=99)


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        pytest.param(
            make_request("nope"),
            Code.FAILED_PRECONDITION,
            'Serving signature key "nope" not found.',
            id="signature",
        ),
        pytest.param(
            make_request(inputs={"inputs": [b""], "b": [b""], "a": [b""]}),
            Code.INVALID_ARGUMENT,
            "input size does not match signature: 3!=1 len({a,b,inputs}) != len({inputs}). "
            "Sent extra: {a,b}. Missing but required: {}.",
            id="too many inputs",
        ),
        pytest.param(
            make_request(inputs={}),
            Code.INVALID_ARGUMENT,
            "input size does not match signature: 0!=1 len({}) != len({inputs}). "
            "Sent extra: {}. Missing but required: {inputs}.",
            id="no input",
        ),
        pytest.param(
            make_request(inputs={"image": [b""]}),
            Code.INVALID_ARGUMENT,
            "Signature input alias: inputs(feed name: serving_default_inputs:0) not found in "
            "request and no default value provided. Inputs expected to be in the request {image}, "
            "or default input alias set: ",
            id="another name",
        ),
        pytest.param(
            make_request("with_default", {"a": FLOATS, "c": FLOATS}),
            Code.INVALID_ARGUMENT,
            "Inputs contains invalid name. Used request inputs: a, request input: a,c",
            id="a name too many beside a default",
        ),
        pytest.param(
            make_request(inputs={"inputs": BROKEN}),
            Code.INVALID_ARGUMENT,
            "tensor parsing error: inputs",
            id="no tensor",
        ),
        pytest.param(
            make_request(output_filter=("found", "nope")),
            Code.INVALID_ARGUMENT,
            "output tensor alias not found in signature: nope Outputs expected to be in the set "
            "{found}.",
            id="unknown output",
        ),
        pytest.param(
            make_request(output_filter=("found", "found")),
            Code.INVALID_ARGUMENT,
            "duplicate output tensor alias: found",
            id="output twice",
        ),
        pytest.param(
            make_request(inputs={"inputs": FLOATS}),
            Code.INVALID_ARGUMENT,
            "Expects arg[0] to be string but float is provided",
            id="dtype",
        ),
        pytest.param(
            make_request("two", {"a": FLOATS, "b": FLOATS}),
            Code.INVALID_ARGUMENT,
            "Expects arg[1] to be int64 but float is provided",
            id="dtype of the second input",
        ),
        pytest.param(
            make_request("image_tensor", {"inputs": PIXELS[0]}),
            Code.INVALID_ARGUMENT,
            "Expects arg[0] to have shape [?,?,?,3] but [4,4,3] is provided for input inputs",
            id="rank",
        ),
        pytest.param(
            make_request("image_tensor", {"inputs": PIXELS[..., :2]}),
            Code.INVALID_ARGUMENT,
            "Expects arg[0] to have shape [?,?,?,3] but [1,4,4,2] is provided for input inputs",
            id="shape",
        ),
        pytest.param(
            make_request("image_tensor", {"inputs": np.zeros((1, 200, 200, 3), np.uint8)}),
            Code.INVALID_ARGUMENT,
            "inputs: 200 x 200 pixels, more than the 10,000 allowed",
            id="too many pixels",
        ),
    ],
)
def test_refused(request_: Any, code: grpc.StatusCode, text: str) -> None:
    manager = make_manager(two=TWO, with_default=WITH_DEFAULT)
    with pytest.raises(WireError) as refused:
        predict(manager, request_, None, limits=Limits(image_pixels=10_000))
    assert (refused.value.code, refused.value.message) == (code, text)
    assert not manager.servable.asked
    assert manager.held == 0


def test_any_rank_fits_an_unknown_one() -> None:
    manager = make_manager(two=TWO)
    predict(manager, make_request("two", {"a": FLOATS, "b": INTS}), None)
    assert manager.servable.asked[0][1]["b"].shape == (2, 2)


def test_values_that_blow_up_are_refused_before_they_do() -> None:
    tensor = messages.TensorProto(dtype=4, int_val=[1])
    for size in (1, 1_000_000, 1_000_000, 3):
        tensor.tensor_shape.dim.add(size=size)
    with pytest.raises(WireError, match="tensor parsing error: inputs"):
        predict(make_manager(), make_request("image_tensor", {"inputs": tensor}), None)


def test_earlier_check_speaks_first() -> None:
    """The order of the wire: count, names, tensors, outputs, dtypes."""
    inputs: list[dict[str, Any]] = [{}, {"image": FLOATS}, {"inputs": BROKEN}, {"inputs": FLOATS}]
    texts = ["input size", "Signature input alias", "tensor parsing", "output tensor alias"]
    for given, text in zip(inputs, texts, strict=True):
        with pytest.raises(WireError, match=text):
            predict(make_manager(), make_request(inputs=given, output_filter=("nope",)), None)


def test_late_request_does_not_run() -> None:
    manager = make_manager()
    with pytest.raises(WireError) as refused:
        predict(manager, make_request(), 0.0)
    assert refused.value.code is Code.DEADLINE_EXCEEDED
    assert not manager.servable.asked


@pytest.mark.parametrize("function", [metadata, status, lambda m, r: predict(m, r, None)])
@pytest.mark.parametrize("kind", ["Predict", "GetModelMetadata", "GetModelStatus"])
def test_missing_spec(function: Any, kind: str) -> None:
    request = getattr(messages, f"{kind}Request")()
    with pytest.raises(WireError, match=r"^Missing ModelSpec$"):
        function(make_manager(), request)


def test_metadata_holds_all_signatures() -> None:
    request = messages.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "detector"
    response = metadata(make_manager(), request)
    assert response.model_spec.version.value == 7
    assert response.model_spec.signature_name == ""
    packed = response.metadata["signature_def"]
    assert packed.type_url == "type.googleapis.com/tensorflow.serving.SignatureDefMap"
    signatures = messages.SignatureDefMap.FromString(packed.value).signature_def
    assert set(signatures) == set(detector_signatures())
    assert signatures["image_tensor"].inputs["inputs"].dtype == 4


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        pytest.param(
            [], "GetModelMetadataRequest must specify at least one metadata_field", id="none"
        ),
        pytest.param(
            ["signature_def", "weights"], "Metadata field weights is not supported", id="other"
        ),
    ],
)
def test_metadata_refused(fields: list[str], text: str) -> None:
    request = messages.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = "no such model"
    with pytest.raises(WireError) as refused:
        metadata(make_manager(), request)
    assert (refused.value.code, refused.value.message) == (Code.INVALID_ARGUMENT, text)


def test_status_ignores_labels() -> None:
    request = messages.GetModelStatusRequest()
    request.model_spec.name = "detector"
    request.model_spec.version_label = "stable"
    response = status(make_manager(), request)
    assert [each.version for each in response.model_version_status] == [7]
