"""Metrics in Prometheus' text format, under TensorFlow Serving's names.

Written here rather than taken from prometheus_client: that ends every counter's name in `_total`
and adds `_created` series, so that a dashboard made for TensorFlow Serving would find nothing.
Names and buckets are those of tensorflow_serving/util/prometheus_exporter.cc and
servables/tensorflow/util.cc.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

_PREFIX = ":tensorflow:serving:"
_OURS = ":rhymes:serving:"

LATENCY_BUCKETS = tuple(10 * 1.8**k for k in range(33))
"""Upper limits in microseconds, up to about 25 minutes."""

Labels = tuple[str, ...]


@dataclass
class _Buckets:
    counts: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BUCKETS) + 1))
    total: float = 0.0


class Counter:
    """A number that grows, for each combination of label values."""

    def __init__(self, name: str, labels: Sequence[str]) -> None:
        self._name, self._labels = name, labels
        self._values: dict[Labels, int] = {}
        self._lock = threading.Lock()

    def add(self, *values: str) -> None:
        """Count one more."""
        with self._lock:
            self._values[values] = self._values.get(values, 0) + 1

    def lines(self) -> list[str]:
        """Write it in Prometheus' text format."""
        with self._lock:
            values = sorted(self._values.items())
        return _series(self._name, "counter", self._labels, values)


class Histogram:
    """How long something took, for each combination of label values."""

    def __init__(self, name: str, labels: Sequence[str]) -> None:
        self._name, self._labels = name, labels
        self._values: dict[Labels, _Buckets] = {}
        self._lock = threading.Lock()

    def observe(self, seconds: float, *values: str) -> None:
        """Count one more that took so long."""
        micros = seconds * 1e6
        # A bucket's limit is the first value that is not in it any more (sampler.cc).
        index = bisect.bisect_right(LATENCY_BUCKETS, micros)
        with self._lock:
            buckets = self._values.setdefault(values, _Buckets())
            buckets.counts[index] += 1
            buckets.total += micros

    def lines(self) -> list[str]:
        """Write it in Prometheus' text format: buckets count all that are smaller."""
        with self._lock:
            snapshot = [(k, list(v.counts), v.total) for k, v in sorted(self._values.items())]
        written = [f"# TYPE {self._name} histogram"] if snapshot else []
        limits = [f"{limit:.6g}" for limit in LATENCY_BUCKETS] + ["+Inf"]
        for values, counts, total in snapshot:
            labels = _labels(self._labels, values)
            below = 0
            for limit, count in zip(limits, counts, strict=True):
                below += count
                written.append(f'{self._name}_bucket{{{labels},le="{limit}"}} {below}')
            written.append(f"{self._name}_sum{{{labels}}} {total:.6g}")
            written.append(f"{self._name}_count{{{labels}}} {below}")
        return written


class Metrics:
    """All that the server counts.

    Attributes:
        requests: Of model and status, by the status code's name.
        latency: Of model, API ("Predict") and entry point ("GRPC", "REST"); what succeeded.
        runtime: Of model, API and runtime: inside the model alone.
        warmup: Of a version's folder and status.
    """

    def __init__(self) -> None:
        self.requests = Counter(f"{_PREFIX}request_count", ("model_name", "status"))
        self.latency = Histogram(f"{_PREFIX}request_latency", ("model_name", "API", "entrypoint"))
        self.runtime = Histogram(f"{_PREFIX}runtime_latency", ("model_name", "API", "runtime"))
        self.warmup = Histogram(f"{_PREFIX}model_warmup_latency", ("model_path", "status"))
        self._gauges: list[tuple[str, Sequence[str], Callable[[], Mapping[Labels, int]]]] = []

    def gauge(
        self, name: str, labels: Sequence[str], read: Callable[[], Mapping[Labels, int]]
    ) -> None:
        """Add a number of ours that is asked for whenever the metrics are."""
        self._gauges.append((f"{_OURS}{name}", labels, read))

    def text(self) -> str:
        """Write everything in Prometheus' text format."""
        lines: list[str] = []
        for metric in (self.requests, self.latency, self.runtime, self.warmup):
            lines += metric.lines()
        for name, labels, read in self._gauges:
            lines += _series(name, "gauge", labels, sorted(read().items()))
        return "\n".join(lines) + "\n"


def _series(
    name: str, kind: str, labels: Sequence[str], values: Sequence[tuple[Labels, int]]
) -> list[str]:
    if not values:
        return []
    return [
        f"# TYPE {name} {kind}",
        *(f"{name}{{{_labels(labels, each)}}} {value}" for each, value in values),
    ]


def _labels(names: Sequence[str], values: Labels) -> str:
    return ",".join(f'{name}="{_escape(value)}"' for name, value in zip(names, values, strict=True))


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
