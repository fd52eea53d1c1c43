from __future__ import annotations

import io
from typing import Any

import grpc
import numpy as np
import pytest
from PIL import Image

from rhymes.serving.handlers.limits import Limits, check_images
from rhymes.wire.errors import WireError
from rhymes.wire.messages import Example
from tests.support.hostile_server import png_bomb

LIMITS = Limits(image_bytes=5_000, image_pixels=10_000, tensor_bytes=1_000_000)


def encode(size: tuple[int, int], encoding: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "red").save(file, encoding, **options)
    return file.getvalue()


def example(*values: bytes, name: str = "image/encoded") -> bytes:
    message = Example()
    message.features.feature[name].bytes_list.value.extend(values)
    return bytes(message.SerializeToString())


def strings(*values: bytes) -> np.ndarray[Any, Any]:
    array = np.empty(len(values), object)
    array[:] = values
    return array


GOOD = encode((100, 100))
# An Example whose name of another feature is no UTF-8: TensorFlow reads it, protobuf does not.
LENIENT = example(encode((101, 100)), name="image/encoded") + example(b"", name="x").replace(
    b"x", b"\xff"
)


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(strings(GOOD, encode((100, 100), "PNG")), id="images at the limit"),
        pytest.param(strings(example(GOOD)), id="an Example"),
        pytest.param(strings(b"", b"hello", GOOD[:20]), id="what the model itself will refuse"),
        pytest.param(strings(bytes(9_000)), id="many bytes that are no image"),
        pytest.param(np.zeros((9, 100, 100, 3), np.uint8), id="pixels at the limit"),
        pytest.param(np.zeros((200, 200), np.uint8), id="numbers that are no image"),
        pytest.param(np.zeros((1, 200, 200, 3), np.float32), id="other numbers"),
    ],
)
def test_within_limits(array: np.ndarray[Any, Any]) -> None:
    check_images("inputs", array, LIMITS)


@pytest.mark.parametrize(
    ("array", "text"),
    [
        pytest.param(
            strings(GOOD, png_bomb()),
            "inputs[1]: 50000 x 50000 pixels, more than the 10,000 allowed",
            id="bomb",
        ),
        pytest.param(
            strings(encode((101, 100), "WEBP")), "inputs[0]: 101 x 100 pixels", id="WebP"
        ),
        pytest.param(
            np.array(encode((101, 100)), object), "inputs: 101 x 100 pixels", id="string scalar"
        ),
        pytest.param(
            strings(GOOD + bytes(5_000)),
            f"inputs[0]: {len(GOOD) + 5_000:,} bytes, more than the 5,000 allowed",
            id="bytes",
        ),
        pytest.param(
            strings(example(GOOD, png_bomb())),
            "image/encoded of inputs[0]: 50000 x 50000 pixels",
            id="bomb in an Example",
        ),
        pytest.param(
            strings(LENIENT),
            "inputs[0] names image/encoded, but is not a tf.Example",
            id="an Example that only TensorFlow reads",
        ),
        pytest.param(
            np.zeros((1, 101, 100, 3), np.uint8), "inputs: 100 x 101 pixels", id="pixels"
        ),
        pytest.param(
            strings(encode((10, 10), "GIF", save_all=True, append_images=[
                Image.effect_noise((90, 90), 100 + i).convert("RGB") for i in range(3)
            ])),
            "pixels in frames of up to",
            id="GIF of many frames",
        ),
    ],
)  # fmt: skip
def test_beyond_limits(array: np.ndarray[Any, Any], text: str) -> None:
    limits = Limits(5_000_000, 10_000) if "frames" in text else LIMITS
    with pytest.raises(WireError) as refused:
        check_images("inputs", array, limits)
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert text in refused.value.message


def test_jpeg_of_endless_scans_is_refused() -> None:
    data = encode((20, 20), progressive=True)
    last = data.rindex(b"\xff\xda")
    with pytest.raises(WireError, match=r"\d+ scans, more than the 100 allowed"):
        check_images("inputs", strings(data[:last] + data[last:-2] * 100 + data[-2:]), LIMITS)
