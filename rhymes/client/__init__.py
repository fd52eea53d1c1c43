"""A client of a model server: image bytes in, detections out. No TensorFlow."""
