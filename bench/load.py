"""Clients at once that send good and broken requests, and a tally of what came of them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
import numpy as np

from bench.requests import Broken, open_predict
from bench.server_process import MODEL
from rhymes.client.client import DetectorClient
from rhymes.detections.detections import Detections

_TIMEOUT = 60.0  # seconds a call
_EVERY = 10  # one request in so many is broken
_SHOWN = 5


@dataclass
class LoadCounts:
    """What came of the requests.

    Attributes:
        good: answered with the right detections.
        failed: what was wrong with the others that should have been.
        refused: broken requests that got their own error, by what is wrong with them.
        wrong: what those got that did not.
        versions: good answers by version.
    """

    good: int = 0
    failed: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    versions: Counter[int] = field(default_factory=Counter)

    @property
    def requests(self) -> int:
        """All of them."""
        return self.good + len(self.failed) + self.refused.total() + len(self.wrong)

    def problems(self) -> list[str]:
        """The first few things that were wrong."""
        return [*self.failed[:_SHOWN], *self.wrong[:_SHOWN]]


class Load:
    """Clients that go on until they are stopped.

    Args:
        address: the server's.
        clients: how many at once, each with a connection of its own.
        expected: encoded image -> what is in it.
        broken: requests to be refused; every tenth request is one of them, in turn.
        pause: seconds that a client waits between two requests.
    """

    def __init__(
        self,
        address: str,
        clients: int,
        expected: Mapping[bytes, Detections],
        broken: Sequence[Broken],
        pause: float = 0.0,
    ) -> None:
        self.tally = LoadCounts()
        self._address = address
        self._clients = clients
        self._expected = list(expected.items())
        self._broken = broken
        self._pause = pause
        self._number = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send requests as long as the block runs."""
        threads = [threading.Thread(target=self._client) for _ in range(self._clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(2 * _TIMEOUT)

    def wait_for(self, requests: int, timeout: float) -> None:
        """Wait until so many requests are answered.

        Raises:
            TimeoutError: they are not, in time.
        """
        deadline = time.monotonic() + timeout
        while self.tally.requests < requests:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.tally.requests} of {requests} requests in {timeout:g} s")
            time.sleep(0.05)

    def _client(self) -> None:
        # One attempt: a request that fails and is repeated has failed.
        with (
            DetectorClient(self._address, model=MODEL, attempts=1, timeout=_TIMEOUT) as client,
            grpc.insecure_channel(self._address) as channel,
        ):
            predict = open_predict(channel)
            while not self._stop.is_set():
                with self._lock:
                    number, self._number = self._number, self._number + 1
                if number % _EVERY == _EVERY - 1:
                    self._send_broken(predict, self._broken[number // _EVERY % len(self._broken)])
                else:
                    self._send_good(client, *self._expected[number % len(self._expected)])
                self._stop.wait(self._pause)

    def _send_good(self, client: DetectorClient, image: bytes, expected: Detections) -> None:
        try:
            answer = client.answer(image)
        except Exception as error:  # whatever it is, this request should not have failed
            problem = f"{type(error).__name__}: {error}"
        else:
            problem = difference(answer.detections, expected)
        with self._lock:
            if problem:
                self.tally.failed.append(problem)
            else:
                self.tally.good += 1
                self.tally.versions[answer.version] += 1

    def _send_broken(self, predict: grpc.UnaryUnaryMultiCallable, broken: Broken) -> None:
        try:
            predict(broken.request, timeout=_TIMEOUT)
            problem = "answered as if it were a good one"
        except grpc.RpcError as error:
            problem = broken.explain(error.code(), error.details())
        with self._lock:
            if problem:
                self.tally.wrong.append(f"{broken.name}: {problem}")
            else:
                self.tally.refused[broken.name] += 1


def difference(found: Detections, expected: Detections) -> str:
    """Say what is wrong with an answer; nothing where it is right."""
    if found.class_ids.tolist() != expected.class_ids.tolist():
        return f"classes {found.class_ids.tolist()}, expected {expected.class_ids.tolist()}"
    if not np.allclose(found.boxes, expected.boxes, atol=0.1):
        return f"boxes {found.boxes.tolist()}, expected {expected.boxes.tolist()}"
    if not np.allclose(found.scores, expected.scores, atol=1e-3):
        return f"scores {found.scores.tolist()}, expected {expected.scores.tolist()}"
    return ""
