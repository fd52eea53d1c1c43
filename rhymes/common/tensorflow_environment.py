"""What TensorFlow reads from the environment when it is imported: entry points set it, first thing.

Entry points alone: a program that imports the library keeps its own environment. Which lines
TensorFlow still prints: docs/reproducibility.md.
"""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path

NVIDIA_DEVICE = Path("/dev/nvidiactl")
"""There where the driver of an NVIDIA GPU is."""


def set_tensorflow_environment(nvidia_device: Path = NVIDIA_DEVICE) -> None:
    """Set what TensorFlow reads; call it before anything that imports TensorFlow.

    TF_USE_LEGACY_KERAS is set whatever it was, for with another Keras in the process the bytes of
    an exported model differ.
    TF_CPP_MIN_LOG_LEVEL keeps a value that it has. Else TensorFlow's warnings stay where there is
    an NVIDIA device, since they say why it is not used; where there is none, TensorFlow would
    report as an error that it found none.

    Args:
        nvidia_device: a path that exists where such a device is.
    """
    # Model Garden is made with Keras 2. TensorFlow would import Keras 3 as well, which takes
    # seconds.
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1" if nvidia_device.exists() else "3")
    logging.getLogger("tensorflow").addFilter(_is_news)
    # The same layer as in `_is_news`, seen by the decoder: "... contained keys ['6'] which ...".
    warnings.filterwarnings("ignore", "Input dict contained keys", UserWarning)


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out what is so by design, and what only Model Garden's authors could change."""
    text = str(record.msg)
    # MobileNet ends in a layer that a detector leaves unused.
    is_unused_layer = text.startswith("Gradients do not exist for variables")
    is_deprecation = text.startswith("From %s: ") and " is deprecated and will be removed " in text
    return not (is_unused_layer or is_deprecation)
