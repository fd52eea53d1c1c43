from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest

from rhymes.coco.tfrecord import save_tfrecord
from rhymes.serving.models.warmup import MAX_RECORDS, replay_warmup
from rhymes.versions.model_folder import WARMUP_FILE
from rhymes.wire.errors import WireError
from rhymes.wire.messages import PredictionLog
from tests.support.version_folders import FakeServable


def make_record(signature: str = "serving_default") -> bytes:
    log = PredictionLog()
    log.predict_log.request.model_spec.signature_name = signature
    return bytes(log.SerializeToString())


def save_warmup(folder: Path, *records: bytes) -> Path:
    (folder / WARMUP_FILE).parent.mkdir(parents=True)
    save_tfrecord(folder / WARMUP_FILE, records)
    return folder


class Replayed:
    def __init__(self) -> None:
        self.signatures: list[str] = []

    def __call__(self, servable: Any, request: Any) -> object:
        assert isinstance(servable, FakeServable)
        if request.model_spec.signature_name == "bad":
            raise WireError(grpc.StatusCode.FAILED_PRECONDITION, "no such signature")
        self.signatures.append(request.model_spec.signature_name)
        return None


def replay(folder: Path, iterations: int = 1) -> tuple[int, list[str]]:
    replayed = Replayed()
    return replay_warmup(FakeServable(""), folder, replayed, iterations), replayed.signatures


def test_no_file_is_no_work(tmp_path: Path) -> None:
    assert replay(tmp_path) == (0, [])


def test_records_are_run_in_their_order(tmp_path: Path) -> None:
    folder = save_warmup(tmp_path, make_record("a"), make_record("b"))
    assert replay(folder) == (2, ["a", "b"])
    assert replay(folder, 2) == (2, ["a", "a", "b", "b"])


def test_as_many_as_may_be(tmp_path: Path) -> None:
    assert replay(save_warmup(tmp_path, *[make_record()] * MAX_RECORDS))[0] == 1000


def make_log(field: str) -> bytes:
    log = PredictionLog()
    getattr(log, field).SetInParent()
    return bytes(log.SerializeToString())


@pytest.mark.parametrize(
    ("records", "code", "text"),
    [
        pytest.param(
            [make_record()] * 1001,
            grpc.StatusCode.INVALID_ARGUMENT,
            "Number of warmup records exceeds the maximum (1000) at PATH",
            id="too many",
        ),
        pytest.param(
            [make_record(), b"\xff\xff"],
            grpc.StatusCode.INVALID_ARGUMENT,
            r"Failed to parse warmup record: b'\xff\xff' from PATH",
            id="no PredictionLog",
        ),
        pytest.param(
            [make_record("bad")],
            grpc.StatusCode.FAILED_PRECONDITION,
            "no such signature",
            id="the request fails",
        ),
        *(
            pytest.param(
                [make_log(field) if field else b""],
                grpc.StatusCode.UNIMPLEMENTED,
                f"Unsupported log_type for warmup: {number}",
                id=field or "nothing",
            )
            for field, number in {
                "": 0,
                "classify_log": 2,
                "regress_log": 3,
                "multi_inference_log": 4,
                "session_run_log": 5,
                "predict_streamed_log": 7,
            }.items()
        ),
    ],
)
def test_any_failure_is_one_of_the_load(
    tmp_path: Path, records: list[bytes], code: grpc.StatusCode, text: str
) -> None:
    folder = save_warmup(tmp_path, *records)
    with pytest.raises(WireError) as raised:
        replay(folder)
    assert raised.value.code is code
    assert raised.value.message == text.replace("PATH", str(folder / WARMUP_FILE))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"not a TFRecord file", id="something else"),
        pytest.param(lambda data: data[:-1], id="cut off"),
        pytest.param(lambda data: data[:5], id="cut off in the length"),
        pytest.param(lambda data: data[:-8] + b"x" + data[-7:], id="a byte changed"),
        # The length's own checksum is right, and the rest of the file is not there.
        pytest.param(
            lambda data: bytes.fromhex("ffffffffffffff7ffa7f0284"), id="a length beyond all memory"
        ),
    ],
)
def test_a_damaged_file(tmp_path: Path, damage: Any) -> None:
    folder = save_warmup(tmp_path, make_record())
    path = folder / WARMUP_FILE
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(WireError) as raised:
        replay(folder)
    assert raised.value.code is grpc.StatusCode.DATA_LOSS
    assert raised.value.message.endswith(". Please verify your warmup data is in TFRecord format.")
