"""The wire's declarations are those of tensorflow-serving-api, and need no TensorFlow."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from rhymes.wire import messages


@pytest.mark.tf
def test_declarations_are_those_of_the_installed_package(root: Path) -> None:
    from rhymes.wire.declarations import collect_declarations

    stored = (root / "rhymes/wire/messages.binpb").read_bytes()
    assert stored == collect_declarations(), "run `make messages`"


@pytest.mark.tf
def test_messages_are_understood_by_the_package_s_own_classes() -> None:
    from tensorflow_serving.apis import predict_pb2

    request = messages.PredictRequest()
    request.model_spec.name = "detector"
    request.model_spec.version.value = 7
    request.inputs["inputs"].string_val.append(b"\xff\xd8")
    theirs = predict_pb2.PredictRequest.FromString(request.SerializeToString())
    assert theirs.model_spec.version.value == 7
    assert theirs.inputs["inputs"].string_val[0] == b"\xff\xd8"


@pytest.mark.parametrize("module", ["tensorflow", "grpc"])
def test_messages_import_protobuf_alone(root: Path, module: str) -> None:
    code = f"import sys, rhymes.wire.messages; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=root, timeout=60).returncode == 0


def test_classes_of_inner_messages_outlive_the_garbage_collector() -> None:
    inner = weakref.ref(type(messages.SignatureDef().inputs["a"].tensor_shape))
    gc.collect()
    assert inner() is not None, "another thread may be reading such a message"
