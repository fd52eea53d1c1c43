"""The model server: TensorFlow Serving's gRPC and REST without Docker."""
