from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rhymes.detector import architectures
from rhymes.detector.settings import DataFacts, TrainParams

pytestmark = pytest.mark.tf
INFO = {"classes": [{"id": 1, "name": "CRÊPE"}]}
OUTPUTS = {"detection_boxes", "detection_scores", "detection_classes", "num_detections"}


def png(width: int, height: int) -> bytes:
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


class Exported:
    """A detector with random weights, as it is in training and as it is exported."""

    def __init__(self, experiment: Any, folder: Path) -> None:
        import tensorflow as tf
        import tf_keras

        from rhymes.detector.experiment import build_network, network_to_inference
        from rhymes.detector.exporting import export_saved_model

        # Random weights are sure of nothing: let the lowest scores through.
        experiment.config.task.model.detection_generator.pre_nms_score_threshold = 0.0
        tf_keras.utils.set_random_seed(1)
        self.folder = folder
        self.has_masks = experiment.architecture.has_masks
        self.inference = network_to_inference(experiment, build_network(experiment))
        folder.mkdir()
        export_saved_model(self.inference, INFO, folder)
        self.model = tf.saved_model.load(str(folder))

    def call(self, signature: str, **inputs: Any) -> dict[str, np.ndarray]:
        import tensorflow as tf

        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        outputs = self.model.signatures[signature](**tensors)
        return {name: value.numpy() for name, value in outputs.items()}


@pytest.fixture(scope="module", params=architectures.list_names())
def exported(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    params: Callable[..., TrainParams],
    facts: Callable[..., DataFacts],
) -> Exported:
    from rhymes.detector.experiment import build_experiment

    experiment = build_experiment(params(image_size=128), request.param, facts())
    return Exported(experiment, tmp_path_factory.mktemp("export") / "1")


def test_keeps_the_contract_of_the_object_detection_api(exported: Exported) -> None:
    outputs = exported.call("serving_default", inputs=[png(200, 100), png(64, 64)])
    masks = {"detection_masks"} if exported.has_masks else set()
    assert set(outputs) == OUTPUTS | masks
    assert all(value.dtype == np.float32 for value in outputs.values())
    boxes, classes = outputs["detection_boxes"], outputs["detection_classes"]
    assert boxes.shape == (2, 100, 4)
    assert outputs["num_detections"].shape == (2,)
    assert (outputs["num_detections"] > 0).all(), "or this test would prove nothing"
    assert ((boxes >= 0) & (boxes <= 1)).all(), "fractions of the image, not pixels"
    assert (boxes[..., 2:] >= boxes[..., :2]).all(), "ymin, xmin, ymax, xmax"
    assert set(np.unique(classes)) <= {1.0, 2.0}, "ids begin at 1"
    assert (np.diff(outputs["detection_scores"]) <= 0).all(), "the best first"
    if masks:
        probability = outputs["detection_masks"]
        assert probability.shape == (2, 100, 28, 28)
        assert ((probability >= 0) & (probability <= 1)).all()


def test_equals_the_model_that_was_exported(exported: Exported) -> None:
    import tensorflow as tf

    images = [png(200, 100), png(90, 160)]
    served = exported.call("serving_default", inputs=images)
    eager = exported.inference.detect_encoded(tf.constant(images))
    for name, value in served.items():
        np.testing.assert_allclose(value, eager[name].numpy(), atol=1e-3, err_msg=name)


def test_every_signature_sees_the_same_image(exported: Exported) -> None:
    import tensorflow as tf

    image = png(150, 100)
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[image]))
    example = tf.train.Example(features=tf.train.Features(feature={"image/encoded": feature}))
    pixels = np.asarray(Image.open(io.BytesIO(image)))[np.newaxis]
    encoded = exported.call("serving_default", inputs=[image])
    decoded = exported.call("image_tensor", inputs=pixels)
    wrapped = exported.call("tf_example", inputs=[example.SerializeToString()])
    for name, value in encoded.items():
        np.testing.assert_allclose(decoded[name], value, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(wrapped[name], value, atol=1e-5, err_msg=name)


def test_an_image_alone_and_in_a_batch_give_the_same(exported: Exported) -> None:
    images = [png(200, 100), png(50, 90)]
    batch = exported.call("serving_default", inputs=images)
    alone = exported.call("serving_default", inputs=images[1:])
    for name, value in alone.items():
        np.testing.assert_allclose(batch[name][1:], value, atol=1e-4, err_msg=name)


def test_preprocesses_as_the_training_parser_does(exported: Exported) -> None:
    import tensorflow as tf
    from official.vision.ops import preprocess_ops

    pixels = tf.constant(np.asarray(Image.open(io.BytesIO(png(333, 127)))))
    size = exported.inference.input_size
    expected, _ = preprocess_ops.resize_and_crop_image(
        preprocess_ops.normalize_image(pixels), size, padded_size=size
    )
    image, _ = exported.inference.preprocess(pixels)
    np.testing.assert_allclose(image.numpy(), expected.numpy(), atol=1e-4)


def test_tells_its_classes(exported: Exported) -> None:
    (text,) = exported.call("model_info").values()
    assert json.loads(text) == INFO


def test_the_manifest_lists_every_other_file(exported: Exported) -> None:
    listed = json.loads((exported.folder / "assets.extra/manifest.json").read_text())["files"]
    files = {p for p in exported.folder.rglob("*") if p.is_file() and p.name != "manifest.json"}
    assert {exported.folder / each["path"] for each in listed} == files
    for each in listed:
        content = (exported.folder / each["path"]).read_bytes()
        assert each["size"] == len(content)
        assert each["sha256"] == hashlib.sha256(content).hexdigest()


def test_the_warm_up_requests_can_be_served(exported: Exported) -> None:
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    path = exported.folder / "assets.extra/tf_serving_warmup_requests"
    records = [bytes(record) for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()]
    requests = [
        prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        for record in records
    ]
    names = [request.model_spec.signature_name for request in requests]
    assert names == ["serving_default", "image_tensor", "tf_example"]
    for name, request in zip(names, requests, strict=True):
        outputs = exported.call(name, inputs=tf.make_ndarray(request.inputs["inputs"]))
        assert outputs["num_detections"].shape == (1,)
