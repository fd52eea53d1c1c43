"""From a Rhymes export to a served detector: what stages, page and commands are made of.

Importing it sets what TensorFlow reads when it is first imported; `rhymes.common.quiet` does the
rest for those who import it.
"""

import os
from pathlib import Path

# Model Garden is made with Keras 2. TensorFlow would import Keras 3 as well, which takes seconds.
# Always, not by default: the bytes of a SavedModel differ with it.
os.environ["TF_USE_LEGACY_KERAS"] = "1"
# Silences TensorFlow's INFO and WARNING lines. On a machine without an NVIDIA device TensorFlow
# reports as an error that it found none.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2" if Path("/dev/nvidiactl").exists() else "3")
