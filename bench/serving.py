"""What the wire costs: `python -m bench serving`.

An untrained RetinaNet of 256 px and an image of 640 x 480 pixels in 120 kB of JPEG. The server is
a process of its own on this machine; the same model is called in this process. They take turns, so
that noise meets both alike, and never work at the same time.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx

from bench.requests import make_photo, make_request, open_predict
from bench.server_process import MODEL, ServerProcess, running_server
from bench.workspace import ROOT
from rhymes.client.client import DetectorClient
from rhymes.common.params import load_section
from rhymes.detector.experiment import build_experiment, build_network, network_to_inference
from rhymes.detector.exported import ExportedDetector
from rhymes.detector.exporting import export_saved_model
from rhymes.detector.settings import DataFacts, TrainParams
from rhymes.wire.codec import tensor_to_array

OVERHEAD_GOAL, THROUGHPUT_GOAL, FIRST_GOAL = 2.0, 0.9, 1.5  # ms, ratio, ratio
_CALLS = 200
_CLIENTS, _ROUNDS, _SECONDS = 8, 5, 4.0
_STARTS, _LATER = 3, 20
_TIMEOUT = 60.0  # seconds


def main() -> None:
    """Print one line each."""
    with tempfile.TemporaryDirectory() as name:
        base, log = Path(name) / "models", Path(name) / "server.log"
        export_untrained(base / "1")
        image = make_photo(640, 480, 120_000)
        detector = ExportedDetector(base / "1")
        with running_server(base, log) as server:
            measure_overhead(server, detector, image)
            measure_throughput(server, detector, image)
        measure_first_request(base, log, image)


def export_untrained(folder: Path) -> None:
    """Export a RetinaNet of 256 px as it is before training: it takes as long as a trained one."""
    own = load_section("train", TrainParams, ROOT / "params.yaml")
    params = dataclasses.replace(own, image_size=256)
    names = [f"class {number}" for number in range(1, 11)]
    facts = DataFacts(names, 10, 10, 20, 20, masks=False)
    experiment = build_experiment(params, "retinanet", facts)
    inference = network_to_inference(experiment, build_network(experiment))
    classes = [{"id": i, "name": each} for i, each in enumerate(names, start=1)]
    folder.mkdir(parents=True)
    export_saved_model(inference, {"classes": classes}, folder)


class WireCaller:
    """Predict over gRPC, from encoded image to arrays, without a client's checks."""

    def __init__(self, server: ServerProcess, image: bytes) -> None:
        self._channel = grpc.insecure_channel(server.address)
        grpc.channel_ready_future(self._channel).result(_TIMEOUT)
        self._predict = open_predict(self._channel)
        self._image = image

    def __call__(self) -> dict[str, Any]:
        """Call once."""
        response = self._predict(make_request([self._image], MODEL), timeout=_TIMEOUT)
        return {name: tensor_to_array(tensor) for name, tensor in response.outputs.items()}

    def close(self) -> None:
        """End the connection."""
        self._channel.close()


def measure_overhead(server: ServerProcess, detector: ExportedDetector, image: bytes) -> None:
    """Compare calls over gRPC, by the client, and over REST with calls in process."""
    wire = WireCaller(server, image)
    url = f"http://{server.rest_address}/v1/models/{MODEL}:predict"
    with DetectorClient(server.address, model=MODEL) as client, httpx.Client() as rest:

        def post() -> None:
            # The body is made each time, as the requests over gRPC are.
            encoded = base64.b64encode(image).decode()
            body = json.dumps({"inputs": [{"b64": encoded}]})
            rest.post(url, content=body, timeout=_TIMEOUT).raise_for_status().json()

        inside, called, detected, posted = _take_turns(
            [lambda: detector.call([image]), wire, lambda: client.detect(image), post]
        )
    wire.close()
    print(
        f"serving: {called:.1f} ms over gRPC, {inside:.1f} ms in process, p50 of {_CALLS} calls -> "
        f"{called - inside:.1f} ms more (goal <= {OVERHEAD_GOAL:g} ms)"
    )
    print(
        f"serving: {detected:.1f} ms by DetectorClient (which decodes the image to check it), "
        f"{posted:.1f} ms over REST with base64, p50"
    )


def _take_turns(calls: Sequence[Callable[[], object]]) -> list[float]:
    """Milliseconds of each call, the median."""
    taken: list[list[float]] = [[] for _ in calls]
    for number in range(_CALLS + _CALLS // 10):
        for call, times in zip(calls, taken, strict=True):
            start = time.perf_counter()
            call()
            if number >= _CALLS // 10:
                times.append((time.perf_counter() - start) * 1000)
    return [statistics.median(times) for times in taken]


def measure_throughput(server: ServerProcess, detector: ExportedDetector, image: bytes) -> None:
    """Compare clients at once with threads that call the model in process."""
    wires = [WireCaller(server, image) for _ in range(_CLIENTS)]
    clients = [DetectorClient(server.address, model=MODEL) for _ in range(_CLIENTS)]
    sides: list[list[Callable[[], object]]] = [
        [lambda: detector.call([image])] * _CLIENTS,
        list(wires),
        [lambda client=client: client.detect(image) for client in clients],  # type: ignore[misc]
    ]
    rates: list[list[float]] = [[] for _ in sides]
    for _ in range(_ROUNDS):
        for side, measured in zip(sides, rates, strict=True):
            measured.append(_calls_to_rate(side))
    inside, wire, client_rate = (statistics.median(measured) for measured in rates)
    ratio = statistics.median(rates[1][i] / rates[0][i] for i in range(_ROUNDS))
    print(
        f"serving: {wire:.1f} images/s by {_CLIENTS} clients at once over gRPC, {inside:.1f} by "
        f"{_CLIENTS} threads in process -> {ratio:.2f}x (goal >= {THROUGHPUT_GOAL:g}x); "
        f"{client_rate:.1f} by {_CLIENTS} DetectorClients"
    )
    for each in wires:
        each.close()
    for client in clients:
        client.close()


def _calls_to_rate(calls: Sequence[Callable[[], object]]) -> float:
    """Calls a second, each in a thread of its own, again and again."""
    end = time.perf_counter() + _SECONDS

    def repeat(call: Callable[[], object]) -> tuple[int, float]:
        count = 0
        while (now := time.perf_counter()) < end:
            call()
            count += 1
        return count, now

    start = time.perf_counter()
    with ThreadPoolExecutor(len(calls)) as pool:
        results = list(pool.map(repeat, calls))
    return sum(count for count, _ in results) / (max(now for _, now in results) - start)


def measure_first_request(base: Path, log: Path, image: bytes) -> None:
    """Compare the first request after a start with those behind it."""
    ratios, firsts = [], []
    for _ in range(_STARTS):
        with running_server(base, log) as server:
            wire = WireCaller(server, image)
            times = []
            for _ in range(1 + _LATER):
                start = time.perf_counter()
                wire()
                times.append((time.perf_counter() - start) * 1000)
            wire.close()
        firsts.append(times[0])
        ratios.append(times[0] / statistics.median(times[1:]))
    print(
        f"serving: {statistics.median(firsts):.1f} ms for the first request after a start, "
        f"{statistics.median(ratios):.2f}x of the later ones, median of {_STARTS} starts "
        f"(goal <= {FIRST_GOAL:g}x)"
    )
