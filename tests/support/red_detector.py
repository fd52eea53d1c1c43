"""A detector that needs no training: it finds what is pure red, green or blue in an image.

It is exported with the signatures and outputs of a trained one, so that tests of what is behind the
export work on a real SavedModel, and know what it must find.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw

COLORS = {1: (230, 20, 20), 2: (20, 230, 20), 3: (20, 20, 230)}
"""What the detector finds, by class id. One object of each at most: the box around that colour."""

SCORES = {1: 0.9, 2: 0.8, 3: 0.3}
_MAX_DETECTIONS = 5  # of which the last two are always padding
_CELLS = 28


class RedDetector(tf.Module):
    """The signatures as functions.

    Args:
        info: what `model_info` says.
        masks: whether to give masks.
    """

    def __init__(self, info: str, masks: bool) -> None:
        super().__init__()
        self._info = info
        self._masks = masks

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "inputs")])
    def serving_default(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._detect_each(
            inputs, lambda data: tf.io.decode_image(data, 3, expand_animations=False)
        )

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, "inputs")])
    def image_tensor(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._detect_each(inputs, lambda image: image)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "inputs")])
    def tf_example(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        feature = {"image/encoded": tf.io.FixedLenFeature([], tf.string)}
        return self.serving_default(tf.io.parse_example(inputs, feature)["image/encoded"])

    @tf.function(input_signature=[])
    def model_info(self) -> dict[str, tf.Tensor]:
        return {"model_info": tf.constant(self._info)}

    def _detect_each(self, elements: tf.Tensor, decode: Any) -> dict[str, tf.Tensor]:
        specs = {
            "detection_boxes": tf.TensorSpec([_MAX_DETECTIONS, 4], tf.float32),
            "detection_scores": tf.TensorSpec([_MAX_DETECTIONS], tf.float32),
            "detection_classes": tf.TensorSpec([_MAX_DETECTIONS], tf.float32),
            "num_detections": tf.TensorSpec([], tf.float32),
        }
        if self._masks:
            specs["detection_masks"] = tf.TensorSpec([_MAX_DETECTIONS, _CELLS, _CELLS], tf.float32)
        found = tf.map_fn(
            lambda element: self._detect(decode(element)), elements, fn_output_signature=specs
        )
        return {name: tf.identity(value) for name, value in found.items()}

    def _detect(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        size = tf.cast(tf.tile(tf.shape(image)[:2], [2]), tf.float32)
        boxes, scores, masks = [], [], []
        for class_id, color in COLORS.items():
            distance = tf.abs(tf.cast(image, tf.int32) - tf.constant(color))
            colored = tf.reduce_max(distance, axis=-1) < 60
            indices = tf.cast(tf.where(colored), tf.int32)
            seen = tf.shape(indices)[0] > 0
            indices = tf.concat([indices, tf.zeros([1, 2], tf.int32)], 0)[
                : tf.maximum(tf.shape(indices)[0], 1)
            ]
            low, high = tf.reduce_min(indices, 0), tf.reduce_max(indices, 0) + 1
            boxes.append(tf.cast(tf.concat([low, high], 0), tf.float32) / size)
            scores.append(tf.where(seen, SCORES[class_id], 0.0))
            cut = tf.cast(colored, tf.float32)[low[0] : high[0], low[1] : high[1], tf.newaxis]
            masks.append(tf.image.resize(cut, [_CELLS, _CELLS], antialias=True)[..., 0])
        found = {
            "detection_boxes": tf.stack(boxes),
            "detection_scores": tf.stack(scores),
            "detection_classes": tf.constant([float(class_id) for class_id in COLORS]),
        }
        if self._masks:
            found["detection_masks"] = tf.stack(masks)
        order = tf.argsort(found["detection_scores"], direction="DESCENDING", stable=True)
        padded = {name: _pad(tf.gather(value, order)) for name, value in found.items()}
        count = tf.reduce_sum(tf.cast(found["detection_scores"] > 0, tf.float32))
        return padded | {"num_detections": count}


def _pad(values: tf.Tensor) -> tf.Tensor:
    paddings = [[0, _MAX_DETECTIONS - values.shape[0]], *[[0, 0]] * (values.shape.rank - 1)]
    return tf.pad(values, paddings)


def save_red_detector(
    folder: Path,
    *,
    masks: bool = True,
    classes: Any = None,
    signatures: tuple[str, ...] = ("serving_default", "image_tensor", "tf_example", "model_info"),
) -> Path:
    """Export the detector; `classes` and `signatures` change what a test wants changed."""
    listed = [{"id": i, "name": f"C{i}"} for i in COLORS] if classes is None else classes
    module = RedDetector(json.dumps({"classes": listed, "model": "red"}), masks)
    tf.saved_model.save(
        module,
        str(folder),
        signatures={name: getattr(module, name).get_concrete_function() for name in signatures},
    )
    return folder


def draw_image(
    *objects: tuple[int, list[int]], size: tuple[int, int] = (160, 120), round_: bool = False
) -> Image.Image:
    """A grey image with objects: class id (colour) and [x, y, width, height]."""
    image = Image.fromarray(np.full((size[1], size[0], 3), 128, np.uint8))
    draw = ImageDraw.Draw(image)
    for class_id, (x, y, w, h) in objects:
        shape = draw.ellipse if round_ else draw.rectangle
        shape((x, y, x + w - 1, y + h - 1), fill=COLORS[class_id])
    return image
