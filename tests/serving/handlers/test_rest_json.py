from __future__ import annotations

import base64
import json
from typing import Any

import grpc
import numpy as np
import orjson
import pytest

from rhymes.serving.handlers.rest_json import body_to_document, document_to_arrays, outputs_to_json
from rhymes.wire.errors import WireError
from tests.support.fake_models import make_signature

IMAGE = bytes(range(256))
B64 = {"b64": base64.b64encode(IMAGE).decode()}
INPUTS = {
    name: make_signature({"x": (dtype, None)}).inputs
    for name, dtype in (
        ("string", object),
        ("uint8", np.uint8),
        ("int64", np.int64),
        ("float", np.float32),
        ("bool", np.bool_),
        ("bytes16", np.float16),
    )
}
TWO = make_signature({"a": (np.float32, None), "b": (np.int32, None)}).inputs


def read(document: object, inputs: Any) -> tuple[dict[str, Any], bool]:
    return document_to_arrays(body_to_document(orjson.dumps(document)), inputs)


@pytest.mark.parametrize(
    ("kind", "document", "expected"),
    [
        pytest.param("string", {"instances": [B64, B64]}, [IMAGE, IMAGE], id="rows of b64"),
        pytest.param("string", {"instances": [{"x": B64}]}, [IMAGE], id="named b64"),
        pytest.param("string", {"instances": ["ä"]}, ["ä".encode()], id="text"),
        pytest.param("string", {"inputs": [B64]}, [IMAGE], id="column of b64"),
        pytest.param("string", {"inputs": B64}, IMAGE, id="scalar b64"),
        pytest.param("string", {"inputs": {"x": [B64]}}, [IMAGE], id="named column"),
        pytest.param("string", {"instances": [["a", "b"]]}, [[b"a", b"b"]], id="two a row"),
        pytest.param("uint8", {"instances": [[[1, 255]]]}, [[[1, 255]]], id="pixels"),
        pytest.param("uint8", {"inputs": [[]]}, [[]], id="empty"),
        pytest.param("int64", {"instances": [2**62]}, [2**62], id="large integer"),
        pytest.param("float", {"instances": [1, 2.5]}, [1.0, 2.5], id="integers for floats"),
        pytest.param("float", {"inputs": 0.1}, np.float32(0.1), id="scalar"),
        pytest.param("bool", {"instances": [True, False]}, [True, False], id="bools"),
        pytest.param("bytes16", {"instances": [0.5]}, [0.5], id="halves"),
    ],
)
def test_forms_of_a_request(kind: str, document: dict[str, Any], expected: Any) -> None:
    arrays, as_rows = read(document, INPUTS[kind])
    assert as_rows == ("instances" in document)
    assert arrays["x"].tolist() == expected
    if kind != "string":
        assert arrays["x"].dtype.name == kind.replace("float", "float32").replace(
            "bytes16", "float16"
        )


def test_rows_of_several_inputs() -> None:
    arrays, _ = read({"instances": [{"a": [1], "b": 2}, {"b": 3, "a": [4]}]}, TWO)
    assert arrays["a"].tolist() == [[1], [4]]
    assert arrays["b"].tolist() == [2, 3]


@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param(base64.encodebytes(IMAGE).decode(), id="line ends"),
        pytest.param(B64["b64"].rstrip("="), id="no padding"),
    ],
)
def test_base64_of_other_encoders(encoded: str) -> None:
    arrays, _ = read({"instances": [{"b64": encoded}]}, INPUTS["string"])
    assert arrays["x"].tolist() == [IMAGE]


URL_SAFE = base64.urlsafe_b64encode(IMAGE).decode()
FAILED = "Failed to process element: {} of 'instances' list. Error: INVALID_ARGUMENT: "


