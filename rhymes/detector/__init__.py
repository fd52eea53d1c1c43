"""The TensorFlow detector: the only package that imports Model Garden (`official.*`)."""
