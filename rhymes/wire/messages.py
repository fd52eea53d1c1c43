"""Messages and methods of TensorFlow Serving's wire, without TensorFlow.

The classes of `tensorflow-serving-api` import all of TensorFlow, which takes seconds and half a
gigabyte; a client needs the messages alone. `messages.binpb` holds their declarations (a
FileDescriptorSet) as that package has them; `make messages` writes it anew, and a test compares.
What our server says of a Predict beside TensorFlow Serving's answer is its trailing metadata: other
clients pass over it, and other servers do not send it.

The classes live in a descriptor pool of their own, beside TensorFlow's in one process; only bytes
go from one to the other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

IDENTITY_KEY = "rhymes-model-identity"
"""Of the version's bytes: others under the same number differ in it."""

SECONDS_KEY = "rhymes-server-seconds"
"""Decimal seconds that the call spent in the server."""


_MAX_LENGTH = 1024
_CUT = "...TRUNCATED"


class WireError(Exception):
    """A request that is answered with an error.

    Attributes:
        code: gRPC's canonical code.
        message: What TensorFlow Serving would say; cut where it is over 1024 characters, as
            TensorFlow Serving does (grpc_status_util.cc).
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        if len(message) > _MAX_LENGTH:
            message = message[:_MAX_LENGTH] + _CUT
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(text: str) -> WireError:
    """Make the error of a request that can never succeed as it stands."""
    return WireError(grpc.StatusCode.INVALID_ARGUMENT, text)


_DECLARATIONS = Path(__file__).with_name("messages.binpb")


def _load_pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(_DECLARATIONS.read_bytes()).file:
        pool.Add(file)
    return pool


_POOL = _load_pool()


def _load_classes() -> list[Any]:
    """Make the class of every declared message, nested ones included."""
    classes: list[Any] = []

    def add(descriptor: Any) -> None:
        classes.append(message_factory.GetMessageClass(descriptor))
        for nested in descriptor.nested_types:
            add(nested)

    for file in descriptor_pb2.FileDescriptorSet.FromString(_DECLARATIONS.read_bytes()).file:
        for message in _POOL.FindFileByName(file.name).message_types_by_name.values():
            add(message)
    return classes


# A pool holds its classes weakly. One that the garbage collector takes while another thread reads
# such a message crashes the process (protobuf 7.36), so none is ever let go.
_KEPT = _load_classes()


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(name))


TensorProto = _message("tensorflow.TensorProto")
TensorShapeProto = _message("tensorflow.TensorShapeProto")
Example = _message("tensorflow.Example")
SignatureDef = _message("tensorflow.SignatureDef")
ModelSpec = _message("tensorflow.serving.ModelSpec")
PredictRequest = _message("tensorflow.serving.PredictRequest")
PredictResponse = _message("tensorflow.serving.PredictResponse")
GetModelMetadataRequest = _message("tensorflow.serving.GetModelMetadataRequest")
GetModelMetadataResponse = _message("tensorflow.serving.GetModelMetadataResponse")
SignatureDefMap = _message("tensorflow.serving.SignatureDefMap")
ClassificationRequest = _message("tensorflow.serving.ClassificationRequest")
ClassificationResponse = _message("tensorflow.serving.ClassificationResponse")
RegressionRequest = _message("tensorflow.serving.RegressionRequest")
RegressionResponse = _message("tensorflow.serving.RegressionResponse")
MultiInferenceRequest = _message("tensorflow.serving.MultiInferenceRequest")
MultiInferenceResponse = _message("tensorflow.serving.MultiInferenceResponse")
GetModelStatusRequest = _message("tensorflow.serving.GetModelStatusRequest")
GetModelStatusResponse = _message("tensorflow.serving.GetModelStatusResponse")
ModelVersionStatus = _message("tensorflow.serving.ModelVersionStatus")
StatusProto = _message("tensorflow.serving.StatusProto")
ModelConfig = _message("tensorflow.serving.ModelConfig")
ModelServerConfig = _message("tensorflow.serving.ModelServerConfig")
ReloadConfigRequest = _message("tensorflow.serving.ReloadConfigRequest")
ReloadConfigResponse = _message("tensorflow.serving.ReloadConfigResponse")
PredictionLog = _message("tensorflow.serving.PredictionLog")

DataType = _POOL.FindEnumTypeByName("tensorflow.DataType")
"""The enum's descriptor: `DataType.values_by_name["DT_STRING"].number`."""

SIGNATURE_FIELD = "signature_def"
"""The one metadata field that GetModelMetadata has."""

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"

METHODS: dict[str, dict[str, tuple[Any, Any]]] = {
    PREDICTION_SERVICE: {
        "Predict": (PredictRequest, PredictResponse),
        "GetModelMetadata": (GetModelMetadataRequest, GetModelMetadataResponse),
        "Classify": (ClassificationRequest, ClassificationResponse),
        "Regress": (RegressionRequest, RegressionResponse),
        "MultiInference": (MultiInferenceRequest, MultiInferenceResponse),
    },
    MODEL_SERVICE: {
        "GetModelStatus": (GetModelStatusRequest, GetModelStatusResponse),
        "HandleReloadConfigRequest": (ReloadConfigRequest, ReloadConfigResponse),
    },
}
"""Service -> method -> its request's and response's class; all are unary."""
