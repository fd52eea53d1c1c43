"""REST's JSON <-> arrays, in TensorFlow Serving's row and column forms.

Forms and error texts are those of tensorflow_serving/util/json_tensor.cc. Numbers are converted
by numpy in one go; only where that finds something wrong is the value walked through, to say what.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from rhymes.serving.handlers.json_values import describe, is_base64, value_to_array
from rhymes.wire.dtypes import DTYPES, STRING, dtype_to_name, dtype_to_number
from rhymes.wire.errors import WireError, invalid

_NUMPY = orjson.OPT_SERIALIZE_NUMPY


def body_to_document(body: bytes) -> dict[str, Any]:
    """Parse a request's body.

    Raises:
        WireError: INVALID_ARGUMENT; it is no JSON object, or its signature_name no string.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {error.msg} at offset: {error.pos}") from None
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {describe(document)} Is not object")
    if not isinstance(document.get("signature_name", ""), str):
        raise invalid(
            f"JSON Value: {describe(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    return document


def document_to_arrays(
    document: Mapping[str, Any], inputs: Mapping[str, Any]
) -> tuple[dict[str, NDArray[Any]], bool]:
    """Read the tensors of a predict request.

    Args:
        document: with either `instances` (rows) or `inputs` (columns).
        inputs: the signature's TensorInfos by input key.

    Returns:
        Arrays by input key, and whether they came as rows.

    Raises:
        WireError: INVALID_ARGUMENT, saying what is wrong.
    """
    if not inputs:
        name = document.get("signature_name") or "DEFAULT"
        raise invalid(f"Failed to get input map for signature: {name}")
    if "instances" in document and "inputs" in document:
        raise invalid(
            f"JSON Value: {describe(document)} Not formatted correctly expecting only one of "
            "'inputs' or 'instances' keys to exist "
        )
    if "instances" in document:
        return _rows_to_arrays(document, inputs), True
    if "inputs" in document:
        return _columns_to_arrays(document["inputs"], inputs), False
    raise invalid("Missing 'inputs' or 'instances' key")


def _columns_to_arrays(value: Any, inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    if isinstance(value, dict) and not is_base64(value):
        for name in sorted(inputs):
            if name not in value:
                raise invalid(f"Missing named input: {name} in 'inputs' object.")
        return {name: value_to_array(value[name], info.dtype) for name, info in inputs.items()}
    if len(inputs) > 1:
        raise invalid(
            "inputs is a plain value/list, but expecting an object as multiple input tensors "
            "required as per tensorinfo_map"
        )
    name, info = next(iter(inputs.items()))
    return {name: value_to_array(value, info.dtype)}


def _rows_to_arrays(
    document: Mapping[str, Any], inputs: Mapping[str, Any]
) -> dict[str, NDArray[Any]]:
    rows = document["instances"]
    if not isinstance(rows, list):
        raise invalid(f"JSON Value: {describe(document)} Excepting 'instances' to be an list/array")
    if not rows:
        raise invalid(f"JSON Value: {describe(document)} No values in 'instances' array")
    if not isinstance(rows[0], dict) and len(inputs) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map"
        )
    named = _is_named(rows[0])
    for index, row in enumerate(rows):
        if _is_named(row) != named:
            raise invalid(
                f"Expecting object but got list at item {index} of input list"
                if named
                else f"Expecting value/list but got object at item {index} of input list"
            )
    if not named:
        name, info = next(iter(inputs.items()))
        return {name: _stack(rows, info.dtype, "")}
    _check_keys(rows, inputs)
    return {
        name: _stack([row[name] for row in rows], info.dtype, f" key: {name}")
        for name, info in inputs.items()
    }


def _is_named(row: Any) -> bool:
    return isinstance(row, dict) and not is_base64(row)


def _check_keys(rows: list[dict[str, Any]], inputs: Mapping[str, Any]) -> None:
    for index, row in enumerate(rows):
        for name in row:
            if name not in inputs:
                raise _failed(
                    index, f" key: {name}", f"JSON object: does not have named input: {name}"
                )
        if row.keys() != set(inputs):
            raise invalid(
                f"Failed to process element: {index} of 'instances' list. JSON object: "
                f"{describe(row)} keys must be equal to: {','.join(sorted(inputs))}"
            )


def _stack(values: list[Any], number: int, key: str) -> NDArray[Any]:
    """Make one array of the rows' values for one input."""
    try:
        return value_to_array(values, number)
    except WireError as error:
        _blame_row(values, number, key)
        raise _failed(0, key, error.message) from None


def _blame_row(values: list[Any], number: int, key: str) -> None:
    first: NDArray[Any] | None = None
    for index, value in enumerate(values):
        try:
            array = value_to_array(value, number)
        except WireError as error:
            raise _failed(index, key, error.message) from None
        first = array if first is None else first
        if array.size != first.size:
            text = f"Expecting tensor size: {first.size} but got: {array.size}"
            raise _failed(index, key, text)
        if array.shape != first.shape:
            text = f"Expecting shape {_shape(first)} but got: {_shape(array)}"
            raise _failed(index, key, text)


def _shape(array: NDArray[Any]) -> str:
    return f"[{','.join(map(str, array.shape))}]"


def _failed(index: int, key: str, text: str) -> WireError:
    return invalid(
        f"Failed to process element: {index}{key} of 'instances' list. "
        f"Error: INVALID_ARGUMENT: {text}"
    )


def outputs_to_json(outputs: Mapping[str, NDArray[Any]], as_rows: bool) -> bytes:
    """Write a predict response: `predictions`, one a row, or `outputs` by name.

    A single output goes without its name. Strings of an output named `..._bytes` are base64.

    Raises:
        WireError: INVALID_ARGUMENT; JSON cannot hold an output.
    """
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    ready = {name: _to_writable(name, array) for name, array in outputs.items()}
    if not as_rows:
        written = ready if len(ready) > 1 else next(iter(ready.values()))
        return _dump({"outputs": written}, outputs)
    batch = _batch_size(outputs)
    rows = [{name: values[i] for name, values in ready.items()} for i in range(batch)]
    if len(ready) == 1:
        return _dump({"predictions": [next(iter(row.values())) for row in rows]}, outputs)
    return _dump({"predictions": rows}, outputs)


def _batch_size(outputs: Mapping[str, NDArray[Any]]) -> int:
    batch = -1
    for name, array in outputs.items():
        if array.ndim == 0:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if batch not in (-1, len(array)):
            raise invalid(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {batch}"
            )
        batch = len(array)
    return batch


def _to_writable(name: str, array: NDArray[Any]) -> Any:
    number = dtype_to_number(array.dtype)
    if number == STRING:
        return _strings(array.tolist(), name.endswith("_bytes"))
    if array.dtype.kind == "c":
        raise _unwritable(number)
    if array.dtype.kind == "V":  # bfloat16, which orjson does not know
        array = array.astype(np.float32)
    # A scalar has no dimension that orjson could write.
    return np.ascontiguousarray(array) if array.ndim else array[()]


def _strings(value: Any, as_base64: bool) -> Any:
    if isinstance(value, list):
        return [_strings(each, as_base64) for each in value]
    if as_base64:
        return {"b64": base64.b64encode(value).decode("ascii")}
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise _unwritable(STRING) from None


def _unwritable(number: int) -> WireError:
    return invalid(f"Failed to write JSON value for tensor type: {dtype_to_name(number)}")


def _dump(document: Any, outputs: Mapping[str, NDArray[Any]]) -> bytes:
    if all(np.isfinite(a).all() for a in outputs.values() if a.dtype in _FLOATS):
        return orjson.dumps(document, option=_NUMPY)
    # NaN and Infinity, which are no JSON, but what TensorFlow Serving writes and Python reads.
    return json.dumps(document, default=lambda value: value.tolist()).encode("ascii")


_FLOATS = frozenset(dtype for dtype in DTYPES.values() if dtype.kind in "fV")
