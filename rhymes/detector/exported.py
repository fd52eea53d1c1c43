"""A detector in process: from its SavedModel, or from its checkpoint in eager mode.

In eager mode it is neither traced nor frozen, so it owes nothing to the export.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from rhymes.common.errors import InputError
from rhymes.detections.detections import MASKS, Detections, outputs_to_detections
from rhymes.detector.checkpoint import load_trained
from rhymes.detector.experiment import network_to_inference
from rhymes.versions.model_folder import name_to_version
from rhymes.versions.model_info import SIGNATURE, ModelInfo, text_to_model_info


class ExportedDetector:
    """A SavedModel with the signatures `serving_default` and `model_info`.

    Attributes:
        folder: Where it lies.
        info: What `model_info` says about the model.
        class_names: By class id, from 1.
        has_masks: Whether it gives masks.
    """

    def __init__(self, folder: Path) -> None:
        """Load the SavedModel in `folder`.

        Raises:
            InputError: the folder is missing or incomplete, or holds another kind of model.
        """
        self.folder = folder
        self._model = _load(folder)
        read = _read_info(_signature(self._model, SIGNATURE, folder), folder)
        self.info, self.class_names = read.values, read.class_names
        self._detect = _signature(self._model, "serving_default", folder)
        self.has_masks = MASKS in self._detect.structured_outputs

    def detect(self, encoded: bytes, width: int, height: int) -> Detections:
        """Find objects in one image.

        Args:
            encoded: An upright JPEG or PNG.
            width: Of the image, in pixels.
            height: Of the image, in pixels.
        """
        return outputs_to_detections(self.call([encoded]), 0, width, height)

    def call(
        self, inputs: Sequence[bytes] | NDArray[Any], signature: str = "serving_default"
    ) -> dict[str, NDArray[np.float32]]:
        """Run the model on images; see `rhymes.detections.detections` for the outputs.

        Args:
            inputs: What the signature takes (`rhymes.detector.exporting`): by default encoded
                images.
            signature: Its name.
        """
        run = _signature(self._model, signature, self.folder)
        outputs = run(inputs=tf.constant(inputs))
        return {name: output.numpy() for name, output in outputs.items()}


class EagerDetector:
    """The network of a checkpoint, by the names of the signatures that it is exported with.

    Attributes:
        score_threshold: detections of a lower score are dropped.
    """

    def __init__(self, folder: Path) -> None:
        """Load what `rhymes.detector.checkpoint.save_trained` wrote.

        Raises:
            InputError: a file is missing, or the weights are another network's.
        """
        experiment, network, _ = load_trained(folder)
        self.score_threshold = experiment.score_threshold
        inference = network_to_inference(experiment, network)
        self._signatures = {
            "serving_default": inference.detect_encoded,
            "image_tensor": inference.detect_images,
            "tf_example": inference.detect_examples,
        }

    def call(
        self, inputs: Sequence[bytes] | NDArray[Any], signature: str = "serving_default"
    ) -> dict[str, NDArray[np.float32]]:
        """Run the network on images, as `rhymes.detector.exported.ExportedDetector.call` does."""
        outputs = self._signatures[signature](tf.constant(inputs))
        return {name: output.numpy() for name, output in outputs.items()}


def find_version(base: Path) -> Path:
    """The one version folder (named by a positive integer) in a model base path.

    Raises:
        InputError: there is none, or more than one.
    """
    found = [path for path in base.glob("*") if path.is_dir() and name_to_version(path.name)]
    if not found:
        raise InputError(f"{base}: no exported model; run `dvc repro export` first")
    if len(found) > 1:
        versions = ", ".join(sorted((path.name for path in found), key=int))
        raise InputError(
            f"{base}: several versions, {versions}; keep the one to evaluate (export.version)"
        )
    return found[0]


def _load(folder: Path) -> Any:
    if not (folder / "saved_model.pb").is_file():
        raise InputError(f"{folder}: no saved_model.pb in it; run `dvc repro export`")
    try:
        return tf.saved_model.load(str(folder))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise InputError(
            f"{folder}: the SavedModel cannot be loaded; run `dvc repro --force export`: {error}"
        ) from None


def _signature(model: Any, name: str, folder: Path) -> Any:
    if name not in model.signatures:
        raise InputError(
            f"{folder}: no signature {name}, so it was not exported by this pipeline; it has "
            f"{', '.join(sorted(model.signatures)) or 'none'}"
        )
    return model.signatures[name]


def _read_info(signature: Any, folder: Path) -> ModelInfo:
    try:
        return text_to_model_info(signature()[SIGNATURE].numpy())
    except (InputError, KeyError) as error:
        raise InputError(f"{folder}: {error}") from None
