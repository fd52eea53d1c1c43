"""What flows between the stages: parameters, annotations, images, COCO, TFRecords, detections.

Every package imports this one first, and so sets what TensorFlow reads when it is first imported;
`formats.quiet` does the rest for those who import it.
"""

import os
from pathlib import Path

# Silences TensorFlow's INFO and WARNING lines. On a machine without an NVIDIA device TensorFlow
# reports as an error that it found none.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2" if Path("/dev/nvidiactl").exists() else "3")
