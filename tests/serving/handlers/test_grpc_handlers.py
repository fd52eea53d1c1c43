"""What gRPC adds to the answers, with models that compute nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from rhymes.serving.handlers.grpc_handlers import Handlers
from rhymes.serving.handlers.limits import Limits
from rhymes.serving.handlers.service import Service
from rhymes.wire import messages
from rhymes.wire.codec import array_to_tensor
from tests.support.fake_models import Blocker, FakeManager, FakeServable, detector_signatures

Code = grpc.StatusCode
SECONDS = 20.0


class Client:
    """Calls by the wire's own classes.

    Attributes:
        servable: what the model does.
        service: what answers.
        reloaded: configurations that were taken over.
    """

    def __init__(self, channel: grpc.Channel, servable: FakeServable, service: Service) -> None:
        self.channel = channel
        self.servable = servable
        self.service = service
        self.reloaded: list[Any] = []

    def stub(self, method: str, service: str = messages.PREDICTION_SERVICE) -> Any:
        request, response = messages.METHODS[service][method]
        return self.channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )

    def counted(self) -> dict[str, int]:
        """Requests by status."""
        found = {}
        for line in self.service.metrics.text().splitlines():
            if line.startswith(":tensorflow:serving:request_count"):
                found[line.split('status="')[1].split('"')[0]] = int(line.split()[-1])
        return found


@contextmanager
def serving(behaviour: Callable[[], None] = lambda: None, workers: int = 2) -> Iterator[Client]:
    servable = FakeServable(detector_signatures(), behaviour=behaviour)
    service = Service(FakeManager(servable), workers=workers, limits=Limits())
    reloaded: list[Any] = []
    server = grpc.server(
        ThreadPoolExecutor(16), handlers=Handlers(service, reloaded.append).generic()
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        client = Client(channel, servable, service)
        client.reloaded = reloaded
        yield client
    server.stop(0).wait(SECONDS)


def request(model: str = "detector") -> Any:
    made = messages.PredictRequest()
    made.model_spec.name = model
    made.inputs["inputs"].CopyFrom(array_to_tensor([b"image"]))
    return made


def test_trailing_metadata_tells_what_answered() -> None:
    with serving() as client:
        _, call = client.stub("Predict").with_call(request(), timeout=SECONDS)
    trailing = dict(call.trailing_metadata())
    assert trailing["rhymes-model-identity"] == "0123abc"
    assert 0 < float(trailing["rhymes-server-seconds"]) < SECONDS


def test_deadline_reaches_the_model() -> None:
    with serving() as client:
        client.stub("Predict")(request(), timeout=SECONDS)
        client.stub("Predict")(request())
    given = [timeout for *_, timeout in client.servable.asked]
    assert given[0] is not None
    assert 0 < given[0] < SECONDS
    assert given[1] is None


def test_deadline_in_centuries_is_one_without_end() -> None:
    with serving() as client:
        client.stub("Predict")(request(), timeout=1e8)
    assert client.servable.asked[0][-1] is None


def fail() -> None:
    raise RuntimeError("secret of the server")


def out_of_memory() -> None:
    raise MemoryError


@pytest.mark.parametrize(
    ("behaviour", "code", "text"),
    [
        pytest.param(fail, Code.INTERNAL, "The server failed; its log says more.", id="bug"),
        pytest.param(
            out_of_memory,
            Code.RESOURCE_EXHAUSTED,
            "The server ran out of memory for this request.",
            id="memory",
        ),
    ],
)
def test_unforeseen_error_ends_one_request(
    behaviour: Callable[[], None],
    code: grpc.StatusCode,
    text: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with serving(behaviour) as client, caplog.at_level(logging.ERROR):
        for _ in range(5):
            with pytest.raises(grpc.RpcError) as error:
                client.stub("Predict")(request(), timeout=SECONDS)
            assert (error.value.code(), error.value.details()) == (code, text)
        client.servable.behaviour = lambda: None
        client.stub("Predict")(request(), timeout=SECONDS)
        assert client.counted() == {code.name: 5, "OK": 1}
        assert client.service.gate.running == 0
    assert "Traceback" in caplog.text


@pytest.mark.parametrize(
    ("service", "method"),
    [(service, method) for service, methods in messages.METHODS.items() for method in methods],
)
def test_bytes_that_are_no_message(service: str, method: str) -> None:
    with serving() as client:
        call = client.channel.unary_unary(f"/{service}/{method}")
        with pytest.raises(grpc.RpcError) as error:
            call(b"\x0a\xff", timeout=SECONDS)
    assert error.value.code() is Code.INVALID_ARGUMENT
    assert error.value.details().startswith("The request is not a tensorflow.serving.")


def test_unknown_model_is_counted_without_its_name() -> None:
    with serving() as client:
        for name in ("a", "b", ""):
            with pytest.raises(grpc.RpcError):
                client.stub("Predict")(request(name), timeout=SECONDS)
        with pytest.raises(grpc.RpcError):
            client.stub("Classify")(
                messages.ClassificationRequest(model_spec={"name": "detector"}), timeout=SECONDS
            )
        with pytest.raises(grpc.RpcError):
            client.stub("MultiInference")(messages.MultiInferenceRequest(), timeout=SECONDS)
        text = client.service.metrics.text()
    assert 'request_count{model_name="",status="NOT_FOUND"} 2' in text
    assert 'request_count{model_name="",status="INVALID_ARGUMENT"} 2' in text
    assert 'request_count{model_name="detector",status="INVALID_ARGUMENT"} 1' in text
    assert 'model_name="a"' not in text


def test_answers_are_timed_by_entry_point() -> None:
    with serving() as client:
        client.stub("Predict")(request(), timeout=SECONDS)
        text = client.service.metrics.text()
    labels = 'model_name="detector",API="Predict"'
    assert f':request_latency_count{{{labels},entrypoint="GRPC"}} 1' in text
    assert f':runtime_latency_count{{{labels},runtime="TF2"}} 1' in text
    assert ':rhymes:serving:served_version{model_name="detector"} 7' in text


def test_waiting_request_whose_deadline_passes_never_runs() -> None:
    block = Blocker()
    with serving(block, workers=1) as client:
        first = client.stub("Predict").future(request(), timeout=SECONDS)
        assert block.entered.acquire(timeout=SECONDS)
        with pytest.raises(grpc.RpcError) as late:
            client.stub("Predict")(request(), timeout=0.2)
        assert late.value.code() is Code.DEADLINE_EXCEEDED
        block.opened.set()
        first.result(timeout=SECONDS)
        client.stub("Predict")(request(), timeout=SECONDS)
    assert len(client.servable.asked) == 2


def test_waiting_request_that_is_cancelled_never_runs() -> None:
    block = Blocker()
    with serving(block, workers=1) as client:
        first = client.stub("Predict").future(request(), timeout=SECONDS)
        assert block.entered.acquire(timeout=SECONDS)
        second = client.stub("Predict").future(request(), timeout=SECONDS)
        wait_until(lambda: client.service.gate.waiting == 1)
        assert second.cancel()
        # The server learns of it by a message that overtakes nothing of this one.
        client.stub("GetModelStatus", messages.MODEL_SERVICE)(
            messages.GetModelStatusRequest(model_spec={"name": "detector"}), timeout=SECONDS
        )
        block.opened.set()
        first.result(timeout=SECONDS)
        wait_until(lambda: client.counted().get("CANCELLED") == 1)
    assert len(client.servable.asked) == 1


def test_more_clients_than_may_run_all_get_their_answers() -> None:
    with serving(lambda: threading.Event().wait(0.01) and None, workers=2) as client:
        futures = [client.stub("Predict").future(request(), timeout=SECONDS) for _ in range(64)]
        assert all(future.result(timeout=SECONDS).outputs for future in futures)
        assert client.counted() == {"OK": 64}


def test_configuration_is_handed_on() -> None:
    reload = messages.ReloadConfigRequest()
    reload.config.model_config_list.config.add(name="other", base_path="/x")
    with serving() as client:
        response = client.stub("HandleReloadConfigRequest", messages.MODEL_SERVICE)(
            reload, timeout=SECONDS
        )
        assert response.HasField("status")
        assert (response.status.error_code, response.status.error_message) == (0, "")
        with pytest.raises(grpc.RpcError) as error:
            client.stub("HandleReloadConfigRequest", messages.MODEL_SERVICE)(
                messages.ReloadConfigRequest(), timeout=SECONDS
            )
    assert [config.model_config_list.config[0].name for config in client.reloaded] == ["other"]
    assert error.value.code() is Code.INVALID_ARGUMENT
    assert error.value.details() == (
        "ServerModelConfig type not supported by HandleReloadConfigRequest. "
        "Only ModelConfigList is currently supported"
    )


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(int(SECONDS / 0.01)):
        if true():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not come to pass")
