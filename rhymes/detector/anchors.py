"""Detectors with a feature pyramid and anchors: their configuration, parser and outputs.

Model Garden's stock configurations are made for COCO on accelerators. What is changed here and in
the architectures was measured on small data and two CPU cores: narrow, separable heads; batch norm
that follows within a few hundred steps; few proposals; the `batched` NMS, which serves an image
several times faster than the default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras
from official.vision.ops import anchor

from rhymes.detector.architecture import Config
from rhymes.detector.backbones import BACKBONES
from rhymes.detector.inference import Detect, Outputs
from rhymes.detector.settings import DataFacts, TrainParams

_MIN_LEVEL, _MAX_LEVEL = 3, 6
_MIN_INSTANCES = 100


def facts_to_instances(facts: DataFacts) -> int:
    """Return how many objects an image may hold, and how many are detected in it at most."""
    return max(_MIN_INSTANCES, facts.most_objects)


def anchor_task(params: TrainParams, facts: DataFacts, layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return what to override in the stock `task`.

    Args:
        params: the section `train`.
        facts: sizes of the classifier and of the ground truth follow them.
        layers: the architecture's own fields of `task.model`.
    """
    # Model Garden silently cuts what an image holds beyond max_num_instances.
    instances = facts_to_instances(facts)
    return {
        "init_checkpoint": None,  # the stock one lies in a bucket; see rhymes.detector.pretrained
        "annotation_file": None,
        "use_coco_metrics": False,
        "model": {
            **_shared_layers(params, facts),
            "detection_generator": {
                "nms_version": "batched",
                "pre_nms_top_k": 1000,
                "max_num_detections": instances,
            },
            **layers,
        },
        "train_data": {
            "dtype": "float32",
            "global_batch_size": params.batch_size,
            "seed": params.seed,
            "parser": {
                "aug_rand_hflip": params.augmentation.flip,
                "aug_scale_min": params.augmentation.scale_min,
                "aug_scale_max": params.augmentation.scale_max,
                "max_num_instances": instances,
            },
        },
    }


def _shared_layers(params: TrainParams, facts: DataFacts) -> dict[str, Any]:
    return {
        "num_classes": len(facts.class_names) + 1,  # class 0 is the background
        "input_size": [params.image_size, params.image_size, 3],
        "min_level": _MIN_LEVEL,
        "max_level": _MAX_LEVEL,
        "backbone": BACKBONES[params.backbone],
        "decoder": {"type": "fpn", "fpn": {"num_filters": 64, "use_separable_conv": True}},
        "norm_activation": {
            "activation": "relu6",
            # At the stock 0.99 the moving averages lag behind: AP 0 after 200 steps.
            "norm_momentum": 0.9,
            "norm_epsilon": 0.001,
            "use_sync_bn": params.strategy != "one_device",
        },
    }


def anchor_parser_arguments(config: Config) -> dict[str, Any]:
    """Return what Model Garden's tasks pass to every parser that labels anchors."""
    model, data = config.task.model, config.task.train_data
    return {
        "output_size": model.input_size[:2],
        "min_level": model.min_level,
        "max_level": model.max_level,
        "num_scales": model.anchor.num_scales,
        "aspect_ratios": model.anchor.aspect_ratios,
        "anchor_size": model.anchor.anchor_size,
        "aug_rand_hflip": data.parser.aug_rand_hflip,
        "aug_scale_min": data.parser.aug_scale_min,
        "aug_scale_max": data.parser.aug_scale_max,
        "skip_crowd_during_training": data.parser.skip_crowd_during_training,
        "max_num_instances": data.parser.max_num_instances,
        "dtype": data.dtype,
    }


def anchor_detect(config: Config, network: tf_keras.Model) -> Detect:
    """Return a network as a function from preprocessed images to the served outputs."""
    settings = config.task.model
    generator = anchor.build_anchor_generator(
        min_level=settings.min_level,
        max_level=settings.max_level,
        num_scales=settings.anchor.num_scales,
        aspect_ratios=settings.anchor.aspect_ratios,
        anchor_size=settings.anchor.anchor_size,
    )
    size = list(settings.input_size[:2])
    anchors = {level: boxes.numpy() for level, boxes in generator(image_size=size).items()}

    def detect(images: tf.Tensor, infos: tf.Tensor) -> Outputs:
        copies = [tf.shape(images)[0], 1, 1, 1]
        # `call`, not `__call__`: Keras would trace the training path as well.
        raw = network.call(
            images,
            image_shape=infos[:, 1, :],
            anchor_boxes={
                level: tf.tile(boxes[tf.newaxis], copies) for level, boxes in anchors.items()
            },
            training=False,
        )
        return _raw_to_served(raw, infos)

    return detect


def _raw_to_served(raw: Mapping[str, tf.Tensor], infos: tf.Tensor) -> Outputs:
    """Rename nothing, but scale boxes (Model Garden: pixels of its input) and make all float32."""
    sides = infos[:, 0:1, :] * infos[:, 2:3, :]  # of the image within the network's input
    outputs = {
        "detection_boxes": tf.clip_by_value(
            raw["detection_boxes"] / tf.tile(sides, [1, 1, 2]), 0.0, 1.0
        ),
        "detection_scores": raw["detection_scores"],
        "detection_classes": tf.cast(raw["detection_classes"], tf.float32),
        "num_detections": tf.cast(raw["num_detections"], tf.float32),
    }
    if "detection_masks" in raw:
        outputs["detection_masks"] = raw["detection_masks"]
    return outputs


def anchor_score_threshold(config: Config) -> float:
    """Return the score below which detections are dropped before NMS."""
    return float(config.task.model.detection_generator.pre_nms_score_threshold)
