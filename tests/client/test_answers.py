"""What a server answers is distrusted."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from rhymes.client.answers import response_to_detections
from rhymes.client.client import DetectorClient
from rhymes.client.errors import (
    BadAnswer,
)
from rhymes.images.images import UprightImage
from rhymes.wire import messages
from rhymes.wire.codec import array_to_tensor
from tests.support.canned_server import (
    IMAGE,
    MASKS,
    CannedServer,
    make_outputs,
)


def without(name: str) -> dict[str, Any]:
    outputs = make_outputs()
    del outputs[name]
    return outputs


def with_value(name: str, value: Any) -> dict[str, Any]:
    return make_outputs(masks=name == MASKS) | {name: value}


def with_nan(name: str, **options: Any) -> dict[str, Any]:
    outputs = make_outputs(**options)
    outputs[name].reshape(-1)[0] = np.nan
    return outputs


def huge_tensor() -> Any:
    tensor = array_to_tensor(np.zeros(1, np.float32), as_content=False)
    tensor.tensor_shape.dim[0].size = 1
    for size in (2**40, 4):
        tensor.tensor_shape.dim.add(size=size)
    return tensor


FLOATS = np.float32


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        pytest.param({}, "gives no num_detections", id="no outputs"),
        pytest.param(without("detection_boxes"), "gives no detection_boxes", id="no boxes"),
        pytest.param(without("num_detections"), "gives no num_detections", id="no count"),
        pytest.param(with_nan("detection_boxes"), "detection_boxes holds NaN", id="NaN box"),
        pytest.param(with_nan("detection_scores"), "holds NaN", id="NaN score"),
        pytest.param(with_nan(MASKS, masks=True), "holds NaN", id="NaN mask"),
        pytest.param(with_nan("num_detections"), r"num_detections is \[nan\]", id="NaN count"),
        pytest.param(
            with_value("num_detections", np.array([5], FLOATS)), "there are 4", id="count too high"
        ),
        pytest.param(
            with_value("num_detections", np.array([-1], FLOATS)), "there are 4", id="count below 0"
        ),
        pytest.param(
            with_value("num_detections", np.array([np.inf], FLOATS)), "is .inf", id="infinite count"
        ),
        pytest.param(
            with_value("num_detections", np.array(2, FLOATS)), r"shape \[\]", id="scalar count"
        ),
        pytest.param(
            with_value("detection_scores", np.zeros([2, 4], FLOATS)), r"shape \[2, 4\]",
            id="of two images",
        ),
        pytest.param(
            with_value("detection_boxes", np.zeros([1, 4, 5], FLOATS)), r"got \[2, 5\]",
            id="boxes of five",
        ),
        pytest.param(
            with_value("detection_boxes", np.zeros([1, 1, 4], FLOATS)), r"got \[1, 4\]",
            id="boxes for one of two",
        ),
        pytest.param(
            with_value("detection_boxes", make_outputs()["detection_boxes"] * 640),
            "reach 640; expected fractions", id="boxes in pixels",
        ),
        pytest.param(
            with_value("detection_scores", np.full([1, 4], 1.5, FLOATS)), "scores of 0 to 1",
            id="score above 1",
        ),
        pytest.param(
            with_value("detection_classes", np.zeros([1, 4], FLOATS)), "class ids from 1",
            id="class 0",
        ),
        pytest.param(
            with_value("detection_classes", np.array([[b"CAT"] * 4], object)),
            "detection_classes holds object", id="class names",
        ),
        pytest.param(
            with_value(MASKS, np.zeros([1, 4, 0, 28], FLOATS)), "0 x 28 cells", id="empty masks"
        ),
        pytest.param(
            with_value(MASKS, np.zeros([1, 1, 28, 28], FLOATS)), "detection_masks: expected",
            id="mask for one of two",
        ),
        pytest.param(with_value("detection_boxes", huge_tensor()), "exceed", id="16 TB declared"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("as_content", [True, False], ids=["content", "lists"])
def test_answers_that_are_no_detector_s(
    outputs: dict[str, Any],
    reason: str,
    as_content: bool,
    server: CannedServer,
    client: DetectorClient,
) -> None:
    server.always = lambda request, context: server.respond(outputs, as_content=as_content)
    with pytest.raises(BadAnswer, match=reason):
        client.detect(IMAGE)
    assert len(server.asked_for("Predict")) == 1


def test_bytes_that_are_no_message(server: CannedServer, client: DetectorClient) -> None:
    server.always = lambda request, context: b"\xff" * 50
    with pytest.raises(BadAnswer, match="bytes that are no answer"):
        client.detect(IMAGE)


def serialised(*, as_content: bool) -> bytes:
    response = CannedServer().respond(make_outputs(masks=True), as_content=as_content)
    # Small masks leave more of the bytes for what matters.
    masks = array_to_tensor(np.ones((1, 4, 2, 2), np.float32), as_content=as_content)
    response.outputs[MASKS].CopyFrom(masks)
    return bytes(response.SerializeToString(deterministic=True))


RESPONSES = [serialised(as_content=True), serialised(as_content=False)]


@pytest.mark.filterwarnings("ignore:invalid value")  # of a class that is no int32
@settings(max_examples=1000, deadline=None)
@given(
    st.sampled_from(RESPONSES),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_mutilated_answers_are_detections_or_an_error(
    data: bytes, changes: list[tuple[int, int]]
) -> None:
    mutilated = bytearray(data)
    for index, byte in changes:
        mutilated[index % len(data)] = byte
    image = UprightImage(b"", "JPEG", 40, 20)
    with contextlib.suppress(DecodeError, BadAnswer):
        response = messages.PredictResponse.FromString(bytes(mutilated))
        (found,) = response_to_detections(response, [image], masks=True)
        assert len(found) <= 4


def test_answers_that_the_fuzz_test_starts_from_are_whole() -> None:
    for data in RESPONSES:
        response = messages.PredictResponse.FromString(data)
        image = UprightImage(b"", "JPEG", 40, 20)
        assert len(response_to_detections(response, [image], masks=True)[0]) == 2
