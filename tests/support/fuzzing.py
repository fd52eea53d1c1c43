"""Valid requests, and ways to damage them: the same ones each time, by a seed."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from collections.abc import Callable

import numpy as np
from PIL import Image

from rhymes.wire.messages import Example, PredictRequest
from tests.support.red_detector import draw_image

OBJECTS = ((1, [10, 20, 40, 30]), (2, [80, 50, 60, 40]))


def encode(image_format: str) -> bytes:
    """A small image in one of the formats that TensorFlow decodes."""
    encoded = io.BytesIO()
    draw_image(*OBJECTS).save(encoded, image_format)
    return encoded.getvalue()


def image_to_example(image: bytes) -> bytes:
    """A serialized tf.Example as the signature tf_example takes it."""
    example = Example()
    example.features.feature["image/encoded"].bytes_list.value.append(image)
    return bytes(example.SerializeToString(deterministic=True))


def mutate(data: bytes, generator: np.random.Generator) -> bytes:
    """Damage bytes in one to four places."""
    for _ in range(generator.integers(1, 5)):
        damage = MUTATIONS[generator.integers(len(MUTATIONS))]
        data = damage(data, generator)
    return data


def _offset(data: bytes, generator: np.random.Generator) -> int:
    return int(generator.integers(len(data) + 1))


def _flip(data: bytes, generator: np.random.Generator) -> bytes:
    """Turn one bit, near the beginning (where lengths and headers are) as often as elsewhere."""
    if not data:
        return data
    end = min(64, len(data)) if generator.integers(2) else len(data)
    changed = bytearray(data)
    changed[generator.integers(end)] ^= 1 << int(generator.integers(8))
    return bytes(changed)


def _overwrite(data: bytes, generator: np.random.Generator) -> bytes:
    offset = _offset(data, generator)
    noise = generator.bytes(int(generator.integers(1, 16)))
    return data[:offset] + noise + data[offset + len(noise) :]


def _cut(data: bytes, generator: np.random.Generator) -> bytes:
    return data[: _offset(data, generator)]


def _remove(data: bytes, generator: np.random.Generator) -> bytes:
    offset = _offset(data, generator)
    return data[:offset] + data[offset + int(generator.integers(1, 64)) :]


def _repeat(data: bytes, generator: np.random.Generator) -> bytes:
    start, end = sorted((_offset(data, generator), _offset(data, generator)))
    return data[:end] + data[start:end] + data[end:]


def _extreme(data: bytes, generator: np.random.Generator) -> bytes:
    """Put in what sizes are read from: largest and smallest numbers, as bytes and as varints."""
    offset = _offset(data, generator)
    value = (b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\xff" * 9 + b"\x01", b"\x80\x80\x80")
    chosen = value[generator.integers(len(value))]
    return data[:offset] + chosen + data[offset + len(chosen) :]


MUTATIONS: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (
    _flip,
    _flip,
    _overwrite,
    _cut,
    _remove,
    _repeat,
    _extreme,
)


def predict_request(signature: str, value: bytes | np.ndarray) -> bytes:
    """A serialized PredictRequest of one image."""
    from rhymes.wire.codec import array_to_tensor

    request = PredictRequest()
    request.model_spec.name = "detector"
    request.model_spec.signature_name = signature
    values = [value] if isinstance(value, bytes) else value
    request.inputs["inputs"].CopyFrom(array_to_tensor(values))
    return bytes(request.SerializeToString(deterministic=True))


def rest_body(image: bytes) -> bytes:
    """The JSON of a REST prediction."""
    return json.dumps({"instances": [{"b64": b64encode(image).decode()}]}).encode()


def decoded() -> np.ndarray:
    """A small image as the signature image_tensor takes it."""
    return np.asarray(Image.open(io.BytesIO(encode("PNG"))).resize((16, 12)))[np.newaxis]
