"""What the page asks of the server, and what it does not ask again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from app import backend
from app.checked_image import CheckedImage, bytes_to_image
from rhymes.client.errors import ServerUnreachable, ServingError, VersionNotLoaded
from rhymes.common.addresses import server_address
from tests.support.canned_server import CannedServer, abort, running
from tests.support.fake_client import encode_image


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[CannedServer]:
    with running(CannedServer()) as canned:
        monkeypatch.setenv("SERVING_ADDRESS", canned.address)
        yield canned


def make_image(x: int = 10) -> CheckedImage:
    return bytes_to_image("a.jpg", encode_image((1, (x, 10, 20, 20))))


def test_the_same_image_is_asked_for_once(server: CannedServer) -> None:
    first = backend.detect(make_image(), 1)
    again = backend.detect(make_image(), 1)
    assert len(server.asked_for("Predict")) == 1
    assert first.detections.boxes.tolist() == again.detections.boxes.tolist()
    assert first.server_seconds == again.server_seconds == 0.25
    assert (first.version, first.identity) == (1, "one")


def test_another_image_or_version_is_asked_for(server: CannedServer) -> None:
    backend.detect(make_image(), 1)
    backend.detect(make_image(50), 1)
    server.version, server.identity = 2, "two"
    assert backend.detect(make_image(), 2).version == 2
    assert len(server.asked_for("Predict")) == 3


def test_a_name_is_not_part_of_an_image(server: CannedServer) -> None:
    image = make_image()
    backend.detect(image, 1)
    backend.detect(bytes_to_image("b.jpg", image.data), 1)
    assert len(server.asked_for("Predict")) == 1


def test_other_bytes_under_the_same_number_are_asked_again(server: CannedServer) -> None:
    backend.detect(make_image(), 1)
    server.identity = "replaced"
    assert backend.detect(make_image(50), 1).identity == "replaced", "this answer shows it"
    assert backend.detect(make_image(), 1).identity == "replaced"
    server.identity = "one"
    backend.detect(make_image(90), 1)
    assert backend.detect(make_image(), 1).identity == "one", "and back"


def test_a_server_that_tells_no_identity_is_fine(server: CannedServer) -> None:
    server.identity = server.server_seconds = None
    found = backend.detect(make_image(), 1)
    assert (found.identity, found.server_seconds) == (None, None)
    backend.detect(make_image(), 1)
    assert len(server.asked_for("Predict")) == 1


def test_an_error_is_not_kept(server: CannedServer) -> None:
    server.once = [abort(grpc.StatusCode.INTERNAL, "bad day")]
    with pytest.raises(ServingError, match="bad day"):
        backend.detect(make_image(), 1)
    assert len(backend.detect(make_image(), 1).detections) == 2


STATES: list[Any] = [
    pytest.param({1: (30, ""), 3: (30, ""), 2: (20, "")}, [3, 1], id="newest first"),
    pytest.param({7: (30, "")}, [7], id="one"),
]


@pytest.mark.parametrize(("statuses", "expected"), STATES)
def test_available_versions(
    server: CannedServer, statuses: dict[int, tuple[int, str]], expected: list[int]
) -> None:
    server.statuses = statuses
    assert backend.is_ready()
    assert backend.available_versions() == expected


def test_a_version_that_failed_is_told_with_its_error(server: CannedServer) -> None:
    server.statuses = {4: (50, "Data loss")}
    assert not backend.is_ready()
    with pytest.raises(VersionNotLoaded, match=r"version 4 is in state END \(Data loss\)"):
        backend.available_versions()


def test_a_server_comes_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(CannedServer()) as canned:
        monkeypatch.setenv("SERVING_ADDRESS", canned.address)
        assert backend.is_ready()
    assert not backend.is_ready()
    with pytest.raises(ServerUnreachable, match="make serve"):
        backend.detect(make_image(), 1)
    with running(CannedServer(), address=canned.address):
        deadline = time.monotonic() + 30
        while not backend.is_ready():  # gRPC waits a moment before it tries again
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert backend.detect(make_image(), 1).version == 1


@pytest.mark.parametrize(
    ("name", "read", "default"),
    [
        ("SERVING_ADDRESS", server_address, "localhost:8500"),
        ("SERVING_MODEL", backend.model_name, "detector"),
    ],
)
def test_the_environment_says_where(
    name: str, read: Any, default: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(name, raising=False)
    assert read() == default
    monkeypatch.setenv(name, "there")
    assert read() == "there"
