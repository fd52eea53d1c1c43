"""One short module a DVC stage; `python -m stages.<name>` runs it in the repository's root."""

import os

# TensorFlow reads these when it is first imported: 2 keeps errors and drops INFO and WARNING.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("GLOG_minloglevel", "2")
