"""What TensorFlow Serving's flags hold as text: TLS, monitoring and arguments of gRPC's core."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
from google.protobuf import text_format

from rhymes.common.errors import InputError
from rhymes.wire.messages import MonitoringConfig, SSLConfig

DEFAULT_METRICS_PATH = "/monitoring/prometheus/metrics"


def _load(path: Path, message: Any, flag: str) -> Any:
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), message)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{flag}: {path} cannot be read: {error}") from None
    except text_format.ParseError as error:
        name = message.DESCRIPTOR.name
        raise InputError(f"{flag}: {path} is not a text of {name}: {error}") from None


def load_credentials(path: Path) -> grpc.ServerCredentials:
    """Read an SSLConfig: PEM texts of key and certificate, and of the clients' authority.

    Raises:
        InputError: the file is missing or wrong, or lacks what TLS needs.
    """
    config = _load(path, SSLConfig(), "--ssl_config_file")
    if not config.server_key or not config.server_cert:
        raise InputError(f"--ssl_config_file: {path} needs server_key and server_cert, both PEM")
    if config.client_verify and not config.custom_ca:
        raise InputError(f"--ssl_config_file: {path} asks for client_verify without custom_ca")
    return grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())],
        root_certificates=config.custom_ca.encode() or None,
        require_client_auth=config.client_verify,
    )


def load_metrics_path(path: Path | None) -> str | None:
    """Read a MonitoringConfig: the path of Prometheus' metrics, None where they are not enabled.

    Raises:
        InputError: the file is missing or wrong.
    """
    if path is None:
        return None
    config = _load(path, MonitoringConfig(), "--monitoring_config_file").prometheus_config
    if config.path and not config.path.startswith("/"):
        raise InputError(f"--monitoring_config_file: path {config.path!r} must begin with /")
    return (config.path or DEFAULT_METRICS_PATH) if config.enable else None


def text_to_core_arguments(text: str) -> dict[str, int | str]:
    """Read --grpc_channel_arguments: what looks like an integer is one, as TensorFlow Serving.

    Raises:
        InputError: an argument is no name=value.
    """
    found: dict[str, int | str] = {}
    for argument in filter(None, text.split(",")):
        name, equals, value = argument.partition("=")
        if not name or not equals:
            raise InputError(f"--grpc_channel_arguments: expected name=value, got {argument!r}")
        try:
            found[name] = int(value)
        except ValueError:
            found[name] = value
    return found
