from __future__ import annotations

import io
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import pytest

from rhymes.serving.models.manager import ModelManager
from rhymes.versions.model_folder import save_manifest
from rhymes.wire.errors import WireError
from rhymes.wire.messages import ModelSpec, ModelVersionStatus
from tests.support.version_folders import TIMEOUT, WEIGHTS, make_config

pytestmark = pytest.mark.tf

OUTPUTS = ["detection_boxes", "detection_classes", "detection_masks", "detection_scores"]


@pytest.fixture(scope="module")
def red_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.support.red_detector import save_red_detector

    return save_red_detector(tmp_path_factory.mktemp("red") / "1")


@pytest.fixture(scope="module")
def red(red_folder: Path) -> Any:
    return load(red_folder)


def load(folder: Path) -> Any:
    from rhymes.serving.models.saved_model import load_servable

    return load_servable(folder)


@pytest.fixture(scope="module")
def weighty_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of 20 MB that adds its weights to a number, and can take a long time."""
    import tensorflow as tf

    class Weighty(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = tf.Variable(tf.range(5_000_000, dtype=tf.float32))

        @tf.function(input_signature=[tf.TensorSpec([], tf.float32, "x")])
        def serving_default(self, x: Any) -> Any:
            return {"sum": x + tf.reduce_sum(self.weights[:4]), "text": tf.constant("a\0b\0")}

        @tf.function(input_signature=[tf.TensorSpec([], tf.float32, "x")])
        def slow(self, x: Any) -> Any:
            for _ in tf.range(10_000_000):
                x = x + tf.reduce_sum(self.weights[:1000])
            return {"x": x}

    module = Weighty()
    folder = tmp_path_factory.mktemp("weighty") / "1"
    signatures = {
        name: getattr(module, name).get_concrete_function() for name in ("serving_default", "slow")
    }
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return folder


def encode(*objects: tuple[int, list[int]]) -> bytes:
    from tests.support.red_detector import draw_image

    file = io.BytesIO()
    draw_image(*objects).save(file, "PNG")
    return file.getvalue()


def images(*encoded: bytes) -> dict[str, np.ndarray[Any, Any]]:
    return {"inputs": np.array(encoded, object)}


def test_it_answers_as_the_saved_model_does(red_folder: Path, red: Any) -> None:
    import tensorflow as tf

    data = [encode((1, [10, 20, 30, 40])), encode((2, [0, 0, 50, 60]), (3, [80, 70, 20, 20]))]
    model = tf.saved_model.load(str(red_folder))
    expected = model.signatures["serving_default"](inputs=tf.constant(data))
    found = red.run("serving_default", images(*data), OUTPUTS, 30.0)
    assert list(found) == OUTPUTS
    for name in OUTPUTS:
        np.testing.assert_array_equal(found[name], expected[name].numpy())
        assert found[name].dtype == np.float32
    np.testing.assert_allclose(
        found["detection_boxes"][0, 0] * [120, 160, 120, 160], [20, 10, 60, 40]
    )


def test_signatures_are_messages_without_tensorflow(red: Any) -> None:
    assert {"serving_default", "image_tensor", "tf_example", "model_info"} < set(red.signatures)
    signature = red.signatures["image_tensor"]
    assert type(signature).__module__ != "tensorflow.core.protobuf.meta_graph_pb2"
    assert [dim.size for dim in signature.inputs["inputs"].tensor_shape.dim] == [-1, -1, -1, 3]
    assert signature.method_name == "tensorflow/serving/predict"


def test_scalars_are_arrays_and_strings_keep_their_zeros(weighty_folder: Path) -> None:
    servable = load(weighty_folder)
    found = servable.run("serving_default", {"x": np.float32(1)}, ["sum", "text"], None)
    assert found["sum"].shape == found["text"].shape == ()
    assert (found["sum"].dtype, found["sum"]) == (np.float32, 7)
    assert found["text"].item() == b"a\0b\0"
    servable.close()


def test_a_signature_without_inputs(red: Any) -> None:
    found = red.run("model_info", {}, ["model_info"], 10.0)
    assert b'"classes"' in found["model_info"].item()


@pytest.mark.parametrize(
    ("signature", "inputs", "text"),
    [
        pytest.param(
            "serving_default",
            images(b"not an image"),
            r"Unknown image file format\. One of JPEG, PNG, GIF, BMP.* required\.\n\t \[\[\{\{",
            id="not an image",
        ),
        pytest.param(
            "serving_default",
            images(encode((1, [0, 0, 9, 9]))[:100]),
            "Invalid PNG",
            id="truncated",
        ),
        pytest.param("tf_example", images(b"x"), "Could not parse example input", id="example"),
        pytest.param(
            "image_tensor",
            {"inputs": np.zeros((1, 5, 5, 4), np.uint8)},
            r"shape \(1, 5, 5, 4\)",
            id="shape",
        ),
        pytest.param("serving_default", {}, "You must feed a value for placeholder", id="no input"),
    ],
)
def test_what_an_operation_refuses(red: Any, signature: str, inputs: Any, text: str) -> None:
    with pytest.raises(WireError, match=text) as raised:
        red.run(signature, inputs, OUTPUTS, 30.0)
    assert raised.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "Graph execution error" not in raised.value.message


def test_the_initialisation_is_not_run_by_a_request(red: Any) -> None:
    name = "__saved_model_init_op"
    with pytest.raises(WireError, match="was not found in the Graph"):
        red.run(name, {}, list(red.signatures[name].outputs), 10.0)


@pytest.mark.parametrize("timeout", [-1.0, 0.0, 0.2])
def test_the_deadline_ends_a_run(weighty_folder: Path, timeout: float) -> None:
    servable = load(weighty_folder)
    with pytest.raises(WireError) as raised:
        servable.run("slow", {"x": np.float32(1)}, ["x"], timeout)
    assert raised.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert servable.run("serving_default", {"x": np.float32(1)}, ["sum"], None)["sum"] == 7
    servable.close()


def test_threads_share_it(red: Any) -> None:
    boxes = [[(1, [5 * number, 10, 20, 30])] for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        runs = pool.map(
            lambda one: red.run("serving_default", images(encode(*one)), OUTPUTS, 60.0), boxes
        )
        lefts = [round(float(found["detection_boxes"][0, 0, 1]) * 160) for found in runs]
    assert lefts == [5 * number for number in range(16)]


def test_loading_again_and_again_keeps_no_memory(weighty_folder: Path) -> None:
    def cycle() -> int:
        servable = load(weighty_folder)
        servable.run("serving_default", {"x": np.float32(1)}, ["sum"], None)
        servable.close()
        return int(psutil.Process().memory_info().rss)

    cycle()
    before = cycle()
    # Each holds 20 MB of weights.
    assert max(cycle() for _ in range(5)) < before + 30_000_000


Damage = Callable[[Path], object]


def truncate(name: str, size: int) -> Damage:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:size])


DAMAGES = [
    pytest.param(truncate(WEIGHTS, 1000), ["DATA_LOSS", "OUT_OF_RANGE"], id="weights cut off"),
    pytest.param(truncate("variables/variables.index", 20), ["DATA_LOSS"], id="index cut off"),
    # TensorFlow 2.20 itself says UNKNOWN, with "No such file or directory".
    pytest.param(
        lambda folder: (folder / WEIGHTS).unlink(), ["NOT_FOUND", "UNKNOWN"], id="no weights"
    ),
    pytest.param(truncate("saved_model.pb", 500), ["DATA_LOSS"], id="graph cut off"),
    pytest.param(truncate("saved_model.pb", 0), ["NOT_FOUND"], id="graph empty"),
    pytest.param(
        lambda folder: (folder / "saved_model.pb").write_bytes(b"\xff" * 99),
        ["DATA_LOSS"],
        id="something else",
    ),
    pytest.param(lambda folder: (folder / "saved_model.pb").unlink(), ["NOT_FOUND"], id="no graph"),
]


@pytest.mark.parametrize(("damage", "codes"), DAMAGES)
def test_a_damaged_folder_is_not_loaded(
    weighty_folder: Path, tmp_path: Path, damage: Damage, codes: list[str]
) -> None:
    folder = tmp_path / "1"
    shutil.copytree(weighty_folder, folder)
    damage(folder)
    with pytest.raises(WireError) as raised:
        load(folder)
    assert raised.value.code.name in codes, raised.value.message


@pytest.mark.parametrize("has_manifest", [True, False], ids=["manifest", "no manifest"])
@pytest.mark.parametrize("name", [WEIGHTS, "saved_model.pb"])
def test_a_truncated_version_leaves_the_old_one_serving(
    weighty_folder: Path, tmp_path: Path, name: str, has_manifest: bool
) -> None:
    manager = ModelManager(load=load, poll_seconds=None)
    for version in ("1", "2"):
        shutil.copytree(weighty_folder, tmp_path / "models" / version)
        if has_manifest:
            save_manifest(tmp_path / "models" / version)
        if version == "2":
            truncate(name, 500)(tmp_path / "models" / version)
        for _ in range(3):
            if version == "1":
                manager.start([make_config(tmp_path / "models")], TIMEOUT)
            manager.poll_once()
        assert manager.wait_idle(TIMEOUT)
    with manager.acquire(ModelSpec(name="m")) as held:
        assert held.version == 1
        found = held.servable.run("serving_default", {"x": np.float32(1)}, ["sum"], 10.0)
        assert found["sum"] == 7
    second, first = manager.statuses("m")
    assert first.state == ModelVersionStatus.AVAILABLE
    assert second.state == ModelVersionStatus.END
    assert second.status.error_code in (
        grpc.StatusCode.DATA_LOSS.value[0],
        grpc.StatusCode.OUT_OF_RANGE.value[0],
    )
    assert second.status.error_message
    manager.stop(TIMEOUT)


def test_requests_run_while_models_are_swapped(red_folder: Path, tmp_path: Path) -> None:
    manager = ModelManager(load=load, poll_seconds=None)
    base = tmp_path / "models"
    shutil.copytree(red_folder, base / "1")
    save_manifest(base / "1")
    manager.start([make_config(base)], TIMEOUT)
    assert manager.wait_idle(TIMEOUT)
    data, stop = images(encode((1, [10, 20, 30, 40]))), threading.Event()
    versions: list[int] = []

    def ask() -> None:
        while not stop.is_set():
            with manager.acquire(ModelSpec(name="m")) as held:
                held.servable.run("serving_default", data, OUTPUTS, TIMEOUT)
                versions.append(held.version)

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        for version in range(2, 5):
            (base / str(version - 1)).rename(base / str(version))
            manager.poll_once()
            assert manager.wait_idle(TIMEOUT)
        stop.set()
        for one in asking:
            one.result(TIMEOUT)
    assert set(versions) <= {1, 2, 3, 4}
    assert versions
    assert manager.available("m") == [4]
    manager.stop(TIMEOUT)
