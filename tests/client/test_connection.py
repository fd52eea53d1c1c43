"""Repeats, deadlines, limits, encryption: what happens to calls on their way."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from rhymes.client.client import DetectorClient, Tls
from rhymes.client.connection import check_address
from rhymes.client.errors import (
    DeadlineExceeded,
    MessageTooLarge,
    RequestRefused,
    ServerBusy,
    ServerUnreachable,
)
from rhymes.common.errors import InputError
from tests.support.canned_server import (
    IMAGE,
    MASKS,
    CannedServer,
    abort,
    make_outputs,
    running,
)
from tests.support.certificates import save_certificates

UNAVAILABLE, NOT_FOUND = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND
INVALID, EXHAUSTED = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED
LATEST = "Servable not found for request: Latest(detector)"
QUEUE = "Run() timeout exceeded while waiting in batching queue"


pytestmark = pytest.mark.usefixtures("short_pauses")


@pytest.mark.parametrize(
    "error",
    [
        pytest.param((UNAVAILABLE, "Socket closed"), id="connection"),
        pytest.param((UNAVAILABLE, "The batch scheduling queue to which ... is full"), id="queue"),
        pytest.param((EXHAUSTED, QUEUE), id="timed out in the queue"),
        pytest.param((EXHAUSTED, "Concurrent RPC limit exceeded!"), id="too many calls"),
        pytest.param((grpc.StatusCode.CANCELLED, "RPC cancelled"), id="server stops"),
        pytest.param((NOT_FOUND, LATEST), id="version just replaced"),
    ],
)
def test_repeated_where_it_is_safe(
    error: Any, server: CannedServer, client: DetectorClient
) -> None:
    server.once = [abort(*error)] * 2
    assert len(client.detect(IMAGE)) == 2
    assert len(server.asked_for("Predict")) == 3


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        pytest.param((INVALID, "Unknown format"), RequestRefused, "Unknown format", id="refused"),
        pytest.param((grpc.StatusCode.INTERNAL, "failed"), RequestRefused, "failed", id="internal"),
        pytest.param((NOT_FOUND, "no file"), RequestRefused, "no file", id="op finds no file"),
        pytest.param((grpc.StatusCode.UNKNOWN, "?"), RequestRefused, "UNKNOWN", id="unknown"),
        pytest.param(
            (EXHAUSTED, "OOM when allocating tensor"), RequestRefused, "smaller images", id="OOM"
        ),
        pytest.param(
            (EXHAUSTED, "SERVER: Received message larger than max (9 vs. 4)"), MessageTooLarge,
            "server takes no request of this size", id="server's limit",
        ),
        pytest.param(
            (grpc.StatusCode.DEADLINE_EXCEEDED, "op timed out"), DeadlineExceeded, "timeout=",
            id="deadline",
        ),
        pytest.param(
            (grpc.StatusCode.UNIMPLEMENTED, "status: 404"), ServerUnreachable, "8500", id="REST"
        ),
    ],
)  # fmt: skip
def test_not_repeated_where_it_would_not_help(
    error: Any, kind: Any, message: str, server: CannedServer, client: DetectorClient
) -> None:
    server.always = abort(*error)
    with pytest.raises(kind, match=message) as raised:
        client.detect(IMAGE)
    assert len(server.asked_for("Predict")) == 1
    assert raised.value.code == error[0]
    assert error[1] in raised.value.details


def test_repeats_end(server: CannedServer) -> None:
    server.always = abort(EXHAUSTED, QUEUE)
    with (
        DetectorClient(server.address, attempts=2) as client,
        pytest.raises(ServerBusy, match="send fewer at the same time"),
    ):
        client.detect(IMAGE)
    assert len(server.asked_for("Predict")) == 2


def test_repeats_end_before_the_deadline(server: CannedServer) -> None:
    server.always = abort(UNAVAILABLE, "Socket closed")
    start = time.monotonic()
    with (
        DetectorClient(server.address, attempts=1000, timeout=0.5) as client,
        pytest.raises(ServerUnreachable),
    ):
        client.detect(IMAGE)
    assert time.monotonic() - start < 3
    assert 2 <= len(server.asked_for("Predict")) < 20


def test_closed_ports_say_how_to_start_a_server() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{reserved.getsockname()[1]}"
        with (
            DetectorClient(address, timeout=10) as client,
            pytest.raises(ServerUnreachable, match=f"no server answers at {address}.*make serve"),
        ):
            client.detect(IMAGE)


def test_servers_that_start_meanwhile_are_found() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{reserved.getsockname()[1]}"
    canned = CannedServer()

    def start_late() -> None:
        time.sleep(0.3)
        with running(canned, address=address):
            done.wait(30)

    done = threading.Event()
    late = threading.Thread(target=start_late)
    late.start()
    try:
        with DetectorClient(address, attempts=20, timeout=20) as client:
            assert len(client.detect(IMAGE)) == 2
    finally:
        done.set()
        late.join(30)


def test_hanging_servers_meet_the_deadline(server: CannedServer) -> None:
    free = threading.Event()
    server.always = lambda request, context: free.wait(20) and server.respond(make_outputs())
    with DetectorClient(server.address, timeout=0.5) as client:
        start = time.monotonic()
        with pytest.raises(DeadlineExceeded, match=r"within 0.5 s.*timeout=") as error:
            client.detect(IMAGE)
        assert time.monotonic() - start < 5
        assert "Nothing has answered" not in str(error.value)
    free.set()
    assert len(server.asked_for("Predict")) == 1


def test_ports_that_say_nothing_are_told_from_slow_servers() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with (
            DetectorClient(f"127.0.0.1:{mute.getsockname()[1]}", timeout=0.5) as client,
            pytest.raises(DeadlineExceeded, match="Nothing has answered there yet"),
        ):
            client.detect(IMAGE)


def test_answers_above_grpc_s_own_limit_arrive(
    server: CannedServer, client: DetectorClient
) -> None:
    outputs = make_outputs() | {MASKS: np.ones((1, 4, 560, 560), np.float32)}
    assert outputs[MASKS].nbytes > 5_000_000
    server.always = lambda request, context: server.respond(outputs)
    found = client.detect(IMAGE)
    assert found.masks is not None
    assert found.masks[0].area == 400


def test_the_client_s_own_limits_say_what_to_do(server: CannedServer) -> None:
    outputs = make_outputs() | {MASKS: np.ones((1, 4, 100, 100), np.float32)}
    server.always = lambda request, context: server.respond(outputs)
    with DetectorClient(server.address, max_message_bytes=100_000) as client:
        with pytest.raises(MessageTooLarge, match=r"answer is too large.*masks=False"):
            client.detect(IMAGE)
        with pytest.raises(MessageTooLarge, match=r"request is too large.*max_message_bytes="):
            client.detect(IMAGE + bytes(200_000))


@pytest.mark.parametrize(
    "address",
    ["localhost", "http://localhost:8500", "localhost:http", "localhost:0", "localhost:8500/v1", "",
     "localhost:99999"],
)  # fmt: skip
def test_addresses_that_grpc_would_misread(address: str) -> None:
    with pytest.raises(InputError, match="expected host:port"):
        check_address(address)


@pytest.mark.parametrize("address", ["localhost:8500", "10.0.0.1:1", "[::1]:8500", "unix:/a/b"])
def test_addresses_that_are_right(address: str) -> None:
    check_address(address)


def test_proxies_are_not_asked_for_this_machine(
    server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    with DetectorClient(server.address) as client:
        assert len(client.detect(IMAGE)) == 2


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a root, and a key and certificate from it for `detector.test` and for a client."""
    folder = tmp_path_factory.mktemp("certificates")
    save_certificates(folder, "detector.test", "client")
    return folder


