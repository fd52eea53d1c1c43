from __future__ import annotations

import os
import signal
import threading

import pytest

from rhymes.predictions.interrupts import undisturbed


def test_signal_waits_and_is_told() -> None:
    with undisturbed() as came:
        assert not came
        os.kill(os.getpid(), signal.SIGINT)
        assert came == [signal.SIGINT]
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_handlers_of_others_are_left_alone() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    try:
        with undisturbed() as came:
            os.kill(os.getpid(), signal.SIGTERM)
        assert (seen, came) == ([signal.SIGTERM], [])
    finally:
        signal.signal(signal.SIGTERM, before)


def test_error_in_the_block_gives_the_handler_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), undisturbed():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_do_not_touch_signals() -> None:
    failures: list[BaseException] = []

    def enter() -> None:
        try:
            with undisturbed():
                pass
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join(10)
    assert not failures
