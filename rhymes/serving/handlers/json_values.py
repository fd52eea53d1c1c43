"""A JSON value -> an array of a signature's dtype, with json_tensor.cc's rules and texts."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from rhymes.wire.codec import dtype_to_name
from rhymes.wire.dtypes import DTYPES, STRING
from rhymes.wire.errors import WireError, invalid

_MAX_LENGTH = 200
_MAX_RANK = 64
_INTEGERS = {"i", "u"}
_KINDS = {"dict": "Object", "list": "Array", "str": "String"}


def is_base64(value: object) -> bool:
    """Whether a JSON value is {"b64": "..."}."""
    return isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str)


def describe(value: object) -> str:
    """Write a JSON value for an error's text, not more of it than helps."""
    try:
        text = orjson.dumps(value, default=repr).decode("utf-8")
    except TypeError:  # nested deeper than it writes, though not than it reads
        text = "[[..."
    return text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}..."


def value_to_array(value: Any, number: int) -> NDArray[Any]:
    """Read a tensor: a value, or lists of lists of equal length.

    Args:
        value: the parsed JSON.
        number: the DataType it has to fit.

    Raises:
        WireError: INVALID_ARGUMENT, saying which value does not fit and why.
    """
    if number not in DTYPES or DTYPES[number].kind in "cV":
        raise invalid(
            f"Conversion of JSON Value: {describe(value)} to type: {dtype_to_name(number)}"
        )
    shape = _value_to_shape(value)
    if number == STRING:
        strings: list[bytes] = []
        _collect_strings(value, shape, 0, strings)
        elements = np.empty(len(strings), object)
        elements[:] = strings
        return elements.reshape(shape)
    array = _convert(value, shape, number)
    if array is not None:
        return array
    _find_fault(value, shape, 0, number)
    raise _type_error(value, number)


def _value_to_shape(value: Any) -> tuple[int, ...]:
    """Measure the first element at each depth, as if all were alike."""
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        if len(shape) > _MAX_RANK:
            raise invalid(f"JSON lists are nested deeper than {_MAX_RANK} levels")
        if not value:
            break
        value = value[0]
    return tuple(shape)


def _convert(value: Any, shape: tuple[int, ...], number: int) -> NDArray[Any] | None:
    """Convert numbers in one go; None where any does not fit."""
    dtype = DTYPES[number]
    try:
        found = np.array(value)
    except (ValueError, OverflowError):  # lists of different lengths
        return None
    if found.shape != shape:
        return None
    if found.size == 0:
        return found.astype(dtype)
    if dtype.kind in _INTEGERS:
        limits = np.iinfo(dtype)
        fits = (
            found.dtype.kind in _INTEGERS
            and found.min() >= limits.min
            and found.max() <= limits.max
        )
    elif dtype.kind == "f":
        fits = found.dtype.kind in {"f", *_INTEGERS} and bool(
            (np.abs(found) <= _float_limit(dtype, found.dtype.kind)).all()
        )
    else:
        fits = found.dtype.kind == "b"
    return found.astype(dtype) if fits else None


def _float_limit(dtype: np.dtype[Any], kind: str) -> float:
    """The greatest number that becomes a float without loss: integers have to be exact."""
    information = np.finfo(dtype)
    return float(information.max) if kind == "f" else float(2 ** (information.nmant + 1) - 1)


def _check_level(value: Any, shape: tuple[int, ...], level: int) -> bool:
    """Check a value's depth in the nested lists; tell whether it is a list."""
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid(
                f"JSON Value: {describe(value)} found at incorrect level: {level + 1} in the JSON "
                f"DOM. Expected at level: {len(shape)}"
            )
        return False
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    return True


def _collect_strings(value: Any, shape: tuple[int, ...], level: int, into: list[bytes]) -> None:
    if _check_level(value, shape, level):
        for each in value:
            _collect_strings(each, shape, level + 1, into)
    elif isinstance(value, str):
        into.append(value.encode("utf-8"))
    elif isinstance(value, dict):
        into.append(_decode(value))
    else:
        raise _type_error(value, STRING)


def _decode(value: dict[str, Any]) -> bytes:
    if not is_base64(value):
        raise invalid(f"JSON Value: {describe(value)} not formatted correctly for base64 data")
    try:
        return base64.b64decode(value["b64"], validate=True)
    except ValueError:
        pass
    # Line ends and missing padding are let pass, another alphabet is not.
    text = "".join(value["b64"].split())
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise invalid("Unable to base64 decode") from None


def _find_fault(value: Any, shape: tuple[int, ...], level: int, number: int) -> None:
    """Raise the error of the first value that does not fit."""
    if _check_level(value, shape, level):
        for each in value:
            _find_fault(each, shape, level + 1, number)
        return
    dtype = DTYPES[number]
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if dtype.kind == "b":
        fits = isinstance(value, bool)
    elif dtype.kind in _INTEGERS:
        limits = np.iinfo(dtype)
        fits = is_integer and limits.min <= value <= limits.max
    else:
        fits = is_integer or isinstance(value, float)
        if fits and not abs(value) <= _float_limit(dtype, "i" if is_integer else "f"):
            raise invalid(
                f"Cannot convert JSON value: {describe(value)} to {dtype_to_name(number)} "
                "without loss of precision."
            )
    if not fits:
        raise _type_error(value, number)


def _type_error(value: object, number: int) -> WireError:
    return invalid(
        f"JSON Value: {describe(value)} Type: {_kind(value)} is not of expected type: "
        f"{dtype_to_name(number)}"
    )


def _kind(value: object) -> str:
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return str(value)
    return _KINDS.get(type(value).__name__, "Number")
