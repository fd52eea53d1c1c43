"""A client of a server that answers what a test tells it to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rhymes.client import connection
from rhymes.client.client import DetectorClient
from tests.support.canned_server import CannedServer, running


@pytest.fixture
def server() -> Iterator[CannedServer]:
    with running(CannedServer()) as canned:
        yield canned


@pytest.fixture
def client(server: CannedServer) -> Iterator[DetectorClient]:
    with DetectorClient(server.address, timeout=10) as made:
        yield made


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat at once what is repeated."""
    monkeypatch.setattr(connection, "_PAUSE", 0.04)
