"""The TensorFlow detector: the only package that imports Model Garden (`official.*`)."""

import formats  # noqa: F401  (sets what TensorFlow reads when it is first imported)
