from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from rhymes.serving.handlers.classification import classify, multi_inference, regress
from rhymes.wire import messages
from rhymes.wire.errors import WireError
from tests.support.fake_models import (
    FakeManager,
    FakeServable,
    detector_signatures,
    make_signature,
)

Code = grpc.StatusCode
METHODS = {"classify": messages.ClassificationRequest, "regress": messages.RegressionRequest}
SIGNATURES = detector_signatures() | {
    "serving_default": make_signature({"inputs": (object, [-1])}, tuple("abcde")),
    "image": make_signature({"image": (object, [-1])}, ("classes",)),
    "one": make_signature({"inputs": (object, [-1])}, ("boxes",)),
    "classifier": make_signature({"inputs": (object, [-1])}, ("classes", "scores")),
    "regressor": make_signature({"inputs": (object, [-1])}, ("outputs",)),
}
NO_SIGNATURE = "No signature was found with the name: nope"


def refused(function: Callable[[Any, Any], Any], request: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(WireError) as error:
        function(FakeManager(FakeServable(SIGNATURES)), request)
    return error.value.code, error.value.message


@pytest.mark.parametrize(
    ("function", "signature", "code", "text"),
    [
        pytest.param(classify, "nope", Code.INVALID_ARGUMENT, NO_SIGNATURE, id="no signature"),
        pytest.param(regress, "nope", Code.INVALID_ARGUMENT, NO_SIGNATURE, id="none to regress"),
        pytest.param(
            classify,
            "",
            Code.INVALID_ARGUMENT,
            "Expected one or two output Tensors, found 5",
            id="a detector",
        ),
        pytest.param(
            regress, "", Code.INVALID_ARGUMENT, "Expected one output Tensor.", id="to regress"
        ),
        pytest.param(
            classify, "model_info", Code.INVALID_ARGUMENT, "Expected one input Tensor.", id="info"
        ),
        pytest.param(
            classify,
            "image",
            Code.INVALID_ARGUMENT,
            "No classification inputs found in SignatureDef: ",
            id="another input",
        ),
        pytest.param(
            regress,
            "image",
            Code.INVALID_ARGUMENT,
            "No regression inputs found in SignatureDef: ",
            id="another input to regress",
        ),
        pytest.param(
            classify,
            "one",
            Code.INVALID_ARGUMENT,
            "Expected classification signature outputs to contain at least one of "
            '"classes" or "scores". Signature was: inputs {',
            id="another output",
        ),
        pytest.param(
            regress,
            "one",
            Code.INVALID_ARGUMENT,
            "No regression outputs found in SignatureDef: ",
            id="another output to regress",
        ),
        pytest.param(
            classify, "classifier", Code.UNIMPLEMENTED, "The signature classifies;", id="real one"
        ),
        pytest.param(
            regress,
            "regressor",
            Code.UNIMPLEMENTED,
            "The signature regresses;",
            id="real regressor",
        ),
    ],
)
def test_refused(function: Any, signature: str, code: grpc.StatusCode, text: str) -> None:
    request = METHODS[function.__name__]()
    request.model_spec.name = "detector"
    request.model_spec.signature_name = signature
    actual, message = refused(function, request)
    assert actual is code
    assert message.startswith(text)
    assert len(message) <= 1024 + len("...TRUNCATED")


@pytest.mark.parametrize("function", [classify, regress])
def test_missing_spec(function: Any) -> None:
    request = METHODS[function.__name__]()
    assert refused(function, request) == (Code.INVALID_ARGUMENT, "Missing ModelSpec")


CLASSIFY = "tensorflow/serving/classify"


@pytest.mark.parametrize(
    ("tasks", "code", "text"),
    [
        pytest.param([], Code.INVALID_ARGUMENT, "ModelSpec has no name specified.", id="none"),
        pytest.param(
            [("detector", "", CLASSIFY)],
            Code.INVALID_ARGUMENT,
            "Expected one or two output Tensors, found 5",
            id="classify",
        ),
        pytest.param(
            [("detector", "", "tensorflow/serving/regress")],
            Code.INVALID_ARGUMENT,
            "Expected one output Tensor.",
            id="regress",
        ),
        pytest.param(
            [("detector", "nope", CLASSIFY)],
            Code.INVALID_ARGUMENT,
            "Requested signature not found in model graph: nope",
            id="signature",
        ),
        pytest.param(
            [("detector", "", "dance")],
            Code.UNIMPLEMENTED,
            "Unsupported signature method_name: dance",
            id="method",
        ),
        pytest.param(
            [("other", "", CLASSIFY)],
            Code.NOT_FOUND,
            "Servable not found for request: Latest(other)",
            id="model",
        ),
    ],
)
def test_multi_inference(
    tasks: list[tuple[str, str, str]], code: grpc.StatusCode, text: str
) -> None:
    request = messages.MultiInferenceRequest()
    for model, signature, method in tasks:
        task = request.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = model, signature
    assert refused(multi_inference, request) == (code, text)
