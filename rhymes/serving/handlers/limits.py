"""Limits of what a request may cost: images are measured by their headers, not decoded.

TensorFlow's decoders take whatever memory a header promises, so that a few bytes can end a server.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from rhymes.images.image_headers import JPEG_SCAN_LIMIT, bytes_to_header
from rhymes.images.images import MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS
from rhymes.wire.errors import invalid
from rhymes.wire.messages import Example

_ENCODED = "image/encoded"
_ENCODED_KEY = _ENCODED.encode()


@dataclass(frozen=True)
class Limits:
    """The most that a request may hold.

    Attributes:
        image_bytes: of an encoded image.
        image_pixels: of an image, encoded or not.
        tensor_bytes: of a tensor in memory whose message holds fewer values than its shape says.
    """

    image_bytes: int = MAX_IMAGE_BYTES
    image_pixels: int = MAX_IMAGE_PIXELS
    tensor_bytes: int = 1 << 27


def check_images(alias: str, array: NDArray[Any], limits: Limits) -> None:
    """Refuse images over the limits, in any of the forms that a detector takes.

    Encoded images and tf.Examples with an `image/encoded` are found by their content, whatever
    the signature calls its input; pixels are uint8 tensors [..., height, width, channels].

    Raises:
        WireError: INVALID_ARGUMENT, naming the input and the limit.
    """
    if array.dtype == object:
        for index, element in enumerate(array.ravel().tolist()):
            where = f"{alias}[{index}]" if array.ndim else alias
            _check_encoded(where, element, limits)
            if _ENCODED_KEY in element:
                _check_example(where, element, limits)
    elif array.dtype == np.uint8 and array.ndim >= 3:
        height, width = array.shape[-3:-1]
        _check_pixels(alias, width, height, math.prod((height, width)), limits)


def _check_example(where: str, data: bytes, limits: Limits) -> None:
    try:
        features = Example.FromString(data).features.feature
    except DecodeError:
        # TensorFlow reads more leniently, so it might yet find the image that is hidden here.
        raise invalid(f"{where} names {_ENCODED}, but is not a tf.Example") from None
    if _ENCODED in features:
        for value in features[_ENCODED].bytes_list.value:
            _check_encoded(f"{_ENCODED} of {where}", value, limits)


def _check_encoded(where: str, data: bytes, limits: Limits) -> None:
    header = bytes_to_header(data)
    if header is None:
        return
    if len(data) > limits.image_bytes:
        raise invalid(f"{where}: {len(data):,} bytes, more than the {limits.image_bytes:,} allowed")
    _check_pixels(where, header.width, header.height, header.pixels, limits)
    if header.scans > JPEG_SCAN_LIMIT:
        raise invalid(
            f"{where}: {header.scans} scans, more than the {JPEG_SCAN_LIMIT} allowed in a JPEG"
        )


def _check_pixels(where: str, width: int, height: int, pixels: int, limits: Limits) -> None:
    if pixels > limits.image_pixels:
        frames = "" if pixels == width * height else f" in frames of up to {width} x {height}"
        size = f"{pixels:,} pixels{frames}" if frames else f"{width} x {height} pixels"
        raise invalid(f"{where}: {size}, more than the {limits.image_pixels:,} allowed")
