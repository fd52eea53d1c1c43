"""A trained detector run eagerly: neither traced nor frozen, so it owes nothing to the export."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from rhymes.common import quiet  # noqa: F401  (silences TensorFlow)
from rhymes.detector.checkpoint import load_trained
from rhymes.detector.inference import model_to_inference


class EagerDetector:
    """The network of a checkpoint, by the names of the signatures that it is exported with.

    Attributes:
        score_threshold: what the network is less sure of than this it drops.
    """

    def __init__(self, folder: Path) -> None:
        """Load what `rhymes.detector.checkpoint.save_trained` wrote.

        Raises:
            InputError: a file is missing, or the weights are another network's.
        """
        config, model, _ = load_trained(folder)
        self.score_threshold = float(config.task.model.detection_generator.pre_nms_score_threshold)
        inference = model_to_inference(config, model)
        self._signatures = {
            "serving_default": inference.detect_encoded,
            "image_tensor": inference.detect_images,
            "tf_example": inference.detect_examples,
        }

    def call(
        self, inputs: Sequence[bytes] | NDArray[Any], signature: str = "serving_default"
    ) -> dict[str, NDArray[np.float32]]:
        """Run the network on pictures, as `rhymes.detector.exported.ExportedDetector.call` does."""
        outputs = self._signatures[signature](tf.constant(inputs))
        return {name: output.numpy() for name, output in outputs.items()}
