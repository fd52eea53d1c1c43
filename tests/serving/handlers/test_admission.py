from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from rhymes.serving.handlers.admission import Gate
from rhymes.wire.errors import WireError


def test_no_more_than_allowed_run_at_once() -> None:
    gate, most = Gate(3), 0
    lock = threading.Lock()

    def enter() -> None:
        nonlocal most
        with gate.entered():
            with lock:
                most = max(most, gate.running)
            threading.Event().wait(0.005)

    with ThreadPoolExecutor(16) as pool:
        for future in [pool.submit(enter) for _ in range(60)]:
            future.result(timeout=30)
    assert most == 3
    assert (gate.running, gate.waiting) == (0, 0)


@pytest.mark.parametrize("timeout", [0.02, 0.0, -5.0])
def test_who_waits_too_long_is_dropped(timeout: float) -> None:
    gate = Gate(1)
    with gate.entered(), pytest.raises(WireError) as late, gate.entered(timeout):
        raise AssertionError("two are inside")
    assert late.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert (gate.running, gate.waiting) == (0, 0)


def test_expired_deadline_does_not_run_although_there_is_a_place() -> None:
    gate = Gate(1)
    with pytest.raises(WireError) as late, gate.entered(-1.0):
        raise AssertionError("it ran")
    assert late.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    with gate.entered(5.0) as left:
        assert left is not None
        assert 0 < left <= 5


def test_cancelled_request_does_not_run() -> None:
    gate = Gate(1)
    with pytest.raises(WireError) as cancelled, gate.entered(None, lambda: False):
        raise AssertionError("it ran")
    assert cancelled.value.code is grpc.StatusCode.CANCELLED
    with gate.entered() as left:
        assert left is None


def test_place_is_free_after_an_error() -> None:
    gate = Gate(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), gate.entered(1.0):
            raise ZeroDivisionError
    assert gate.running == 0
