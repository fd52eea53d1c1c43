"""Detections in one image, written down by class, box and score."""

from __future__ import annotations

import numpy as np

from rhymes.detections.detections import Detections

Object = tuple[int, tuple[float, float, float, float], float]
SIZE = 100
A, NEAR_A, FAR = (10, 10, 20, 20), (12, 10, 20, 20), (60, 60, 20, 20)


def make_detections(*objects: Object) -> Detections:
    """Objects: class, (x, y, width, height), score; the best first."""
    boxes = [[x, y, x + w, y + h] for _, (x, y, w, h), _ in objects]
    return Detections(
        SIZE,
        SIZE,
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array([score for *_, score in objects], np.float32),
        np.array([class_id for class_id, *_ in objects], np.int32),
    )
