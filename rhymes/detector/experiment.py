"""Training parameters and facts of the data -> Model Garden's ExperimentConfig.

Model Garden's stock configurations are made for COCO on accelerators. What is changed here was
measured on small data and two CPU cores: narrow, separable heads; batch norm that follows within
a few hundred steps; few proposals; the `batched` NMS, which serves an image several times faster
than the default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from official.core import config_definitions, exp_factory
from official.modeling import hyperparams
from official.vision import registry_imports  # noqa: F401  (registers the experiments)

from rhymes.detector.settings import DataFacts, Model, TrainParams

_BASES = {
    "retinanet": "retinanet_resnetfpn_coco",
    "faster_rcnn": "fasterrcnn_resnetfpn_coco",
    "mask_rcnn": "maskrcnn_mobilenet_coco",
}
_BACKBONES: dict[str, dict[str, Any]] = {
    "mobilenet_v2": {"type": "mobilenet", "mobilenet": {"model_id": "MobileNetV2"}},
    "mobilenet_v3_large": {"type": "mobilenet", "mobilenet": {"model_id": "MobileNetV3Large"}},
    "resnet_18": {"type": "resnet", "resnet": {"model_id": 18}},
    "resnet_50": {"type": "resnet", "resnet": {"model_id": 50}},
    "efficientnet_b0": {"type": "efficientnet", "efficientnet": {"model_id": "b0"}},
}
_MIN_LEVEL, _MAX_LEVEL = 3, 6
_WARMUP_STEPS = 50
_MIN_INSTANCES = 100


def build_experiment(
    params: TrainParams, model: Model, facts: DataFacts
) -> config_definitions.ExperimentConfig:
    """Configure a training of `model`.

    Args:
        params: the section `train` of params.yaml.
        model: the architecture (`params.model`, with `auto` decided).
        facts: what the data says; sizes of the classifier and of the ground truth follow it.
    """
    config = exp_factory.get_exp_config(_BASES[model])
    # Model Garden silently cuts what an image holds beyond max_num_instances.
    instances = max(_MIN_INSTANCES, facts.most_objects)
    overrides = {
        "runtime": {"mixed_precision_dtype": "float32", "distribution_strategy": params.strategy},
        "task": {
            "init_checkpoint": None,  # the stock one lies in a bucket; see detector.pretrained
            "annotation_file": None,
            "use_coco_metrics": False,
            "model": {
                **_shared_layers(params, facts),
                **_architecture(model, instances),
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
        },
        "trainer": _trainer(params),
    }
    hyperparams.override_params_dict(config, overrides, is_strict=True)
    config.validate()
    return config


def _shared_layers(params: TrainParams, facts: DataFacts) -> dict[str, Any]:
    return {
        "num_classes": len(facts.class_names) + 1,  # class 0 is the background
        "input_size": [params.image_size, params.image_size, 3],
        "min_level": _MIN_LEVEL,
        "max_level": _MAX_LEVEL,
        "backbone": _BACKBONES[params.backbone],
        "decoder": {"type": "fpn", "fpn": {"num_filters": 64, "use_separable_conv": True}},
        "norm_activation": {
            "activation": "relu6",
            # At the stock 0.99 the moving averages lag behind: AP 0 after 200 steps.
            "norm_momentum": 0.9,
            "norm_epsilon": 0.001,
            "use_sync_bn": params.strategy != "one_device",
        },
    }


def _architecture(model: Model, instances: int) -> dict[str, Any]:
    generator = {
        "nms_version": "batched",
        "pre_nms_top_k": 1000,
        "max_num_detections": instances,
    }
    if model == "retinanet":
        return {
            "anchor": {"num_scales": 2, "anchor_size": 3.0},
            "head": {"num_convs": 2, "num_filters": 64, "use_separable_conv": True},
            "detection_generator": generator,
        }
    layers: dict[str, Any] = {
        "include_mask": model == "mask_rcnn",
        "anchor": {"num_scales": 1, "anchor_size": 3.0},
        "rpn_head": {"num_filters": 64, "use_separable_conv": True},
        "detection_head": {
            "num_convs": 1,
            "num_filters": 64,
            "fc_dims": 256,
            "use_separable_conv": True,
        },
        "roi_generator": {
            "pre_nms_top_k": 1000,
            "num_proposals": 200,
            "test_pre_nms_top_k": 1000,
            "test_num_proposals": max(200, 2 * instances),
            "use_batched_nms": True,
        },
        "roi_sampler": {"num_sampled_rois": 64},
        "detection_generator": generator,
    }
    if model == "mask_rcnn":
        layers["mask_head"] = {"num_convs": 2, "num_filters": 64, "use_separable_conv": True}
        layers["mask_sampler"] = {"num_sampled_masks": 16}
    return layers


def _trainer(params: TrainParams) -> dict[str, Any]:
    return {
        "train_steps": params.steps,
        "validation_interval": max(1, math.ceil(params.steps / params.validations)),
        "optimizer_config": {
            "optimizer": {
                "type": "adamw_experimental",
                "adamw_experimental": {"weight_decay": 1e-4, "global_clipnorm": 10.0},
            },
            "learning_rate": {
                "type": "cosine",
                "cosine": {
                    "initial_learning_rate": params.learning_rate,
                    "decay_steps": params.steps,
                    "alpha": 0.01,
                },
            },
            "warmup": {
                "type": "linear",
                "linear": {
                    # A run shorter than the usual warm-up still reaches its learning rate.
                    "warmup_steps": max(1, min(_WARMUP_STEPS, params.steps // 10)),
                    "warmup_learning_rate": params.learning_rate / 100,
                },
            },
        },
    }


def experiment_to_dict(config: config_definitions.ExperimentConfig) -> dict[str, Any]:
    """Return the effective configuration as plain values."""
    values: dict[str, Any] = config.as_dict()
    return values


def dict_to_experiment(
    values: Mapping[str, Any], model: Model
) -> config_definitions.ExperimentConfig:
    """Rebuild a configuration from `experiment_to_dict`'s values."""
    config = exp_factory.get_exp_config(_BASES[model])
    hyperparams.override_params_dict(config, dict(values), is_strict=True)
    return config
