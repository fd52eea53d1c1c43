"""The soak of `bench.soak`, a small one, and what it would say of a server that breaks promises."""

from __future__ import annotations

import dataclasses
import io
from collections import Counter
from pathlib import Path

import grpc
import numpy as np
import pytest

from bench.ending import Ending
from bench.load import LoadCounts, difference
from bench.publishing import copy_slowly
from bench.requests import make_broken
from bench.soak import Plan, Summary, soak, summary_to_lines
from rhymes.detections.detections import Detections
from rhymes.versions.model_folder import check_files, load_manifest, save_manifest
from tests.support.red_detector import draw_image, save_red_detector

PLAN = Plan(requests=600, settled=150, clients=16, pause=0.4)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four versions that find the same and differ in their bytes."""
    folders = []
    for number in range(1, 5):
        classes = [{"id": i, "name": f"C{i} of {number}"} for i in (1, 2, 3)]
        folder = tmp_path_factory.mktemp("model") / str(number)
        folders.append(save_red_detector(folder, classes=classes))
        save_manifest(folder)
    return folders


def jpeg(x: int) -> bytes:
    encoded = io.BytesIO()
    draw_image((1, [x, 20, 40, 30]), (2, [80, 60, 50, 40])).save(encoded, "JPEG", quality=95)
    return encoded.getvalue()


@pytest.mark.tf
def test_no_promise_is_broken(models: list[Path], tmp_path: Path) -> None:
    summary = soak(models, [jpeg(10), jpeg(30)], PLAN, tmp_path)
    print("\n".join(summary_to_lines(summary)))
    assert summary.broken_promises() == []
    tally = summary.tally
    assert tally.requests >= PLAN.requests
    assert set(tally.versions) == {1, 2, 3, 4}, "each version has answered"
    assert len(tally.refused) == 6, "broken in each way"
    assert min(tally.refused.values()) >= 5


TALLY = LoadCounts(good=90, refused=Counter({"0 bytes": 10}), versions=Counter({1: 90}))
ENDING = Ending(3, Counter({"OK": 9}), Counter({"UNAVAILABLE": 3}), 0, 1.5)
SUMMARY = Summary(TALLY, 100 << 20, 110 << 20, ENDING, 9.0)


def test_a_summary_says_what_was_promised_and_what_came() -> None:
    assert SUMMARY.broken_promises() == []
    assert summary_to_lines(SUMMARY) == [
        (
            "soak: 100 requests in 9 s; 0 of 90 good ones failed (goal 0), "
            "10 of 10 broken ones got their own error (goal all)"
        ),
        "soak: good answers by version: 1: 90",
        "soak: 110 MiB at the end, 100 MiB after the first requests -> 1.10x (goal <= 1.2x)",
        (
            "soak: SIGTERM with 3 calls under way: of 9 accepted 9 completed (goal all), "
            "the server ended after 1.5 s with status 0 (goal 0)"
        ),
    ]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        pytest.param({"after": 130 << 20}, "memory grew to 1.30x", id="memory"),
        pytest.param(
            {"tally": dataclasses.replace(TALLY, failed=["UNAVAILABLE"])}, "UNAVAILABLE", id="good"
        ),
        pytest.param(
            {"tally": dataclasses.replace(TALLY, wrong=["0 bytes: OK"])}, "0 bytes", id="broken"
        ),
        pytest.param({"ending": ENDING._replace(under_way=0)}, "nothing was shown", id="too early"),
        pytest.param(
            {"ending": ENDING._replace(accepted=Counter(OK=8, UNAVAILABLE=1))},
            "accepted before SIGTERM ended with",
            id="cut off",
        ),
        pytest.param(
            {"ending": ENDING._replace(late=Counter(INTERNAL=1))},
            "expected UNAVAILABLE",
            id="refused badly",
        ),
        pytest.param({"ending": ENDING._replace(exit_status=-15)}, "with -15", id="exit status"),
    ],
)
def test_a_broken_promise_is_named(change: dict[str, object], problem: str) -> None:
    (found,) = dataclasses.replace(SUMMARY, **change).broken_promises()
    assert problem in found


def found(*class_ids: int, score: float = 0.9, x: float = 10.0) -> Detections:
    n = len(class_ids)
    return Detections(
        160,
        120,
        np.array([[x, 20, 50, 50]] * n, np.float32).reshape(n, 4),
        np.full(n, score, np.float32),
        np.array(class_ids, np.int32),
    )


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(found(1, 2), "", id="right"),
        pytest.param(found(1), "classes [1]", id="one less"),
        pytest.param(found(1, 3), "classes [1, 3]", id="class"),
        pytest.param(found(1, 2, x=12.0), "boxes", id="box"),
        pytest.param(found(1, 2, score=0.8), "scores", id="score"),
    ],
)
def test_wrong_answers_are_told_from_right_ones(answer: Detections, problem: str) -> None:
    assert difference(answer, found(1, 2)).startswith(problem)
    assert bool(difference(answer, found(1, 2))) == bool(problem)


def test_each_broken_request_has_an_error_of_its_own() -> None:
    broken = make_broken("detector", jpeg(10))
    assert len({each.text for each in broken}) == len(broken) == 6
    refused = broken[0]
    assert refused.explain(grpc.StatusCode.INVALID_ARGUMENT, f"x {refused.text} y") == ""
    assert "got INTERNAL" in refused.explain(grpc.StatusCode.INTERNAL, refused.text)
    assert "got INVALID" in refused.explain(grpc.StatusCode.INVALID_ARGUMENT, "another")


def test_a_slow_copy_is_a_whole_one(tmp_path: Path) -> None:
    model = tmp_path / "model"
    for name, data in (("saved_model.pb", b"graph"), ("variables/a", b""), ("variables/b", b"1")):
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_bytes(data)
    save_manifest(model)
    copy_slowly(model, tmp_path / "2", 0.01)
    files = load_manifest(tmp_path / "2")
    assert files is not None
    assert len(files) == 3
    check_files(tmp_path / "2", files)
