from __future__ import annotations

import threading

import pytest

from rhymes.serving.models.polling import Poller
from tests.support.version_folders import TIMEOUT


def test_it_goes_on_after_an_error_until_it_is_stopped() -> None:
    calls: list[int] = []
    enough = threading.Event()

    def poll() -> None:
        calls.append(1)
        if len(calls) == 3:
            enough.set()
        raise OSError

    poller = Poller(poll, 0.001, lambda: True)
    poller.ensure_running()
    poller.ensure_running()
    assert enough.wait(TIMEOUT)
    poller.stop(TIMEOUT)
    ended = len(calls)
    poller.ensure_running()
    assert len(calls) == ended


def test_without_an_interval_it_ends_when_it_is_done_and_can_begin_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rhymes.serving.models.polling._ONCE_SECONDS", 0.001)
    calls: list[int] = []
    poller = Poller(lambda: calls.append(1), 0, lambda: len(calls) % 3 == 0)
    for expected in (3, 6):
        poller.ensure_running()
        assert poller._thread is not None
        poller._thread.join(TIMEOUT)
        assert len(calls) == expected


def test_it_never_polls_where_it_is_told_so() -> None:
    poller = Poller(lambda: pytest.fail("polled"), None, lambda: False)
    poller.ensure_running()
    poller.stop(TIMEOUT)
