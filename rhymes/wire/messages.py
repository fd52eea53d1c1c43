"""Messages and methods of TensorFlow Serving, `tf.train.Example` and the label map, in one place.

All without TensorFlow: the classes of `tensorflow-serving-api` import it, which takes seconds and
half a gigabyte. `messages.binpb` holds their declarations (a FileDescriptorSet) as that package has
them; `make messages` writes it anew, and a test compares. What that package does not declare is
declared here. What our server says of a Predict beside TensorFlow Serving's answer is its trailing
metadata: other clients pass over it, and other servers do not send it.

The classes live in a descriptor pool of their own, beside TensorFlow's in one process; only bytes
go from one to the other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

IDENTITY_KEY = "rhymes-model-identity"
"""Of the version's bytes: others under the same number differ in it."""

SECONDS_KEY = "rhymes-server-seconds"
"""Decimal seconds that the call spent in the server."""

_DECLARATIONS = Path(__file__).with_name("messages.binpb")

# What `tensorflow-serving-api` does not declare, field by field as the originals:
# tensorflow_serving/config/{ssl_config,monitoring_config}.proto, and of
# object_detection/protos/string_int_label_map.proto what a label map needs.
_OTHER_DECLARATIONS = """
file { name: "configs.proto" package: "tensorflow.serving" syntax: "proto3"
  message_type { name: "SSLConfig"
    field { name: "server_key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: "server_cert" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: "custom_ca" number: 3 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: "client_verify" number: 4 type: TYPE_BOOL label: LABEL_OPTIONAL } }
  message_type { name: "PrometheusConfig"
    field { name: "enable" number: 1 type: TYPE_BOOL label: LABEL_OPTIONAL }
    field { name: "path" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL } }
  message_type { name: "MonitoringConfig"
    field { name: "prometheus_config" number: 1 type_name: "PrometheusConfig"
            label: LABEL_OPTIONAL } } }
file { name: "rhymes/label_map.proto" package: "rhymes"
  message_type { name: "Item"
    field { name: "name" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: "id" number: 2 type: TYPE_INT32 label: LABEL_OPTIONAL }
    field { name: "display_name" number: 3 type: TYPE_STRING label: LABEL_OPTIONAL } }
  message_type { name: "LabelMap"
    field { name: "item" number: 1 type_name: "Item" label: LABEL_REPEATED } } }
"""


def _load_files() -> list[descriptor_pb2.FileDescriptorProto]:
    stored = descriptor_pb2.FileDescriptorSet.FromString(_DECLARATIONS.read_bytes())
    others = text_format.Parse(_OTHER_DECLARATIONS, descriptor_pb2.FileDescriptorSet())
    return [*stored.file, *others.file]


def _load_pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in _FILES:
        pool.Add(file)
    return pool


_FILES = _load_files()
_POOL = _load_pool()


def _load_classes() -> list[Any]:
    """Make the class of every declared message, nested ones included."""
    classes: list[Any] = []

    def add(descriptor: Any) -> None:
        classes.append(message_factory.GetMessageClass(descriptor))
        for nested in descriptor.nested_types:
            add(nested)

    for file in _FILES:
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
SSLConfig = _message("tensorflow.serving.SSLConfig")
MonitoringConfig = _message("tensorflow.serving.MonitoringConfig")
LabelMap = _message("rhymes.LabelMap")
"""`StringIntLabelMap` of the TF Object Detection API."""

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
