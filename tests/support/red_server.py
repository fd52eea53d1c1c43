"""A running server of the red detector, and TensorFlow Serving's own stubs to talk to it.

What needs TensorFlow is imported when a test asks for it, so that the others stay fast.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from rhymes.serving.server import ModelServer, ServerOptions


@pytest.fixture(scope="session")
def red_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model base path with version 1 of the red detector, and its manifest."""
    from rhymes.versions.model_folder import save_manifest
    from tests.support.red_detector import save_red_detector

    base = tmp_path_factory.mktemp("red")
    save_manifest(save_red_detector(base / "1"))
    return base


@pytest.fixture(scope="session")
def red_config(red_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model config file: the red detector as `detector`, version 1 labelled `stable`."""
    path = tmp_path_factory.mktemp("config") / "models.config"
    path.write_text(
        f'model_config_list {{ config {{ name: "detector" base_path: "{red_model}" '
        'model_platform: "tensorflow" version_labels { key: "stable" value: 1 } } }'
    )
    return path


@pytest.fixture(scope="session")
def model_server(
    red_config: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ModelServer]:
    """A server of it on free ports, by gRPC and REST, with metrics."""
    monitoring = tmp_path_factory.mktemp("monitoring") / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true }")
    options = ServerOptions(
        model_config_file=red_config,
        allow_version_labels_for_unavailable_models=True,
        max_num_load_retries=0,
        port=0,
        rest_api_port=-1,
        monitoring_config_file=monitoring,
    )
    with ModelServer(options) as server:
        yield server


@pytest.fixture(scope="session")
def channel(model_server: ModelServer) -> Iterator[grpc.Channel]:
    """A channel to it."""
    with grpc.insecure_channel(f"127.0.0.1:{model_server.port}") as channel:
        yield channel


@pytest.fixture(scope="session")
def prediction_stub(channel: grpc.Channel) -> Any:
    """The PredictionServiceStub of tensorflow-serving-api."""
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="session")
def model_stub(channel: grpc.Channel) -> Any:
    """The ModelServiceStub of tensorflow-serving-api."""
    from tensorflow_serving.apis import model_service_pb2_grpc

    return model_service_pb2_grpc.ModelServiceStub(channel)


@pytest.fixture(scope="session")
def image() -> bytes:
    """A JPEG in which the red detector finds classes 1 and 2."""
    from tests.support.red_detector import draw_image

    encoded = io.BytesIO()
    draw_image((1, [10, 20, 40, 30]), (2, [80, 60, 50, 40])).save(encoded, "JPEG", quality=95)
    return encoded.getvalue()
