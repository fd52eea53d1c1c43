"""Backbones by their names in params.yaml, as Model Garden configures them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BACKBONES: Mapping[str, Mapping[str, Any]] = {
    "mobilenet_v2": {"type": "mobilenet", "mobilenet": {"model_id": "MobileNetV2"}},
    "mobilenet_v3_large": {"type": "mobilenet", "mobilenet": {"model_id": "MobileNetV3Large"}},
    "resnet_18": {"type": "resnet", "resnet": {"model_id": 18}},
    "resnet_50": {"type": "resnet", "resnet": {"model_id": 50}},
    "efficientnet_b0": {"type": "efficientnet", "efficientnet": {"model_id": "b0"}},
}
