"""Arrays <-> TensorProto, without TensorFlow.

A tensor's values are either packed in `tensor_content` or listed in the field of their type
(`float_val` and so on); TensorFlow Serving answers with the latter unless it is started with
`--enable_serialization_as_tensor_content`, so both are read. What a message declares is checked
against what it holds before memory is taken for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhymes.wire.dtypes import DTYPES, FIELDS, STRING, dtype_to_name, dtype_to_number
from rhymes.wire.messages import TensorProto

__all__ = ["DTYPES", "MAX_BYTES", "STRING", "array_to_tensor", "dtype_to_name", "tensor_to_array"]

MAX_BYTES = 1 << 28
"""The most memory that a tensor may take, unless the caller says otherwise: 256 MiB."""

# numpy's own limit; TensorFlow's is 254.
_MAX_RANK = 64


def array_to_tensor(
    array: NDArray[Any] | bytes | Sequence[bytes], *, as_content: bool = True
) -> Any:
    """Put an array into a TensorProto of the same shape and type.

    Args:
        array: numbers, or an object array of bytes. Bytes alone are a string scalar, a list of
            bytes is a string vector.
        as_content: numbers go packed into `tensor_content`, many times faster on both ends;
            otherwise each into the field of its type. Strings always go into `string_val`.

    Raises:
        ValueError: the array's type is none of a tensor's, or an element is not bytes.
    """
    values = _to_array(array)
    number = dtype_to_number(values.dtype)
    values = values.astype(DTYPES[number], copy=False)  # another byte order becomes the machine's
    tensor = TensorProto(dtype=number)
    # An empty shape is a scalar's; the field must be there all the same.
    tensor.tensor_shape.SetInParent()
    for size in values.shape:
        tensor.tensor_shape.dim.add(size=size)
    if number == STRING:
        tensor.string_val.extend(_checked_bytes(values))
    elif as_content:
        tensor.tensor_content = values.tobytes()
    else:
        getattr(tensor, FIELDS[number]).extend(_listed(values).tolist())
    return tensor


def _to_array(array: NDArray[Any] | bytes | Sequence[bytes]) -> NDArray[Any]:
    if isinstance(array, np.ndarray | np.generic):
        return np.asarray(array)
    # numpy would make fixed-width strings of them, which lose trailing zero bytes.
    if isinstance(array, bytes):
        scalar = np.empty((), object)
        scalar[()] = array
        return scalar
    vector = np.empty(len(array), object)
    vector[:] = array
    return vector


def _checked_bytes(values: NDArray[Any]) -> list[bytes]:
    listed: list[Any] = values.ravel().tolist()
    for i, value in enumerate(listed):
        if not isinstance(value, bytes):
            raise ValueError(f"string element {i}: expected bytes, got {type(value).__name__}")
    return listed


def _listed(values: NDArray[Any]) -> NDArray[Any]:
    """Flatten numbers to what their field lists: halves as bits, complex numbers as pairs."""
    flat = np.ascontiguousarray(values).ravel()
    if flat.dtype.kind == "c":
        return flat.view(_part(flat.dtype))
    return flat.view(np.uint16) if _is_half(flat.dtype) else flat


def _part(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type of a complex number's real part."""
    return np.dtype(np.float32 if dtype == np.complex64 else np.float64)


def _is_half(dtype: np.dtype[Any]) -> bool:
    return FIELDS[dtype_to_number(dtype)] == "half_val"


def tensor_to_array(tensor: Any, *, max_bytes: int = MAX_BYTES) -> NDArray[Any]:
    """Read a TensorProto.

    A list of values that is shorter than the shape says goes on with its last value, an empty one
    means zeros (tensor.cc, FromProtoField; it is how TensorFlow compresses constants). Strings in
    `tensor_content` are their lengths as varints, then their bytes (port::EncodeStringList).

    Args:
        tensor: the message.
        max_bytes: the most memory that an array may take that is not packed in `tensor_content`,
            repeated strings counted as often as they occur: what a few values would blow up to
            is refused before it is made.

    Returns:
        The array, perhaps read-only; strings are an object array of bytes.

    Raises:
        ValueError: saying why the message is no tensor.
    """
    number = tensor.dtype
    if number not in DTYPES:
        raise ValueError(f"dtype {dtype_to_name(number)} is not one that can be read")
    shape = _tensor_to_shape(tensor)
    count = math.prod(shape)
    content = tensor.tensor_content
    if not content:
        # Where one dimension is 0 the others still have to be sizes that numpy can hold.
        _check_size(math.prod(size or 1 for size in shape), DTYPES[number].itemsize, max_bytes)
    if number == STRING:
        values = _strings(tensor, content, count, max_bytes)
    else:
        values = _numbers(tensor, content, count)
    return values.reshape(shape)


