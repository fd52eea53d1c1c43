"""Requests that a server must answer with detections, and those that it must refuse."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rhymes.wire.codec import array_to_tensor
from rhymes.wire.messages import PREDICTION_SERVICE, PredictRequest, PredictResponse

PREDICT = f"/{PREDICTION_SERVICE}/Predict"
_BOMB = (10_000, 6_000)
"""60 megapixels, which would take 180 MB as bytes and 720 MB as floats."""


@dataclass(frozen=True)
class Broken:
    """A request that has its own error.

    Attributes:
        name: what is wrong with it.
        request: the message.
        code: of the error.
        text: a regular expression that the error's text must contain.
    """

    name: str
    request: Any
    code: grpc.StatusCode
    text: str

    def explain(self, code: grpc.StatusCode, text: str) -> str:
        """Say what is wrong with an error that was got; nothing where it is this request's own."""
        if code == self.code and re.search(self.text, text):
            return ""
        return f"got {code.name}: {text}; expected {self.code.name}: {self.text}"


def make_request(inputs: NDArray[Any] | list[bytes], model: str, signature: str = "") -> Any:
    """Put a signature's input into a PredictRequest."""
    request = PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    request.inputs["inputs"].CopyFrom(array_to_tensor(inputs))
    return request


def make_broken(model: str, jpeg: bytes) -> list[Broken]:
    """One request of each kind; `jpeg` is a whole image to be damaged."""
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    return [
        Broken(
            "not an image",
            make_request([b"<!doctype html><p>404"], model),
            invalid,
            "Unknown image file format",
        ),
        Broken(
            "truncated", make_request([jpeg[: len(jpeg) // 2]], model), invalid, "Invalid JPEG data"
        ),
        Broken("0 bytes", make_request([b""], model), invalid, "Input is empty"),
        Broken("a bomb", make_request([make_bomb()], model), invalid, "pixels"),
        Broken(
            "wrong dtype",
            make_request(np.zeros([1, 8, 8, 3], np.float32), model),
            invalid,
            r"Expects arg\[0\] to be string but float is provided",
        ),
        Broken(
            "unknown signature",
            make_request([jpeg], model, "no_such_signature"),
            grpc.StatusCode.FAILED_PRECONDITION,
            'Serving signature key "no_such_signature" not found.',
        ),
    ]


def make_bomb() -> bytes:
    """A PNG of a few kilobytes that decodes to 60 megapixels."""
    encoded = io.BytesIO()
    Image.new("1", _BOMB).save(encoded, "PNG")
    return encoded.getvalue()


def make_photo(width: int, height: int, size: int, seed: int = 1) -> bytes:
    """A JPEG of about `size` bytes: soft ground, hard-edged patches, as a photo has."""
    generator = np.random.default_rng(seed)
    ground = generator.integers(60, 200, (height // 40, width // 40, 3), np.uint8)
    image = Image.fromarray(ground).resize((width, height), Image.Resampling.BICUBIC)
    noise = generator.integers(0, 25, (height, width, 3), np.uint8)
    pixels = Image.fromarray(np.asarray(image) + noise)
    best = b""
    for quality in range(20, 101, 2):
        encoded = io.BytesIO()
        pixels.save(encoded, "JPEG", quality=quality)
        if not best or abs(encoded.tell() - size) < abs(len(best) - size):
            best = encoded.getvalue()
    return best


def open_predict(channel: grpc.Channel) -> Any:
    """The method Predict, without a client's checks: the wire alone."""
    return channel.unary_unary(
        PREDICT,
        request_serializer=PredictRequest.SerializeToString,
        response_deserializer=PredictResponse.FromString,
    )
