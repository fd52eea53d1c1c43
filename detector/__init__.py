"""The TensorFlow detector: the only package that imports Model Garden (`official.*`).

What is set here silences TensorFlow's INFO and WARNING lines; `detector.quiet` does the rest.
"""

import os
from pathlib import Path

# Read when TensorFlow is first imported. On a machine without an NVIDIA device TensorFlow reports
# as an error that it found none.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2" if Path("/dev/nvidiactl").exists() else "3")
