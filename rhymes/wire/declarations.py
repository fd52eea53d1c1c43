"""Write `messages.binpb` from the installed tensorflow-serving-api: `make messages`.

This alone in the package imports TensorFlow's generated classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    predict_pb2,
    prediction_log_pb2,
)

from rhymes.common.files import save_bytes

_ROOTS = (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    predict_pb2,
    prediction_log_pb2,
)


def collect_declarations() -> bytes:
    """Serialise the files that declare the messages, each after those that it imports."""
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}

    def add(descriptor: Any) -> None:
        if descriptor.name in files:
            return
        for dependency in descriptor.dependencies:
            add(dependency)
        files[descriptor.name] = descriptor_pb2.FileDescriptorProto()
        descriptor.CopyToProto(files[descriptor.name])

    for module in _ROOTS:
        add(module.DESCRIPTOR)
    return descriptor_pb2.FileDescriptorSet(file=files.values()).SerializeToString(
        deterministic=True
    )


if __name__ == "__main__":
    save_bytes(Path(__file__).with_name("messages.binpb"), collect_declarations())
