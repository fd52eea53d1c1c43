"""Arrays and TensorProtos: equal to TensorFlow's own conversion, and no message does harm."""

from __future__ import annotations

import contextlib
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rhymes.wire.codec import DTYPES, array_to_tensor, dtype_to_name, tensor_to_array
from rhymes.wire.messages import DataType, TensorProto

HUGE = 2**62

NUMERIC = [dtype for dtype in DTYPES.values() if dtype.kind != "O"]
SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def equal(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> bool:
    """Whether two arrays are of one type and shape and hold the same bits (strings: bytes)."""
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    if first.dtype.kind == "O":
        return bool((first == second).all())
    return np.ascontiguousarray(first).tobytes() == np.ascontiguousarray(second).tobytes()


@st.composite
def any_array(draw: st.DrawFn) -> np.ndarray[Any, Any]:
    """Draw an array of any shape and type of a tensor's, of any bits."""
    shape = draw(SHAPES)
    count = int(np.prod(shape))
    if draw(st.booleans()) and draw(st.booleans()):
        texts = np.empty(count, object)
        texts[:] = draw(st.lists(st.binary(max_size=200), min_size=count, max_size=count))
        return texts.reshape(shape)
    dtype = draw(st.sampled_from(NUMERIC))
    size = count * dtype.itemsize
    bits = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8)
    return (bits % 2 == 1 if dtype.kind == "b" else bits.view(dtype)).reshape(shape)


@settings(max_examples=300, deadline=None)
@given(any_array(), st.booleans())
def test_round_trip_keeps_every_bit(array: np.ndarray[Any, Any], as_content: bool) -> None:
    sent = array_to_tensor(array, as_content=as_content)
    read = tensor_to_array(TensorProto.FromString(sent.SerializeToString()))
    # A NaN's payload does not survive Python's floats, which the lists of halves do not pass.
    if not as_content and array.dtype.kind in "fc":
        np.testing.assert_array_equal(read, array)
        assert read.dtype == array.dtype
    else:
        assert equal(read, array)


@pytest.mark.tf
@settings(max_examples=300, deadline=None)
@given(any_array(), st.booleans())
@pytest.mark.filterwarnings("ignore:invalid value")
def test_tensorflow_reads_what_we_write(array: np.ndarray[Any, Any], as_content: bool) -> None:
    import tensorflow as tf
    from tensorflow.core.framework import tensor_pb2

    sent = array_to_tensor(array, as_content=as_content).SerializeToString()
    theirs = tf.make_ndarray(tensor_pb2.TensorProto.FromString(sent))
    if array.dtype.kind in "fc":
        np.testing.assert_array_equal(theirs, array)
        assert theirs.dtype == array.dtype
    else:
        assert equal(theirs, array)


@pytest.mark.tf
@settings(max_examples=300, deadline=None)
@given(any_array())
def test_we_read_what_tensorflow_writes(array: np.ndarray[Any, Any]) -> None:
    import tensorflow as tf

    written = tf.make_tensor_proto(
        array, dtype=tf.string if array.dtype.kind == "O" else array.dtype
    )
    read = tensor_to_array(TensorProto.FromString(written.SerializeToString()))
    if array.dtype.kind in "fc":
        np.testing.assert_array_equal(read, array)
        assert read.dtype == array.dtype
    else:
        assert equal(read, array)


@pytest.mark.tf
@pytest.mark.parametrize("number", [n for n in DTYPES if n != 7])
def test_short_lists_are_filled_as_by_tensorflow(number: int) -> None:
    import tensorflow as tf
    from tensorflow.core.framework import tensor_pb2

    for values in ([], [0], [1, 0], [0, 1, 0, 1]):
        tensor = array_to_tensor(np.array(values).astype(DTYPES[number]), as_content=False)
        tensor.tensor_shape.dim[0].size = 4
        sent = tensor_pb2.TensorProto.FromString(tensor.SerializeToString())
        assert equal(tensor_to_array(tensor), tf.make_ndarray(sent)), values


TEXTS = [b"a\0", b"", b"x" * 300, "\N{LATIN CAPITAL LETTER E WITH ACUTE}".encode()]
# Lengths as varints, then the bytes (port::EncodeStringList): how a server packs strings.
PACKED = b"\x02\x00\xac\x02\x02" + b"".join(TEXTS)