@pytest.mark.parametrize(
    ("kind", "document", "text"),
    [
        pytest.param("float", {}, "Missing 'inputs' or 'instances' key", id="neither form"),
        pytest.param(
            "float",
            {"instances": [1], "inputs": [1]},
            'JSON Value: {"instances":[1],"inputs":[1]} Not formatted correctly expecting only one '
            "of 'inputs' or 'instances' keys to exist ",
            id="both forms",
        ),
        pytest.param(
            "float",
            {"instances": 1},
            "JSON Value: {\"instances\":1} Excepting 'instances' to be an list/array",
            id="no list",
        ),
        pytest.param(
            "float",
            {"instances": []},
            "JSON Value: {\"instances\":[]} No values in 'instances' array",
            id="no rows",
        ),
        pytest.param(
            "string",
            {"inputs": {"b64": URL_SAFE}},
            "Unable to base64 decode",
            id="another alphabet",
        ),
        pytest.param(
            "string",
            {"instances": [B64, {"b64": "!"}]},
            FAILED.format(1) + "Unable to base64 decode",
            id="a row's base64",
        ),
        pytest.param(
            "string",
            {"inputs": [{"b64": 1}]},
            'JSON Value: {"b64":1} not formatted correctly for base64 data',
            id="no text in b64",
        ),
        pytest.param(
            "string",
            {"inputs": [5]},
            "JSON Value: 5 Type: Number is not of expected type: string",
            id="number for text",
        ),
        pytest.param(
            "float",
            {"inputs": [1, "a"]},
            'JSON Value: "a" Type: String is not of expected type: float',
            id="text for number",
        ),
        pytest.param(
            "float",
            {"inputs": [1, None]},
            "JSON Value: null Type: Null is not of expected type: float",
            id="null",
        ),
        pytest.param(
            "float",
            {"inputs": [True]},
            "JSON Value: true Type: True is not of expected type: float",
            id="bool for float",
        ),
        pytest.param(
            "float",
            {"inputs": B64},
            "Type: Object is not of expected type: float",
            id="b64 for float",
        ),
        pytest.param(
            "float",
            {"inputs": [2**24 + 1]},
            "Cannot convert JSON value: 16777217 to float without loss of precision.",
            id="integer that is no float",
        ),
        pytest.param(
            "float",
            {"inputs": [1e39]},
            "Cannot convert JSON value: 1e+39 to float without loss of precision.",
            id="too large a float",
        ),
        pytest.param(
            "uint8",
            {"inputs": [256]},
            "JSON Value: 256 Type: Number is not of expected type: uint8",
            id="too large a pixel",
        ),
        pytest.param(
            "uint8",
            {"inputs": [0.5]},
            "JSON Value: 0.5 Type: Number is not of expected type: uint8",
            id="fraction of a pixel",
        ),
        pytest.param("bool", {"inputs": [1]}, "is not of expected type: bool", id="1 for true"),
        pytest.param(
            "float",
            {"inputs": [[1, 2], [3]]},
            "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
            id="shorter list",
        ),
        pytest.param(
            "float",
            {"inputs": [[1, 2], 3]},
            "JSON Value: 3 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
            id="number among lists",
        ),
        pytest.param(
            "float",
            {"inputs": [1, [2]]},
            "Encountered list at unexpected level: 1 expected < 1",
            id="list among numbers",
        ),
        pytest.param(
            "float",
            {"instances": [[1, 2], [3]]},
            FAILED.format(1) + "Expecting tensor size: 2 but got: 1",
            id="rows of different sizes",
        ),
        pytest.param(
            "float",
            {"instances": [[[1, 2]], [[1], [2]]]},
            FAILED.format(1) + "Expecting shape [1,2] but got: [2,1]",
            id="rows of different shapes",
        ),
        pytest.param(
            "float",
            {"instances": [{"y": 1}]},
            "Failed to process element: 0 key: y of 'instances' list. Error: INVALID_ARGUMENT: "
            "JSON object: does not have named input: y",
            id="unknown name",
        ),
        pytest.param(
            "float",
            {"instances": [1, {"x": 1}]},
            "Expecting value/list but got object at item 1 of input list",
            id="object among values",
        ),
        pytest.param(
            "float",
            {"instances": [{"x": 1}, 1]},
            "Expecting object but got list at item 1 of input list",
            id="value among objects",
        ),
        pytest.param(
            "two",
            {"instances": [{"a": 1}]},
            "Failed to process element: 0 of 'instances' list. JSON object: {\"a\":1} keys must be "
            "equal to: a,b",
            id="a name too few",
        ),
        pytest.param("two", {"instances": [1]}, "instances is a plain list, but", id="plain rows"),
        pytest.param("two", {"inputs": [1]}, "inputs is a plain value/list, but", id="plain"),
        pytest.param(
            "two", {"inputs": {"a": 1}}, "Missing named input: b in 'inputs' object.", id="missing"
        ),
        pytest.param(
            "none", {"inputs": {}}, "Failed to get input map for signature: DEFAULT", id="no inputs"
        ),
        pytest.param("float", {"inputs": [[[]] * 2, 1]}, "incorrect level: 2", id="empty lists"),
    ],
)
def test_refused(kind: str, document: dict[str, Any], text: str) -> None:
    inputs = INPUTS | {"two": TWO, "none": {}}
    with pytest.raises(WireError) as refused:
        read(document, inputs[kind])
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert text in refused.value.message
    if text.startswith(("Failed", "Expecting", "Cannot", "Unable", "Missing")):
        assert refused.value.message == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(b"", "JSON Parse error: The document is empty", id="empty"),
        pytest.param(b"{", "JSON Parse error: ", id="cut off"),
        pytest.param(b"\xff\xd8", "JSON Parse error: ", id="a JPEG"),
        pytest.param(b"[1]", "JSON Value: [1] Is not object", id="list"),
        pytest.param(
            b'{"signature_name": 5}', "'signature_name' key must be a string value.", id="name"
        ),
        pytest.param(b"[" * 100_000, "JSON Parse error: ", id="depth"),
    ],
)
def test_no_request(body: bytes, text: str) -> None:
    with pytest.raises(WireError) as refused:
        body_to_document(body)
    assert text in refused.value.message


