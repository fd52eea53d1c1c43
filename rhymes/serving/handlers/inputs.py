"""A Predict request's tensors -> arrays that fit the signature, by TensorFlow Serving's checks.

Order and texts are those of predict_util.cc and of TensorFlow's cc/saved_model/util.cc. Dtypes are
checked here because Python's runtime words that differently; shapes, because TensorFlow Serving
leaves them to whichever op stumbles first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from rhymes.serving.handlers.limits import Limits, check_images
from rhymes.wire.codec import dtype_to_name, tensor_to_array
from rhymes.wire.dtypes import dtype_to_number
from rhymes.wire.errors import invalid


def request_to_arrays(
    signature: Any, inputs: Mapping[str, Any], limits: Limits
) -> dict[str, NDArray[Any]]:
    """Match a request's tensors with a signature's inputs and read them.

    Args:
        signature: SignatureDef; its `defaults` stand in for what the request leaves out.
        inputs: the request's TensorProtos by input key.
        limits: of which only `tensor_bytes` counts here.

    Raises:
        WireError: INVALID_ARGUMENT; a key is missing or unknown, or a tensor cannot be read.
    """
    _check_count(signature, inputs)
    arrays = {}
    for alias in sorted(signature.inputs):
        if alias in inputs:
            tensor = inputs[alias]
        elif alias in signature.defaults:
            tensor = signature.defaults[alias]
        else:
            raise invalid(
                f"Signature input alias: {alias}(feed name: {signature.inputs[alias].name}) not "
                "found in request and no default value provided. Inputs expected to be in the "
                f"request {{{_join(inputs)}}}, or default input alias set: "
                f"{_join(signature.defaults)}"
            )
        try:
            arrays[alias] = tensor_to_array(tensor, max_bytes=limits.tensor_bytes)
        except ValueError:
            raise invalid(f"tensor parsing error: {alias}") from None
    used = arrays.keys() & inputs.keys()
    if len(used) != len(inputs):
        raise invalid(
            f"Inputs contains invalid name. Used request inputs: {_join(used)}, "
            f"request input: {_join(inputs)}"
        )
    return arrays


def _check_count(signature: Any, inputs: Mapping[str, Any]) -> None:
    sent, wanted = set(inputs), set(signature.inputs)
    if len(sent) > len(wanted) or (len(sent) < len(wanted) and not signature.defaults):
        raise invalid(
            f"input size does not match signature: {len(sent)}!={len(wanted)} "
            f"len({{{_join(sent)}}}) != len({{{_join(wanted)}}}). "
            f"Sent extra: {{{_join(sent - wanted)}}}. "
            f"Missing but required: {{{_join(wanted - sent)}}}."
        )


def filter_to_outputs(signature: Any, output_filter: Sequence[str]) -> list[str]:
    """Name the outputs that a request asks for; all where it names none.

    Raises:
        WireError: INVALID_ARGUMENT; a name is unknown, or given twice.
    """
    seen: set[str] = set()
    for alias in output_filter:
        if alias not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {alias} "
                f"Outputs expected to be in the set {{{_join(signature.outputs)}}}."
            )
        if alias in seen:
            raise invalid(f"duplicate output tensor alias: {alias}")
        seen.add(alias)
    return list(output_filter) or sorted(signature.outputs)


def check_arrays(signature: Any, arrays: Mapping[str, NDArray[Any]], limits: Limits) -> None:
    """Compare arrays with a signature's dtypes and shapes, and images with the limits.

    Raises:
        WireError: INVALID_ARGUMENT. An index counts the inputs in the order of their tensors'
            names, as TensorFlow's session does.
    """
    ordered = sorted(arrays, key=lambda alias: str(signature.inputs[alias].name))
    for index, alias in enumerate(ordered):
        info, array = signature.inputs[alias], arrays[alias]
        number = dtype_to_number(array.dtype)
        if number != info.dtype:
            raise invalid(
                f"Expects arg[{index}] to be {dtype_to_name(info.dtype)} "
                f"but {dtype_to_name(number)} is provided"
            )
        if not _fits(info.tensor_shape, array.shape):
            wanted = [dim.size if dim.size >= 0 else "?" for dim in info.tensor_shape.dim]
            raise invalid(
                f"Expects arg[{index}] to have shape [{_list(wanted)}] "
                f"but [{_list(array.shape)}] is provided for input {alias}"
            )
    for alias in ordered:
        check_images(alias, arrays[alias], limits)


def _fits(wanted: Any, shape: tuple[int, ...]) -> bool:
    if wanted.unknown_rank:
        return True
    sizes = [dim.size for dim in wanted.dim]
    return len(sizes) == len(shape) and all(
        size < 0 or size == actual for size, actual in zip(sizes, shape, strict=True)
    )


def _join(names: Iterable[str]) -> str:
    return ",".join(sorted(names))


def _list(values: Iterable[object]) -> str:
    return ",".join(map(str, values))