def test_packed_strings_are_read() -> None:
    assert tensor_to_array(make_tensor(7, [2, 2], tensor_content=PACKED)).ravel().tolist() == TEXTS


@pytest.mark.tf
def test_packed_strings_are_those_of_tensorflow_s_runtime() -> None:
    import tensorflow as tf

    message = make_tensor(7, [4], tensor_content=PACKED).SerializeToString()
    assert tf.io.parse_tensor(message, tf.string).numpy().tolist() == TEXTS


def test_bytes_alone_are_a_scalar_and_lists_a_vector() -> None:
    assert tensor_to_array(array_to_tensor(b"a\0")).shape == ()
    assert tensor_to_array(array_to_tensor([b"a\0", b""])).tolist() == [b"a\0", b""]
    assert array_to_tensor(np.float32(3)).HasField("tensor_shape")


def test_other_byte_order_and_strides_are_brought_in_line() -> None:
    array = np.arange(12, dtype=">f4").reshape(3, 4).T[::-1]
    for as_content in (True, False):
        read = tensor_to_array(array_to_tensor(array, as_content=as_content))
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read, array)


def test_any_byte_but_0_is_a_true_bool() -> None:
    read = tensor_to_array(make_tensor(10, [3], tensor_content=b"\0\x01\xff"))
    assert read.view(np.uint8).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        pytest.param(np.array(["a"]), "numpy's <U1", id="text"),
        pytest.param(np.array([b"a\0"]), "objects of bytes", id="strings of fixed width"),
        pytest.param(np.array(["2020"], "M8[Y]"), "datetime64", id="dates"),
        pytest.param(np.array([b"a", "b"], object), "element 1: expected bytes, got str", id="mix"),
    ],
)
def test_arrays_that_are_no_tensors(array: np.ndarray[Any, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        array_to_tensor(array)


def make_tensor(dtype: int, shape: list[int], **fields: Any) -> Any:
    tensor = TensorProto(dtype=dtype, **fields)
    tensor.tensor_shape.SetInParent()
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    return tensor


def unknown_rank() -> Any:
    tensor = make_tensor(1, [], float_val=[1])
    tensor.tensor_shape.unknown_rank = True
    return tensor


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        pytest.param(TensorProto(), "dtype INVALID", id="empty"),
        pytest.param(make_tensor(99, [1]), r"unknown dtype enum \(99\)", id="unknown dtype"),
        pytest.param(make_tensor(101, [1]), "dtype float_ref", id="reference"),
        pytest.param(make_tensor(20, [1]), "dtype resource", id="resource"),
        pytest.param(make_tensor(11, [1]), "dtype qint8", id="quantised"),
        pytest.param(make_tensor(-1, [1]), r"unknown dtype enum \(-1\)", id="negative dtype"),
        pytest.param(unknown_rank(), "unknown rank", id="unknown rank"),
        pytest.param(make_tensor(1, [-1], float_val=[1]), "negative size", id="negative"),
        pytest.param(make_tensor(1, [-(2**63), 2]), "negative size", id="very negative"),
        pytest.param(make_tensor(1, [1] * 65), "65 dimensions", id="65 dimensions"),
        pytest.param(make_tensor(1, [HUGE]), "exceed", id="huge, no values"),
        pytest.param(make_tensor(1, [HUGE, HUGE], float_val=[1]), "exceed", id="overflow"),
        pytest.param(make_tensor(1, [2**40], float_val=[1]), "exceed", id="a terabyte of 1 value"),
        pytest.param(make_tensor(1, [0, HUGE]), "exceed", id="huge beside 0"),
        pytest.param(make_tensor(7, [0, HUGE]), "exceed", id="strings, huge beside 0"),
        pytest.param(make_tensor(7, [2**40]), "exceed", id="huge, no strings"),
        pytest.param(
            make_tensor(7, [2**20], string_val=[b"x" * 2**20]), "exceed", id="one string repeated"
        ),
        pytest.param(
            make_tensor(1, [HUGE], tensor_content=b"1234"), "4 bytes, but", id="huge content"
        ),
        pytest.param(make_tensor(1, [2], tensor_content=b"1234567"), "take 8", id="too short"),
        pytest.param(make_tensor(1, [1], tensor_content=b"12345678"), "take 4", id="too long"),
        pytest.param(make_tensor(1, [0], tensor_content=b"1"), "take 0", id="none expected"),
        pytest.param(make_tensor(1, [1], float_val=[1, 2]), "2 values for 1 el", id="surplus"),
        pytest.param(make_tensor(7, [1], string_val=[b"", b""]), "2 values for 1", id="strings"),
        pytest.param(make_tensor(4, [1], int_val=[256]), "no uint8", id="no uint8"),
        pytest.param(make_tensor(4, [1], int_val=[-1]), "no uint8", id="negative uint8"),
        pytest.param(make_tensor(6, [1], int_val=[128]), "no int8", id="no int8"),
        pytest.param(make_tensor(19, [1], half_val=[2**16]), "no uint16", id="no half"),
        pytest.param(make_tensor(8, [1], scomplex_val=[1]), "no pairs", id="half a complex"),
        pytest.param(make_tensor(7, [2], tensor_content=b"\1"), "lengths of 2", id="one length"),
        pytest.param(make_tensor(7, [HUGE], tensor_content=b"\0"), "lengths of", id="huge strings"),
        pytest.param(make_tensor(7, [1], tensor_content=b"\xff" * 9), "lengths", id="long varint"),
        pytest.param(make_tensor(7, [1], tensor_content=b"\5ab"), "say 5", id="short string"),
        pytest.param(make_tensor(7, [1], tensor_content=b"\1abc"), "say 1", id="long string"),
    ],
)  # fmt: skip
def test_messages_that_are_no_tensors(tensor: Any, reason: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=reason):
            tensor_to_array(tensor)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_limit_is_for_what_is_not_in_the_message() -> None:
    content = make_tensor(4, [1000], tensor_content=bytes(1000))
    assert tensor_to_array(content, max_bytes=10).shape == (1000,)
    with pytest.raises(ValueError, match="1,000 elements of 1 bytes or more exceed the 999 bytes"):
        tensor_to_array(make_tensor(4, [1000], int_val=[7]), max_bytes=999)
    assert (tensor_to_array(make_tensor(4, [1000], int_val=[7]), max_bytes=1000) == 7).all()


