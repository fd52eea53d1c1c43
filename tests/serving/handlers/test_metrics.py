from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

from rhymes.serving.handlers.metrics import LATENCY_BUCKETS, Metrics

LINE = re.compile(r"(# TYPE [a-z:_]+ (counter|histogram|gauge)|[a-zA-Z:_]+\{.*\} [0-9.e+]+)")


def test_names_and_labels_are_those_of_tensorflow_serving() -> None:
    metrics = Metrics()
    metrics.requests.add("detector", "OK")
    metrics.requests.add("detector", "OK")
    metrics.requests.add("detector", "INVALID_ARGUMENT")
    metrics.latency.observe(0.000_02, "detector", "Predict", "GRPC")
    lines = metrics.text().splitlines()
    assert lines[:3] == [
        "# TYPE :tensorflow:serving:request_count counter",
        ':tensorflow:serving:request_count{model_name="detector",status="INVALID_ARGUMENT"} 1',
        ':tensorflow:serving:request_count{model_name="detector",status="OK"} 2',
    ]
    labels = 'model_name="detector",API="Predict",entrypoint="GRPC"'
    bucket = f":tensorflow:serving:request_latency_bucket{{{labels}"
    assert f'{bucket},le="10"}} 0' in lines
    assert f'{bucket},le="18"}} 0' in lines
    assert f'{bucket},le="32.4"}} 1' in lines
    assert f'{bucket},le="1.04976e+06"}} 1' not in lines, "limits are 10 * 1.8^k"
    assert f'{bucket},le="+Inf"}} 1' in lines
    assert f":tensorflow:serving:request_latency_sum{{{labels}}} 20" in lines
    assert f":tensorflow:serving:request_latency_count{{{labels}}} 1" in lines
    assert sum(line.startswith(bucket) for line in lines) == 34
    assert all(LINE.fullmatch(line) for line in lines)


def test_buckets_reach_from_microseconds_to_minutes() -> None:
    metrics = Metrics()
    for seconds in (0, 1, 10_000):
        metrics.runtime.observe(seconds, "m", "Predict", "TF2")
    counts = re.findall(r'runtime_latency_bucket\{.*le="(.*)"\} (\d+)', metrics.text())
    assert counts[0] == ("10", "1")
    assert counts[-2:] == [(f"{LATENCY_BUCKETS[-1]:.6g}", "2"), ("+Inf", "3")]


def test_label_values_are_escaped() -> None:
    metrics = Metrics()
    metrics.requests.add('a"b\\c\nd', "OK")
    assert 'model_name="a\\"b\\\\c\\nd"' in metrics.text()


def test_gauges_are_asked_when_the_metrics_are() -> None:
    metrics = Metrics()
    values = {("detector",): 3}
    metrics.gauge("served_version", ("model_name",), lambda: values)
    metrics.gauge("nothing", (), dict)
    assert ':rhymes:serving:served_version{model_name="detector"} 3' in metrics.text()
    values[("detector",)] = 4
    text = metrics.text()
    assert ':rhymes:serving:served_version{model_name="detector"} 4' in text
    assert "nothing" not in text


def test_no_count_is_lost_between_threads() -> None:
    metrics = Metrics()

    def count() -> None:
        for _ in range(500):
            metrics.requests.add("m", "OK")
            metrics.latency.observe(1.0, "m", "Predict", "REST")

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(count) for _ in range(8)]:
            future.result(timeout=30)
    text = metrics.text()
    assert 'request_count{model_name="m",status="OK"} 4000' in text
    assert re.search(r"request_latency_count\{.*\} 4000", text)
