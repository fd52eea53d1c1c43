"""TensorFlow's element types and numpy's (types.proto); TensorProto's fields for their values."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from rhymes.wire.messages import DataType


def _number(name: str) -> int:
    return int(DataType.values_by_name[name].number)


STRING = _number("DT_STRING")

# Type -> numpy's type, and the field that lists its values where `tensor_content` does not.
_NUMERIC: dict[str, tuple[Any, str]] = {
    "DT_FLOAT": (np.float32, "float_val"),
    "DT_DOUBLE": (np.float64, "double_val"),
    "DT_INT32": (np.int32, "int_val"),
    "DT_UINT8": (np.uint8, "int_val"),
    "DT_INT16": (np.int16, "int_val"),
    "DT_INT8": (np.int8, "int_val"),
    "DT_COMPLEX64": (np.complex64, "scomplex_val"),
    "DT_INT64": (np.int64, "int64_val"),
    "DT_BOOL": (np.bool_, "bool_val"),
    "DT_UINT16": (np.uint16, "int_val"),
    "DT_COMPLEX128": (np.complex128, "dcomplex_val"),
    "DT_HALF": (np.float16, "half_val"),
    "DT_UINT32": (np.uint32, "uint32_val"),
    "DT_UINT64": (np.uint64, "uint64_val"),
}
with contextlib.suppress(ImportError):  # numpy alone has no such type
    import ml_dtypes

    _NUMERIC["DT_BFLOAT16"] = (ml_dtypes.bfloat16, "half_val")

DTYPES: Mapping[int, np.dtype[Any]] = MappingProxyType(
    {STRING: np.dtype(object)}
    | {_number(name): np.dtype(dtype) for name, (dtype, _) in _NUMERIC.items()}
)
"""DataType's number -> numpy's type; strings are objects of type bytes."""

_NUMBERS = {dtype: number for number, dtype in DTYPES.items()}
FIELDS: Mapping[int, str] = {_number(name): field for name, (_, field) in _NUMERIC.items()} | {
    STRING: "string_val"
}
"""DataType's number -> the field of TensorProto that lists values of this type."""


def dtype_to_name(number: int) -> str:
    """Name a DataType as TensorFlow does in its messages (DataTypeString): "float", "string"."""
    known = DataType.values_by_number.get(number)
    if known is None:
        return f"unknown dtype enum ({number})"
    if number == 0:
        return "INVALID"
    return str(known.name).removeprefix("DT_").lower()


def dtype_to_number(dtype: np.dtype[Any]) -> int:
    """Return the DataType of a numpy type.

    Raises:
        ValueError: TensorFlow has no such type, or not here.
    """
    number = _NUMBERS.get(dtype.newbyteorder("="))
    if number is None:
        raise ValueError(f"no tensor can hold numpy's {dtype}; strings must be objects of bytes")
    return number
