"""SIGTERM while requests are under way: what was accepted is answered, then the server is gone."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import grpc

from bench.requests import make_request, open_predict
from bench.server_process import MODEL, ServerProcess

_TIMEOUT = 120.0  # seconds a call
_LOAD = 1.0  # seconds before the signal
_LONG = 0.3  # seconds that a call takes at least, so that many are under way
_ON_ITS_WAY = 0.1  # seconds that a request may need to get from a busy client to the server
# CANCELLED is what gRPC says to a call that came in when the server had just stopped taking any.
TURNED_AWAY = ("UNAVAILABLE", "CANCELLED")


class _Call(NamedTuple):
    start: float
    end: float
    code: grpc.StatusCode


class Ending(NamedTuple):
    """What came of the calls, and of the server.

    Attributes:
        under_way: calls that were sent before the signal and answered after it.
        accepted: outcomes of all calls that were sent before the signal, by code.
        late: outcomes of the last call of each client, which came too late, by code.
        exit_status: the server's.
        seconds: from the signal to the server's end.
    """

    under_way: int
    accepted: Counter[str]
    late: Counter[str]
    exit_status: int
    seconds: float

    def problems(self) -> list[str]:
        """What did not go as it should have."""
        found = []
        if not self.under_way:
            found.append("no call was under way when SIGTERM came, so nothing was shown")
        if set(self.accepted) - {"OK"}:
            found.append(f"calls that were accepted before SIGTERM ended with {self.accepted}")
        if set(self.late) - {"OK", *TURNED_AWAY}:
            found.append(f"calls after SIGTERM ended with {self.late}; expected UNAVAILABLE")
        if self.exit_status:
            found.append(f"the server exited with {self.exit_status} after SIGTERM; expected 0")
        return found


def end_in_the_middle(server: ServerProcess, images: Sequence[bytes], clients: int) -> Ending:
    """Let clients call without a pause, send SIGTERM after a second, wait for the end of all.

    Args:
        server: running; it will be gone.
        images: to look at, as often as makes a long call.
        clients: how many at once.
    """
    request = _make_long_request(server.address, images)
    calls: list[_Call] = []
    threads = [
        threading.Thread(target=_call_until_refused, args=(server.address, request, calls))
        for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    time.sleep(_LOAD)
    signalled = time.monotonic()
    server.terminate()
    status = server.wait()
    ended = time.monotonic()
    for thread in threads:
        thread.join(2 * _TIMEOUT)
    accepted = [call for call in calls if call.start < signalled - _ON_ITS_WAY]
    return Ending(
        under_way=sum(1 for call in accepted if call.end > signalled),
        accepted=Counter(call.code.name for call in accepted),
        late=Counter(call.code.name for call in calls if call not in accepted),
        exit_status=status,
        seconds=ended - signalled,
    )


def _make_long_request(address: str, images: Sequence[bytes]) -> Any:
    """A batch of the images, repeated until it takes its time."""
    request = make_request(list(images), MODEL)
    with grpc.insecure_channel(address) as channel:
        start = time.monotonic()
        open_predict(channel)(request, timeout=_TIMEOUT)
        repeats = math.ceil(_LONG / (time.monotonic() - start))
    return make_request(list(images) * repeats, MODEL)


def _call_until_refused(address: str, request: Any, calls: list[_Call]) -> None:
    with grpc.insecure_channel(address) as channel:
        predict = open_predict(channel)
        code = grpc.StatusCode.OK
        while code == grpc.StatusCode.OK:
            start = time.monotonic()
            try:
                predict(request, timeout=_TIMEOUT)
            except grpc.RpcError as error:
                code = error.code()
            calls.append(_Call(start, time.monotonic(), code))
