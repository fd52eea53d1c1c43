"""RetinaNet: one stage, boxes without masks, the fewest computations an image."""

from __future__ import annotations

from typing import Any

from official.vision.dataloaders import retinanet_input

from rhymes.detector.anchors import (
    anchor_detect,
    anchor_parser_arguments,
    anchor_score_threshold,
    anchor_task,
)
from rhymes.detector.architecture import Architecture, Config
from rhymes.detector.settings import DataFacts, TrainParams


def _build_task(params: TrainParams, facts: DataFacts) -> dict[str, Any]:
    layers = {
        "anchor": {"num_scales": 2, "anchor_size": 3.0},
        "head": {"num_convs": 2, "num_filters": 64, "use_separable_conv": True},
    }
    return anchor_task(params, facts, layers)


def _build_parser(config: Config) -> Any:
    parser = config.task.train_data.parser
    return retinanet_input.Parser(
        **anchor_parser_arguments(config),
        match_threshold=parser.match_threshold,
        unmatched_threshold=parser.unmatched_threshold,
    )


ARCHITECTURE = Architecture(
    stock_experiment="retinanet_resnetfpn_coco",
    build_task=_build_task,
    build_parser=_build_parser,
    build_detect=anchor_detect,
    score_threshold=anchor_score_threshold,
)
