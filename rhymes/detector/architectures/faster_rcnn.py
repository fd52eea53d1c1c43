"""Faster R-CNN: proposals, then a class and a box for each; boxes without masks."""

from __future__ import annotations

from typing import Any

from official.vision.dataloaders import maskrcnn_input

from rhymes.detector.anchors import (
    anchor_detect,
    anchor_parser_arguments,
    anchor_score_threshold,
    anchor_task,
    facts_to_instances,
)
from rhymes.detector.architecture import Architecture, Config
from rhymes.detector.settings import DataFacts, TrainParams


def build_layers(facts: DataFacts) -> dict[str, Any]:
    """Return the fields of `task.model` that Mask R-CNN has as well."""
    return {
        "include_mask": False,
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
            "test_num_proposals": max(200, 2 * facts_to_instances(facts)),
            "use_batched_nms": True,
        },
        "roi_sampler": {"num_sampled_rois": 64},
    }


def _build_task(params: TrainParams, facts: DataFacts) -> dict[str, Any]:
    return anchor_task(params, facts, build_layers(facts))


def build_parser(config: Config) -> Any:
    """Build the parser, which crops masks where the network has them."""
    parser = config.task.train_data.parser
    return maskrcnn_input.Parser(
        **anchor_parser_arguments(config),
        include_mask=config.task.model.include_mask,
        mask_crop_size=parser.mask_crop_size,
        rpn_match_threshold=parser.rpn_match_threshold,
        rpn_unmatched_threshold=parser.rpn_unmatched_threshold,
        rpn_batch_size_per_im=parser.rpn_batch_size_per_im,
        rpn_fg_fraction=parser.rpn_fg_fraction,
    )


ARCHITECTURE = Architecture(
    stock_experiment="fasterrcnn_resnetfpn_coco",
    build_task=_build_task,
    build_parser=build_parser,
    build_detect=anchor_detect,
    score_threshold=anchor_score_threshold,
    auto_rank=1,
)
