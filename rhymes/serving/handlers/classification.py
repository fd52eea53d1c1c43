"""Classify, Regress and MultiInference: TensorFlow Serving's answers for a detector.

A detector has neither the output names nor their number, so that the answer is an error, with the
texts of classifier.cc, regressor.cc and multi_inference.cc (TensorFlow Serving's default does not
look at a signature's method_name). A model that does classify is not what this server is for.
"""

from __future__ import annotations

from typing import Any, NoReturn

import grpc

from rhymes.serving.handlers.interfaces import Models
from rhymes.serving.handlers.prediction import DEFAULT_SIGNATURE, check_spec
from rhymes.wire.errors import WireError, invalid
from rhymes.wire.messages import ModelSpec

_CLASSIFY, _REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


def classify(manager: Models, request: Any) -> NoReturn:
    """Refuse a ClassificationRequest."""
    _refuse_one(manager, request, _CLASSIFY)


def regress(manager: Models, request: Any) -> NoReturn:
    """Refuse a RegressionRequest."""
    _refuse_one(manager, request, _REGRESS)


def multi_inference(manager: Models, request: Any) -> NoReturn:
    """Refuse a MultiInferenceRequest: by its first task that cannot be done."""
    first = request.tasks[0] if request.tasks else None
    spec = first.model_spec if first is not None and first.HasField("model_spec") else ModelSpec()
    with manager.acquire(spec) as held:
        signatures = held.servable.signatures
        for task in request.tasks:
            if not task.model_spec.name:
                raise invalid("Found ModelSpec with an empty model name.")
            if task.model_spec.name != spec.name:
                raise invalid(
                    "All ModelSpecs in a MultiInferenceRequest must access the same model name."
                )
            name = task.model_spec.signature_name or DEFAULT_SIGNATURE
            if name not in signatures:
                raise invalid(f"Requested signature not found in model graph: {name}")
            if task.method_name not in (_CLASSIFY, _REGRESS):
                raise WireError(
                    grpc.StatusCode.UNIMPLEMENTED,
                    f"Unsupported signature method_name: {task.method_name}",
                )
            _refuse(signatures[name], task.method_name)
    raise invalid("Input is empty.")


def _refuse_one(manager: Models, request: Any, method: str) -> NoReturn:
    check_spec(request)
    with manager.acquire(request.model_spec) as held:
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        if name not in held.servable.signatures:
            raise invalid(f"No signature was found with the name: {name}")
        _refuse(held.servable.signatures[name], method)


def _refuse(signature: Any, method: str) -> NoReturn:
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if method == _CLASSIFY:
        _refuse_to_classify(signature)
    _refuse_to_regress(signature)


def _refuse_to_classify(signature: Any) -> NoReturn:
    if len(signature.outputs) not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if "inputs" not in signature.inputs:
        raise invalid(f"No classification inputs found in SignatureDef: {signature}")
    if not {"classes", "scores"} & set(signature.outputs):
        raise invalid(
            "Expected classification signature outputs to contain at least one of "
            f'"classes" or "scores". Signature was: {signature}'
        )
    raise _not_a_detector("classifies")


def _refuse_to_regress(signature: Any) -> NoReturn:
    if len(signature.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    if "inputs" not in signature.inputs:
        raise invalid(f"No regression inputs found in SignatureDef: {signature}")
    if "outputs" not in signature.outputs:
        raise invalid(f"No regression outputs found in SignatureDef: {signature}")
    raise _not_a_detector("regresses")


def _not_a_detector(verb: str) -> WireError:
    return WireError(
        grpc.StatusCode.UNIMPLEMENTED,
        f"The signature {verb}; this server runs detectors: use Predict, or TensorFlow Serving.",
    )
