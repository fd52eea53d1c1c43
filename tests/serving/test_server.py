"""The server as a whole, in front of models that compute nothing."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from rhymes.common.errors import InputError
from rhymes.serving.server import ModelServer, ServerOptions
from rhymes.wire import messages
from rhymes.wire.codec import array_to_tensor
from tests.support.certificates import save_certificates
from tests.support.fake_models import Blocker, FakeManager, FakeServable, detector_signatures

SECONDS = 20.0
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICES = (
    "", "PredictionService", "ModelService",
    "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService",
)  # fmt: skip


def make_manager(**options: Any) -> FakeManager:
    return FakeManager(FakeServable(detector_signatures(), **options))


@contextmanager
def running(
    folder: Path, manager: FakeManager | None = None, **options: Any
) -> Iterator[ModelServer]:
    given = {"model_base_path": folder, "port": 0, "drain_seconds": SECONDS} | options
    if "model_config_file" in options:
        del given["model_base_path"]
    with ModelServer(ServerOptions(**given), manager=manager or make_manager()) as server:
        yield server


def predict(channel: grpc.Channel, **call: Any) -> Any:
    request = messages.PredictRequest(model_spec={"name": "detector"})
    request.inputs["inputs"].CopyFrom(array_to_tensor([b"image"]))
    return channel.unary_unary(
        "/tensorflow.serving.PredictionService/Predict",
        request_serializer=messages.PredictRequest.SerializeToString,
        response_deserializer=messages.PredictResponse.FromString,
    ).future(request, **({"timeout": SECONDS} | call))


def check(channel: grpc.Channel, service: str = "") -> Any:
    request = health_pb2.HealthCheckRequest(service=service)
    return health_pb2_grpc.HealthStub(channel).Check(request, timeout=SECONDS).status


def test_health_follows_the_models(tmp_path: Path) -> None:
    manager = make_manager()
    with (
        running(tmp_path, manager) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        for service in (*SERVICES, "detector"):
            assert check(channel, service) == SERVING
        with pytest.raises(grpc.RpcError) as error:
            check(channel, "other")
        assert error.value.code() is grpc.StatusCode.NOT_FOUND
        manager.versions = []
        for changed in manager.changed:
            changed()
        for service in (*SERVICES, "detector"):
            assert check(channel, service) == NOT_SERVING


def test_health_may_be_left_out(tmp_path: Path) -> None:
    with (
        running(tmp_path, enable_grpc_healthcheck_service=False) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        pytest.raises(grpc.RpcError) as error,
    ):
        check(channel)
    assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_health_is_told_while_all_places_are_taken(tmp_path: Path) -> None:
    block = Blocker()
    with (
        running(tmp_path, make_manager(behaviour=block), grpc_max_threads=1) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        calls = [predict(channel) for _ in range(20)]
        assert block.entered.acquire(timeout=SECONDS)
        assert check(channel) == SERVING
        block.opened.set()
        assert all(call.result(timeout=SECONDS) for call in calls)


def test_running_and_waiting_calls_are_finished_at_the_end(tmp_path: Path) -> None:
    block, manager = Blocker(), make_manager()
    manager.servable.behaviour = block
    with running(tmp_path, manager, grpc_max_threads=1) as server:
        channel = grpc.insecure_channel(f"127.0.0.1:{server.port}")
        watched = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watched).status == SERVING
        calls = [predict(channel) for _ in range(5)]
        assert block.entered.acquire(timeout=SECONDS)
        drained: list[bool] = []
        stopping = threading.Thread(target=lambda: drained.append(server.stop()))
        stopping.start()
        assert next(watched).status == NOT_SERVING
        assert list(watched) == [], "the stream ends, too"
        with grpc.insecure_channel(f"127.0.0.1:{server.port}") as late:
            # Those that come just before the end of admission wait as the others do.
            codes = [predict(late, timeout=0.1).code() for _ in range(20)]
        assert codes[-1] is grpc.StatusCode.UNAVAILABLE
        assert not manager.stopped
        block.opened.set()
        assert all(call.result(timeout=SECONDS) for call in calls)
        stopping.join(SECONDS)
        channel.close()
    assert drained == [True]
    assert manager.stopped


def test_calls_that_do_not_end_are_cut_off(tmp_path: Path) -> None:
    block, manager = Blocker(), make_manager()
    manager.servable.behaviour = block
    with (
        running(tmp_path, manager) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        call = predict(channel)
        assert block.entered.acquire(timeout=SECONDS)
        assert server.stop(0.2) is False
        assert not manager.stopped, "the call still uses the model"
        with pytest.raises(grpc.RpcError):
            call.result(timeout=SECONDS)
        block.opened.set()


def test_outputs_may_be_listed(tmp_path: Path) -> None:
    for packed in (True, False):
        with (
            running(tmp_path, enable_serialization_as_tensor_content=packed) as server,
            grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        ):
            tensor = predict(channel).result(timeout=SECONDS).outputs["found"]
            assert (bool(tensor.tensor_content), list(tensor.float_val)) == (
                packed,
                [] if packed else [1, 1],
            )


def test_too_large_message_is_refused(tmp_path: Path) -> None:
    with (
        running(tmp_path, max_message_bytes=100_000) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        with pytest.raises(grpc.RpcError) as error:
            call(bytes(100_001), timeout=SECONDS)
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_rest_and_metrics(tmp_path: Path) -> None:
    config = tmp_path / "monitoring.config"
    config.write_text('prometheus_config { enable: true path: "/numbers" }')
    with running(tmp_path, rest_api_port=-1, monitoring_config_file=config) as server:
        url = f"http://127.0.0.1:{server.rest_port}"
        assert httpx.get(f"{url}/v1/models/detector", timeout=SECONDS).status_code == 200
        assert ":rhymes:serving:served_version" in httpx.get(f"{url}/numbers", timeout=SECONDS).text
        assert server.describe() == (
            f"serving detector version 7 on 127.0.0.1:{server.port}, "
            f"REST on 127.0.0.1:{server.rest_port}"
        )


def test_socket_beside_the_port(tmp_path: Path) -> None:
    path = tmp_path / "grpc.socket"
    with (
        running(tmp_path, grpc_socket_path=str(path)),
        grpc.insecure_channel(f"unix:{path}") as channel,
    ):
        assert predict(channel).result(timeout=SECONDS).outputs


def save_ssl_config(path: Path, folder: Path, **more: Any) -> Path:
    values = {
        "server_key": (folder / "detector.test.key").read_text(),
        "server_cert": (folder / "detector.test.crt").read_text(),
    } | more  # fmt: skip
    path.write_text("\n".join(f"{name}: {json.dumps(value)}" for name, value in values.items()))
    return path


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    save_certificates(folder, "detector.test", "client")
    return folder


@pytest.mark.parametrize("verify", [False, True])
def test_tls(tmp_path: Path, certificates: Path, verify: bool) -> None:
    root = (certificates / "root.crt").read_text()
    config = save_ssl_config(
        tmp_path / "ssl.config", certificates, custom_ca=root, client_verify=verify
    )
    pair = [(certificates / name).read_bytes() for name in ("client.key", "client.crt")]
    name = [("grpc.ssl_target_name_override", "detector.test")]
    with running(tmp_path, ssl_config_file=config) as server:
        address = f"127.0.0.1:{server.port}"
        proved = grpc.ssl_channel_credentials(root.encode(), *pair)
        with grpc.secure_channel(address, proved, name) as channel:
            assert predict(channel).result(timeout=SECONDS).outputs
        unproved = grpc.ssl_channel_credentials(root.encode())
        with grpc.secure_channel(address, unproved, name) as channel:
            call = predict(channel)
            assert (call.code() is grpc.StatusCode.OK) == (not verify)
        with grpc.insecure_channel(address) as channel:
            assert predict(channel).code() is grpc.StatusCode.UNAVAILABLE


def test_configuration_is_read_again(tmp_path: Path) -> None:
    config, manager = tmp_path / "models.config", make_manager()
    write_models(config, "detector")
    options = {"model_config_file": config, "model_config_file_poll_wait_seconds": 0.05}
    with running(tmp_path, manager, **options):
        assert names(manager.configs) == ["detector"]
        config.write_text("model_config_list {")
        threading.Event().wait(0.2)
        assert names(manager.configs) == ["detector"], "a broken file changes nothing"
        write_models(config, "detector", "other")
        for _ in range(400):
            if names(manager.configs) == ["detector", "other"]:
                return
            threading.Event().wait(0.05)
    raise AssertionError("the new configuration was not taken over")


def write_models(path: Path, *models: str) -> None:
    listed = " ".join(
        f'config {{ name: "{name}" base_path: "/{name}" model_platform: "tensorflow" }}'
        for name in models
    )
    path.write_text(f"model_config_list {{ {listed} }}")


def names(configs: Sequence[Any]) -> list[str]:
    return [config.name for config in configs]


def test_one_model_is_configured_by_its_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path.parent)
    manager = make_manager()
    with running(Path(tmp_path.name), manager, model_name="m"):
        assert [(each.name, each.base_path) for each in manager.configs] == [("m", tmp_path)]


class Unavailable(FakeManager):
    """A model whose only version could not be loaded."""

    def available(self, name: str) -> list[int]:
        return []

    def statuses(self, name: str, version: int | None) -> list[Any]:
        status = messages.ModelVersionStatus(version=3, state=50)
        status.status.error_code, status.status.error_message = 5, "no weights"
        return [status]


def test_start_without_a_version_fails_unless_told_to_wait(tmp_path: Path) -> None:
    manager = Unavailable(make_manager().servable)
    with (
        pytest.raises(InputError, match=r"^model detector: version 3: no weights$"),
        running(tmp_path, manager),
    ):
        raise AssertionError("it started")
    assert manager.stopped
    with (
        running(tmp_path, Unavailable(manager.servable), wait_for_model=True) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        assert check(channel) == NOT_SERVING
        assert server.describe().startswith("serving detector (no version yet) on 127.0.0.1:")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        pytest.param({"model_base_path": "no"}, "no is not a folder; expected one", id="folder"),
        pytest.param({"port": "taken"}, "gRPC cannot listen on 127.0.0.1:", id="port"),
        pytest.param({"rest_api_port": "taken"}, "REST cannot listen on 127.0.0.1", id="REST"),
        pytest.param({"host": "192.0.2.1"}, "gRPC cannot listen on 192.0.2.1:", id="host"),
        pytest.param({"ssl_config_file": "no"}, "--ssl_config_file: ", id="no TLS file"),
        pytest.param({"ssl_config_file": "bad"}, "is not a text of SSLConfig", id="bad TLS file"),
        pytest.param({"ssl_config_file": "empty"}, "needs server_key and server_cert", id="no key"),
        pytest.param(
            {"ssl_config_file": "verify"}, "client_verify without custom_ca", id="no authority"
        ),
        pytest.param({"monitoring_config_file": "no"}, "cannot be read", id="no monitoring file"),
        pytest.param(
            {"monitoring_config_file": "bad"}, "is not a text of MonitoringConfig", id="monitoring"
        ),
        pytest.param(
            {"monitoring_config_file": "path"}, "path 'metrics' must begin with /", id="path"
        ),
        pytest.param({"model_config_file": "no"}, "--model_config_file: ", id="no models"),
        pytest.param({"grpc_channel_arguments": "a"}, "expected name=value, got 'a'", id="core"),
    ],
)
def test_start_that_fails_says_why(tmp_path: Path, options: dict[str, Any], text: str) -> None:
    files = {
        "bad": "server_key {",
        "empty": "",
        "verify": 'server_key: "k" server_cert: "c" client_verify: true',
        "path": 'prometheus_config { enable: true path: "metrics" }',
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        given = {
            name: taken.getsockname()[1] if value == "taken"
            else tmp_path / value if name.endswith(("_file", "_path")) else value
            for name, value in options.items()
        }  # fmt: skip
        with pytest.raises(InputError) as error, running(tmp_path, **given):
            raise AssertionError("it started")
    assert text in str(error.value)
    assert "\n" not in str(error.value) or "text of" in text


def test_arguments_for_the_core_reach_it(tmp_path: Path) -> None:
    arguments = "grpc.max_receive_message_length=1000,grpc.primary_user_agent=a=b"
    with (
        running(tmp_path, grpc_channel_arguments=arguments) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        with pytest.raises(grpc.RpcError) as error:
            call(bytes(2000), timeout=SECONDS)
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