def _tensor_to_shape(tensor: Any) -> tuple[int, ...]:
    if tensor.tensor_shape.unknown_rank:
        raise ValueError("the shape has an unknown rank")
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if len(shape) > _MAX_RANK:
        raise ValueError(f"{len(shape)} dimensions, more than the {_MAX_RANK} allowed")
    if any(size < 0 for size in shape):
        raise ValueError(f"shape {list(shape)} has a negative size")
    return shape


def _check_size(count: int, size: int, max_bytes: int) -> None:
    if count * size > max_bytes:
        raise ValueError(
            f"{count:,} elements of {size} bytes or more exceed the {max_bytes:,} bytes allowed"
        )


def _numbers(tensor: Any, content: bytes, count: int) -> NDArray[Any]:
    dtype = DTYPES[tensor.dtype]
    if content:
        if len(content) != count * dtype.itemsize:
            raise ValueError(
                f"tensor_content holds {len(content):,} bytes, but {count:,} elements of "
                f"{dtype} take {count * dtype.itemsize:,}"
            )
        if dtype == np.bool_:
            # Any other byte than 0 and 1 would be a bool that is neither true nor false.
            return np.frombuffer(content, np.uint8).astype(np.bool_)
        return np.frombuffer(content, dtype)
    return _repeat_last(_field_to_numbers(tensor, dtype), count)


def _field_to_numbers(tensor: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    field = FIELDS[tensor.dtype]
    listed = getattr(tensor, field)
    if dtype.kind == "c":
        if len(listed) % 2:
            raise ValueError(f"{field} holds {len(listed)} values, which are no pairs")
        pairs: NDArray[Any] = np.asarray(listed, _part(dtype))
        return pairs.view(dtype)
    half = _is_half(dtype)
    wanted = np.dtype(np.uint16) if half else dtype
    if field not in ("int_val", "half_val"):
        return np.asarray(listed, wanted)
    # These fields are 32 bits wide and hold narrower types, too.
    wide = np.asarray(listed, np.int32)
    limits = np.iinfo(wanted)
    if wide.size and (wide.min() < limits.min or wide.max() > limits.max):
        raise ValueError(f"{field} holds a value that is no {wanted}")
    narrow = wide.astype(wanted)
    return narrow.view(dtype) if half else narrow


def _repeat_last(values: NDArray[Any], count: int) -> NDArray[Any]:
    if len(values) > count:
        raise ValueError(f"{len(values):,} values for {count:,} elements")
    if len(values) == count:
        return values
    filled = np.zeros(count, values.dtype)
    if len(values):
        filled[: len(values)] = values
        filled[len(values) :] = values[-1]
    return filled


def _strings(tensor: Any, content: bytes, count: int, max_bytes: int) -> NDArray[Any]:
    if content:
        listed = _content_to_strings(content, count)
    else:
        listed = list(tensor.string_val)
        missing = count - len(listed)
        last = listed[-1] if listed else b""
        if missing < 0:
            raise ValueError(f"{len(listed):,} values for {count:,} elements")
        _check_size(missing, len(last), max_bytes)
        listed += [last] * missing
    values = np.empty(count, object)
    values[:] = listed
    return values


def _content_to_strings(content: bytes, count: int) -> list[bytes]:
    lengths, offset = [], 0
    for _ in range(count):
        length, shift = 0, 0
        while True:
            if offset == len(content) or shift > 28:
                raise ValueError(f"tensor_content does not hold the lengths of {count:,} strings")
            byte = content[offset]
            length |= (byte & 0x7F) << shift
            offset, shift = offset + 1, shift + 7
            if byte < 0x80:
                break
        lengths.append(length)
    if offset + sum(lengths) != len(content):
        raise ValueError(
            f"tensor_content holds {len(content) - offset:,} bytes of strings, "
            f"but their lengths say {sum(lengths):,}"
        )
    strings = []
    for length in lengths:
        strings.append(content[offset : offset + length])
        offset += length
    return strings
