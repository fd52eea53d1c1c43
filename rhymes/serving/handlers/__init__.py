"""Request handlers of the server: gRPC and REST, checks and limits, health and metrics."""
