"""Imported for its effect: what TensorFlow prints is what went wrong, and nothing else.

TF_CPP_MIN_LOG_LEVEL (set in `formats/__init__.py`) does not reach the parts of TensorFlow 2.20
that log through abseil, nor Python's loggers and warnings. TensorFlow itself is not imported here,
its library is only loaded.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import logging
import warnings
from pathlib import Path

_ERROR = 2  # absl::LogSeverityAtLeast::kError


def _silence_abseil() -> None:
    # Abseil has a function for it, TensorFlow has no binding for the function.
    found = importlib.util.find_spec("tensorflow")
    if found is None or not found.submodule_search_locations:
        return
    library = Path(found.submodule_search_locations[0]) / "libtensorflow_cc.so.2"
    symbol = "_ZN4absl12lts_2025012714SetMinLogLevelENS0_18LogSeverityAtLeastE"
    # Another build of TensorFlow may lack it; it then prints a few lines more.
    with contextlib.suppress(OSError, AttributeError):
        getattr(ctypes.CDLL(str(library)), symbol)(_ERROR)


_silence_abseil()
# "Gradients do not exist": Model Garden's MobileNet ends in a layer that a detector leaves unused.
logging.getLogger("tensorflow").setLevel(logging.ERROR)
# "Input dict contained keys ['6']": the same layer, seen by the decoder.
warnings.filterwarnings("ignore", category=UserWarning, module="tf_keras")
