"""Metrics of a network in training on the val split, by the functions that are served."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from rhymes.detections.detections import detections_to_coco, outputs_to_detections
from rhymes.detector.inference import Inference
from rhymes.detector.progress import Validation
from rhymes.metrics.scoring import score, summaries_to_metrics


def build_validation(
    truth: Mapping[str, Any], images: Path, masks: bool
) -> Callable[[Inference, int], Validation | None]:
    """Return a function that measures an inference; None where there is nothing to measure on.

    Args:
        truth: the val split, COCO.
        images: the folder of its pictures.
        masks: rank by mask AP instead of box AP.
    """
    traced: list[Callable[[tf.Tensor], Mapping[str, tf.Tensor]]] = []

    def validate(inference: Inference, step: int) -> Validation | None:
        if not truth["annotations"]:
            return None
        if not traced:  # tracing costs seconds; the variables it reads are those of the moment
            spec = tf.TensorSpec([None], tf.string)
            traced.append(tf.function(inference.detect_encoded, input_signature=[spec]))
        results: list[dict[str, Any]] = []
        for image in truth["images"]:
            encoded = tf.constant([(images / image["file_name"]).read_bytes()])
            outputs = {name: value.numpy() for name, value in traced[0](encoded).items()}
            detections = outputs_to_detections(outputs, 0, image["width"], image["height"])
            results += detections_to_coco(detections, image["id"])
        metrics = summaries_to_metrics(
            score(truth, results, "bbox"), score(truth, results, "segm") if masks else None
        )
        return Validation(step, metrics, "mask_AP" if masks else "AP")

    return validate
