"""Mask R-CNN: Faster R-CNN with a mask for each detection."""

from __future__ import annotations

from typing import Any

from rhymes.detector.anchors import anchor_detect, anchor_score_threshold, anchor_task
from rhymes.detector.architecture import Architecture
from rhymes.detector.architectures.faster_rcnn import build_layers, build_parser
from rhymes.detector.settings import DataFacts, TrainParams


def _build_task(params: TrainParams, facts: DataFacts) -> dict[str, Any]:
    layers = {
        "include_mask": True,
        "mask_head": {"num_convs": 2, "num_filters": 64, "use_separable_conv": True},
        "mask_sampler": {"num_sampled_masks": 16},
    }
    return anchor_task(params, facts, build_layers(facts) | layers)


ARCHITECTURE = Architecture(
    stock_experiment="maskrcnn_mobilenet_coco",
    build_task=_build_task,
    build_parser=build_parser,
    build_detect=anchor_detect,
    score_threshold=anchor_score_threshold,
    has_masks=True,
    auto_rank=2,
)
