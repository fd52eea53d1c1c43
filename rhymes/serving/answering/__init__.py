"""The server's requests: gRPC and REST, their checks and limits, health and metrics."""