@pytest.fixture(scope="module")
def secure_address(certificates: Path) -> Iterator[str]:
    """A server that has TLS and asks for the client's certificate."""
    own = [(certificates / f"detector.test.{kind}").read_bytes() for kind in ("key", "crt")]
    credentials = grpc.ssl_server_credentials(
        [(own[0], own[1])], (certificates / "root.crt").read_bytes(), require_client_auth=True
    )
    with running(CannedServer(), credentials=credentials) as canned:
        yield canned.address


def test_both_ends_prove_who_they_are(secure_address: str, certificates: Path) -> None:
    tls = Tls(
        root_ca=certificates / "root.crt",
        client_key=certificates / "client.key",
        client_certificate=certificates / "client.crt",
        server_name="detector.test",
    )
    with DetectorClient(secure_address, tls=tls) as client:
        assert len(client.detect(IMAGE)) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(None, id="no TLS"),
        pytest.param({"root_ca": None}, id="unknown root"),
        pytest.param({"server_name": None}, id="another host"),
        pytest.param({"client_key": None, "client_certificate": None}, id="no certificate"),
    ],
)
def test_connections_that_are_not_secure(
    wrong: dict[str, Any] | None, secure_address: str, certificates: Path
) -> None:
    files = {
        "root_ca": certificates / "root.crt",
        "client_key": certificates / "client.key",
        "client_certificate": certificates / "client.crt",
        "server_name": "detector.test",
    }
    tls = None if wrong is None else Tls(**(files | wrong))
    with (
        DetectorClient(secure_address, tls=tls, attempts=1, timeout=5) as client,
        pytest.raises(ServerUnreachable) as error,
    ):
        client.detect(IMAGE)
    if wrong and "client_key" not in wrong:
        assert "no secure connection" in str(error.value)


@pytest.mark.parametrize(
    ("tls", "reason"),
    [
        pytest.param(Tls(root_ca=Path("none.crt")), "none.crt: cannot be read", id="no file"),
        pytest.param(Tls(root_ca=Path(__file__)), "not a PEM file", id="no PEM"),
        pytest.param(Tls(client_key=Path(__file__)), "go together", id="key alone"),
    ],
)
def test_files_of_tls_that_are_none(tls: Tls, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        DetectorClient(tls=tls)