def test_lists_as_deep_as_the_parser_allows_are_refused() -> None:
    nested = b"[" * 500 + b"1" + b"]" * 500
    document = body_to_document(b'{"inputs": ' + nested + b"}")
    with pytest.raises(WireError, match="deeper than 64"):
        document_to_arrays(document, INPUTS["float"])
    with pytest.raises(WireError, match=r"JSON Value: \[\[\.\.\. Not formatted"):
        document_to_arrays(document | {"instances": 1}, INPUTS["float"])


def test_long_values_are_not_repeated_in_full() -> None:
    with pytest.raises(WireError) as refused:
        read({"inputs": {"b64": "x" * 1_000_000, "c": 1}}, INPUTS["float"])
    assert len(refused.value.message) < 400


OUTPUTS = {
    "boxes": np.array([[[0.1, 0.5]], [[1, 0]]], np.float32),
    "count": np.array([1, 0], np.int32),
    "name_bytes": np.array([b"\xff\x00", b""], object),
    "name": np.array(["ä".encode(), b"b"], object),
}


def test_rows_of_outputs() -> None:
    written = outputs_to_json(OUTPUTS, as_rows=True)
    assert b"0.1," in written, "a float32 is written as short as it can be read again"
    assert json.loads(written) == {
        "predictions": [
            {"boxes": [[0.1, 0.5]], "count": 1, "name_bytes": {"b64": "/wA="}, "name": "ä"},
            {"boxes": [[1.0, 0.0]], "count": 0, "name_bytes": {"b64": ""}, "name": "b"},
        ]
    }


def test_columns_of_outputs() -> None:
    assert json.loads(outputs_to_json(OUTPUTS, as_rows=False))["outputs"]["count"] == [1, 0]


def test_single_output_goes_without_its_name() -> None:
    one = {"count": OUTPUTS["count"]}
    assert outputs_to_json(one, as_rows=True) == b'{"predictions":[1,0]}'
    assert outputs_to_json(one, as_rows=False) == b'{"outputs":[1,0]}'
    scalar = {"info": np.array(b"{}", object)}
    assert outputs_to_json(scalar, as_rows=False) == b'{"outputs":"{}"}'
    number = {"n": np.array(2.0, np.float32)}
    assert outputs_to_json(number, as_rows=False) == b'{"outputs":2.0}'


def test_what_is_no_number_is_written_as_tensorflow_serving_does() -> None:
    values = {"x": np.array([[np.nan, np.inf]], np.float32), "y": np.ones(1, np.float32)}
    written = outputs_to_json(values, as_rows=True)
    assert written == b'{"predictions": [{"x": [NaN, Infinity], "y": 1.0}]}'


def test_every_other_layout_in_memory_is_written_alike() -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert outputs_to_json({"x": array.T[::2]}, as_rows=False) == orjson.dumps(
        {"outputs": array.T[::2].tolist()}
    )


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        pytest.param({}, "Cannot convert empty tensor map to JSON", id="none"),
        pytest.param({"x": np.array(1.0)}, "Tensor name: x has no shape information ", id="scalar"),
        pytest.param(
            {"x": np.ones(2), "y": np.ones(3)},
            "Tensor name: y has inconsistent batch size: 3 expecting: 2",
            id="batch",
        ),
        pytest.param(
            {"x": np.array([b"\xff"], object)},
            "Failed to write JSON value for tensor type: string",
            id="bytes that are no text",
        ),
        pytest.param(
            {"x": np.ones(1, np.complex64)},
            "Failed to write JSON value for tensor type: complex64",
            id="complex",
        ),
    ],
)
def test_outputs_refused(outputs: dict[str, Any], text: str) -> None:
    with pytest.raises(WireError) as refused:
        outputs_to_json(outputs, as_rows=True)
    assert refused.value.message == text
