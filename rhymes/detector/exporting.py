"""A trained model -> a SavedModel that TensorFlow Serving loads as it stands.

Layout (TensorFlow Serving's): `saved_model.pb`, `variables/`, `fingerprint.pb`, and in
`assets.extra/` the warm-up requests and a manifest of all other files.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import fingerprint_pb2
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from rhymes.common.files import save_bytes
from rhymes.detector.inference import Inference, Outputs, freeze
from rhymes.versions.model_folder import WARMUP_FILE, save_manifest

_WARMUP_SIZE = (640, 480)  # width, height


class _Signatures(tf.Module):
    def __init__(self, inference: Inference, info: str) -> None:
        super().__init__()
        self._inference = inference
        self._info = info

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "inputs")])
    def serving_default(self, inputs: tf.Tensor) -> Outputs:
        return self._inference.detect_encoded(inputs)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, "inputs")])
    def image_tensor(self, inputs: tf.Tensor) -> Outputs:
        return self._inference.detect_images(inputs)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "inputs")])
    def tf_example(self, inputs: tf.Tensor) -> Outputs:
        return self._inference.detect_examples(inputs)

    @tf.function(input_signature=[])
    def model_info(self) -> Outputs:
        return {"model_info": tf.constant(self._info)}


def export_saved_model(inference: Inference, info: Mapping[str, Any], folder: Path) -> None:
    """Write a SavedModel with its warm-up file and manifest into the empty `folder`.

    Signatures: `serving_default` (encoded images, string [N]), `image_tensor` (uint8
    [N, H, W, 3]), `tf_example` (string [N]), all with the input key `inputs` and the outputs of
    `rhymes.detector.inference`; `model_info` (no input) returns `info` as one JSON string.
    """
    module = _Signatures(freeze(inference), json.dumps(info, ensure_ascii=False, sort_keys=True))
    names = ("serving_default", "image_tensor", "tf_example", "model_info")
    tf.saved_model.save(
        module,
        str(folder),
        signatures={name: getattr(module, name).get_concrete_function() for name in names},
    )
    _fix_fingerprint(folder / "fingerprint.pb")
    _save_warmup(folder / WARMUP_FILE)
    save_manifest(folder)


def _fix_fingerprint(path: Path) -> None:
    """Replace the random uuid, the one thing in which two exports of a model differ."""
    fingerprint = fingerprint_pb2.FingerprintDef.FromString(path.read_bytes())
    fingerprint.uuid = "0"
    save_bytes(path, fingerprint.SerializeToString(deterministic=True))


def _save_warmup(path: Path) -> None:
    """Write one request a signature, replayed by TensorFlow Serving before a version is available.

    The model is not named: TensorFlow Serving replays the records on the model it is loading.
    """
    width, height = _WARMUP_SIZE
    pixels = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (height, width, 3), np.uint8)
    jpeg = io.BytesIO()
    Image.fromarray(pixels).save(jpeg, "JPEG")
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[jpeg.getvalue()]))
    example = tf.train.Example(features=tf.train.Features(feature={"image/encoded": feature}))
    inputs = {
        "serving_default": tf.constant([jpeg.getvalue()]),
        "image_tensor": tf.constant(pixels[np.newaxis]),
        "tf_example": tf.constant([example.SerializeToString(deterministic=True)]),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, value in inputs.items():
            request = predict_pb2.PredictRequest()
            request.model_spec.signature_name = signature
            request.inputs["inputs"].CopyFrom(tf.make_tensor_proto(value))
            log = prediction_log_pb2.PredictionLog()
            log.predict_log.request.CopyFrom(request)
            writer.write(log.SerializeToString(deterministic=True))