@settings(max_examples=500, deadline=None)
@given(
    st.integers(-1, 35),
    st.lists(st.sampled_from([-1, 0, 1, 2, 3, 2**31, HUGE, 2**63 - 1]), max_size=5),
    st.binary(max_size=40),
    st.lists(st.integers(-(2**31), 2**31 - 1), max_size=4),
)
def test_any_message_is_an_array_or_an_error(
    dtype: int, shape: list[int], content: bytes, values: list[int]
) -> None:
    tensor = make_tensor(
        dtype, shape, tensor_content=content, int_val=values, half_val=values, float_val=values,
        string_val=[content], scomplex_val=values, bool_val=[value > 0 for value in values],
    )  # fmt: skip
    with contextlib.suppress(ValueError):
        array = tensor_to_array(tensor, max_bytes=100_000)
        assert array.shape == tuple(shape)
        assert array.dtype == DTYPES[dtype]


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_strings_or_an_error(content: bytes) -> None:
    with contextlib.suppress(ValueError):
        read = tensor_to_array(make_tensor(7, [3], tensor_content=content))
        assert sum(len(text) for text in read) <= len(content)


@pytest.mark.parametrize(
    ("name", "text"),
    [("DT_FLOAT", "float"), ("DT_STRING", "string"), ("DT_UINT8", "uint8"), ("DT_HALF", "half"),
     ("DT_INVALID", "INVALID"), ("DT_BFLOAT16", "bfloat16"), ("DT_INT32_REF", "int32_ref")],
)  # fmt: skip
def test_names_are_tensorflow_s(name: str, text: str) -> None:
    assert dtype_to_name(DataType.values_by_name[name].number) == text


@pytest.mark.tf
def test_types_are_tensorflow_s() -> None:
    import tensorflow as tf

    for number, dtype in DTYPES.items():
        assert np.dtype(tf.as_dtype(number).as_numpy_dtype) == dtype
