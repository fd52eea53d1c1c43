"""REST's calls: a model spec and a body -> the JSON of the answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NoReturn

import orjson
from google.protobuf import json_format

from rhymes.serving.handlers.classification import classify, regress
from rhymes.serving.handlers.inputs import filter_to_outputs
from rhymes.serving.handlers.interfaces import Models
from rhymes.serving.handlers.prediction import (
    DEFAULT_SIGNATURE,
    metadata,
    run_arrays,
    status,
)
from rhymes.serving.handlers.rest_json import body_to_document, document_to_arrays, outputs_to_json
from rhymes.serving.handlers.service import Service
from rhymes.wire.errors import invalid
from rhymes.wire.messages import (
    SIGNATURE_FIELD,
    ClassificationRequest,
    GetModelMetadataRequest,
    GetModelStatusRequest,
    RegressionRequest,
    SignatureDefMap,
)


def predict_json(
    service: Service, spec: Any, body: bytes, timeout: float, wanted: Callable[[], bool]
) -> bytes:
    """Answer a predict request.

    Args:
        service: what answers.
        spec: ModelSpec from the path.
        body: the request's JSON.
        timeout: seconds until nobody waits for the answer any more.
        wanted: whether somebody still does, asked before it runs.

    Raises:
        WireError: as TensorFlow Serving says it.
    """
    end = time.monotonic() + timeout
    with (
        service.measured(spec.name, "Predict", "REST"),
        service.gate.entered(timeout, wanted),
    ):
        document = body_to_document(body)
        name = document.get("signature_name") or DEFAULT_SIGNATURE
        with service.manager.acquire(spec) as held:
            if name not in held.servable.signatures:
                raise invalid(f'Serving signature name: "{name}" not found in signature def')
            signature = held.servable.signatures[name]
            arrays, as_rows = document_to_arrays(document, signature.inputs)
            outputs = filter_to_outputs(signature, ())
            found, seconds = run_arrays(held.servable, name, arrays, outputs, end, service.limits)
            service.metrics.runtime.observe(seconds, held.name, "Predict", "TF2")
        return outputs_to_json(found, as_rows)


def classify_or_regress(service: Service, spec: Any, api: str) -> NoReturn:
    """Refuse as by gRPC; the examples are not read, since no detector takes them."""
    if api == "classify":
        with service.measured(spec.name, "Classify", "REST"):
            classify(service.manager, ClassificationRequest(model_spec=spec))
    with service.measured(spec.name, "Regress", "REST"):
        regress(service.manager, RegressionRequest(model_spec=spec))


def metadata_json(manager: Models, spec: Any) -> bytes:
    """Write a version's signatures."""
    request = GetModelMetadataRequest(model_spec=spec, metadata_field=[SIGNATURE_FIELD])
    response = metadata(manager, request)
    signatures = SignatureDefMap()
    response.metadata[SIGNATURE_FIELD].Unpack(signatures)
    document = {
        "model_spec": _to_dict(response.model_spec),
        "metadata": {SIGNATURE_FIELD: _to_dict(signatures)},
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def status_json(manager: Models, spec: Any) -> bytes:
    """Write the states of a model's versions."""
    response = status(manager, GetModelStatusRequest(model_spec=spec))
    return orjson.dumps(_to_dict(response), option=orjson.OPT_INDENT_2)


def _to_dict(message: Any) -> dict[str, Any]:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
