"""Predict, GetModelMetadata and GetModelStatus: requests -> responses, without gRPC.

Checks come in TensorFlow Serving's order (predict_impl.cc, predict_util.cc): model spec, name,
version or label, signature, inputs, outputs, and last what its session would say.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from numpy.typing import NDArray

from rhymes.serving.handlers.inputs import check_arrays, filter_to_outputs, request_to_arrays
from rhymes.serving.handlers.interfaces import Models, Runnable
from rhymes.serving.handlers.limits import Limits
from rhymes.wire.codec import array_to_tensor
from rhymes.wire.errors import WireError, invalid
from rhymes.wire.messages import (
    SIGNATURE_FIELD,
    GetModelMetadataResponse,
    GetModelStatusResponse,
    PredictResponse,
    SignatureDefMap,
)

DEFAULT_SIGNATURE = "serving_default"


@dataclass(frozen=True)
class ModelRun:
    """What answered.

    Attributes:
        name: of the model.
        version: its number.
        identity: of the version's bytes; another one under the same number differs.
        runtime_seconds: spent in the model itself.
    """

    name: str
    version: int
    identity: str
    runtime_seconds: float


def predict(
    manager: Models,
    request: Any,
    timeout: float | None,
    *,
    limits: Limits | None = None,
    as_content: bool = True,
) -> tuple[Any, ModelRun]:
    """Answer a PredictRequest.

    Args:
        manager: where the model is found.
        request: PredictRequest.
        timeout: seconds until nobody waits for the answer any more; None for never.
        limits: of what a request may hold; None for the usual ones.
        as_content: whether numbers are packed into `tensor_content`.

    Returns:
        The PredictResponse, and what answered.

    Raises:
        WireError: as TensorFlow Serving says it.
    """
    end = None if timeout is None else time.monotonic() + timeout
    check_spec(request)
    with manager.acquire(request.model_spec) as held:
        outputs, seconds = run_request(held.servable, request, end, limits or Limits())
        response = PredictResponse()
        for alias, array in outputs.items():
            response.outputs[alias].CopyFrom(array_to_tensor(array, as_content=as_content))
        response.model_spec.name = request.model_spec.name
        response.model_spec.signature_name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        response.model_spec.version.value = held.version
        return response, ModelRun(held.name, held.version, held.identity, seconds)


def run_request(
    servable: Runnable, request: Any, end: float | None, limits: Limits
) -> tuple[Mapping[str, NDArray[Any]], float]:
    """Run a PredictRequest on a model, whatever model it names.

    Args:
        servable: the loaded model.
        request: PredictRequest; of its model spec the signature alone counts.
        end: when nobody waits any more, in `time.monotonic()`'s seconds; None for never.
        limits: of what a request may hold.

    Returns:
        The outputs asked for, and the seconds that the model took.

    Raises:
        WireError: as TensorFlow Serving says it.
    """
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    if name not in servable.signatures:
        raise WireError(
            grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.'
        )
    signature = servable.signatures[name]
    arrays = request_to_arrays(signature, request.inputs, limits)
    outputs = filter_to_outputs(signature, request.output_filter)
    return run_arrays(servable, name, arrays, outputs, end, limits)


def run_arrays(
    servable: Runnable,
    signature: str,
    arrays: Mapping[str, NDArray[Any]],
    outputs: Sequence[str],
    end: float | None,
    limits: Limits,
) -> tuple[Mapping[str, NDArray[Any]], float]:
    """Check arrays by a signature and run it, unless the time is up."""
    check_arrays(servable.signatures[signature], arrays, limits)
    start = time.monotonic()
    if end is not None and start >= end:
        raise WireError(
            grpc.StatusCode.DEADLINE_EXCEEDED, "The deadline passed before the model ran."
        )
    found = servable.run(signature, arrays, outputs, None if end is None else end - start)
    return found, time.monotonic() - start


def check_spec(request: Any) -> None:
    """Raise the error of a request without a model spec."""
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")


def metadata(manager: Models, request: Any) -> Any:
    """Answer a GetModelMetadataRequest with all signatures (get_model_metadata_impl.cc)."""
    check_spec(request)
    if not request.metadata_field:
        raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != SIGNATURE_FIELD:
            raise invalid(f"Metadata field {field} is not supported")
    with manager.acquire(request.model_spec) as held:
        signatures = SignatureDefMap()
        for name, signature in held.servable.signatures.items():
            signatures.signature_def[name].CopyFrom(signature)
        response = GetModelMetadataResponse()
        response.model_spec.name = held.name
        response.model_spec.version.value = held.version
    response.metadata[SIGNATURE_FIELD].Pack(signatures)
    return response


def status(manager: Models, request: Any) -> Any:
    """Answer a GetModelStatusRequest; a label is ignored, as TensorFlow Serving does."""
    check_spec(request)
    spec = request.model_spec
    version = spec.version.value if spec.HasField("version") else None
    return GetModelStatusResponse(model_version_status=manager.statuses(spec.name, version))
