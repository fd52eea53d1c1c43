"""A trained model as it is served: images in, the TF Object Detection API's outputs out.

The same functions validate during training and are exported, so what is measured is what is
served. Outputs, for N images and K detections at most, all float32:
    detection_boxes [N, K, 4]: ymin, xmin, ymax, xmax as fractions of the image's sides.
    detection_scores [N, K]: descending.
    detection_classes [N, K]: ids from 1.
    num_detections [N]: how many of the K are detections; the rest is padding.
    detection_masks [N, K, h, w]: of Mask R-CNN only; probability inside each box.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf
from official.vision.ops import preprocess_ops
from tensorflow.core.framework import graph_pb2
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2_as_graph,
)

Outputs = Mapping[str, tf.Tensor]
Detect = Callable[[tf.Tensor, tf.Tensor], Outputs]


class Inference:
    """Images -> outputs, in each form in which images come.

    Args:
        input_size: height and width of the network's input, pixels.
        detect: preprocessed images float32 [N, S, S, 3] and their image_info float32 [N, 4, 2]
            -> outputs (see the module).
    """

    def __init__(self, input_size: list[int], detect: Detect) -> None:
        self.input_size = input_size
        self.detect = detect

    def detect_encoded(self, inputs: tf.Tensor) -> Outputs:
        """Detect in encoded images, string [N]: JPEG, PNG, BMP, GIF or WebP, of any sizes."""
        return self._detect_each(lambda data: self.preprocess(_decode(data)), inputs)

    def detect_images(self, inputs: tf.Tensor) -> Outputs:
        """Detect in decoded images, uint8 [N, H, W, 3], RGB."""
        return self._detect_each(self.preprocess, inputs)

    def detect_examples(self, inputs: tf.Tensor) -> Outputs:
        """Detect in serialized tf.train.Examples, string [N], that hold `image/encoded`."""
        feature = {"image/encoded": tf.io.FixedLenFeature([], tf.string)}
        return self.detect_encoded(tf.io.parse_example(inputs, feature)["image/encoded"])

    def preprocess(self, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Resize, normalise and pad one image as the training parser does without augmentation.

        The parser normalises first; here it comes after the resize, on fewer pixels: both are
        linear, so the result differs by rounding alone.

        Args:
            image: uint8 [h, w, 3], RGB.

        Returns:
            The network's input float32 [S, S, 3], and Model Garden's image_info float32 [4, 2].
        """
        scaled, info = preprocess_ops.resize_and_crop_image(
            image, self.input_size, padded_size=None, aug_scale_min=1.0, aug_scale_max=1.0
        )
        scaled = preprocess_ops.normalize_image(
            scaled, offset=preprocess_ops.MEAN_RGB, scale=preprocess_ops.STDDEV_RGB
        )
        padded = tf.image.pad_to_bounding_box(scaled, 0, 0, *self.input_size)
        return tf.ensure_shape(padded, [*self.input_size, 3]), info

    def _detect_each(self, preprocess: Callable[..., object], elements: tf.Tensor) -> Outputs:
        specs = (
            tf.TensorSpec([*self.input_size, 3], tf.float32),
            tf.TensorSpec([4, 2], tf.float32),
        )
        with tf.device("cpu:0"):
            images, infos = tf.map_fn(preprocess, elements, fn_output_signature=specs)
        return self.detect(images, infos)


def freeze(inference: Inference) -> Inference:
    """Turn the network's weights into constants.

    A frozen network is folded and fused when it is loaded, which saves time in each call, and
    several signatures can share it.
    """
    signature = [
        tf.TensorSpec([None, *inference.input_size, 3], tf.float32, "images"),
        tf.TensorSpec([None, 4, 2], tf.float32, "infos"),
    ]
    traced = tf.function(inference.detect).get_concrete_function(*signature)
    names = sorted(traced.structured_outputs)
    frozen, graph = convert_variables_to_constants_v2_as_graph(traced, lower_control_flow=False)
    _sort_graph(graph)
    inputs = [tensor.name for tensor in frozen.inputs]
    outputs = [tensor.name for tensor in frozen.outputs]

    @tf.function(input_signature=signature)
    def detect(images: tf.Tensor, infos: tf.Tensor) -> Outputs:
        found = tf.graph_util.import_graph_def(
            graph,
            input_map=dict(zip(inputs, (images, infos), strict=True)),
            return_elements=outputs,
            name="",
        )
        return dict(zip(names, found, strict=True))

    return Inference(inference.input_size, detect)


def _sort_graph(graph: graph_pb2.GraphDef) -> None:
    """Put nodes and functions in the order of their names: the freezing leaves that of a set."""
    for entries, name in (
        (graph.node, lambda node: node.name),
        (graph.library.function, lambda function: function.signature.name),
    ):
        ordered = sorted(entries, key=name)
        del entries[:]
        entries.extend(ordered)


def _decode(encoded: tf.Tensor) -> tf.Tensor:
    """Decode one image (string scalar) to uint8 [h, w, 3]; of an animation the first frame."""
    image = tf.image.decode_image(encoded, channels=3, expand_animations=False)
    return tf.ensure_shape(image, [None, None, 3])
