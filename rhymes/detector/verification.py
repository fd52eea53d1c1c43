"""Hold what is served against the exported and the trained detector, picture by picture."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image

from rhymes.common import quiet  # noqa: F401  (silences TensorFlow)
from rhymes.common.errors import InputError
from rhymes.detections.detections import Detections, outputs_to_detections
from rhymes.detector.parity import (
    Found,
    Parity,
    compare_found,
    detections_to_found,
    outputs_to_found,
)

SIGNATURES = ("serving_default", "tf_example", "image_tensor")
SERVED_TOLERANCE, EAGER_TOLERANCE = 1e-5, 1e-3

Outputs = Mapping[str, NDArray[Any]]
Call = Callable[[NDArray[Any], str], Outputs]
"""A detector: what a signature takes (batch of one picture), and its name -> its outputs."""


@dataclass(frozen=True)
class Kind:
    """A comparison: its key in the metrics, its title, what is called what, and what to do."""

    key: str
    title: str
    sides: str
    tolerance: float
    advice: str


_SERVER_ADVICE = "the server or the client changes what the model gives; its tests should tell"
CLIENT = Kind(
    "client",
    "The client's detections against the SavedModel in process",
    "of the client and of the SavedModel in process",
    SERVED_TOLERANCE,
    _SERVER_ADVICE,
)
SAVED_MODEL = Kind(
    "saved_model",
    "Outputs over gRPC against the SavedModel in process",
    "over gRPC and of the SavedModel in process",
    SERVED_TOLERANCE,
    _SERVER_ADVICE,
)
EAGER = Kind(
    "eager",
    "Outputs over gRPC against the trained model in eager mode",
    "over gRPC and of the trained model in eager mode",
    EAGER_TOLERANCE,
    "the export is not of this checkpoint, or changes it: run `dvc repro --force export`; if that "
    "does not help, rhymes/detector/inference.py does not export what it trains",
)
LOSSLESS = Kind(
    "lossless",
    "Decoded pixels against the same pixels as a PNG",
    "for decoded pixels and for the same pixels as a PNG",
    SERVED_TOLERANCE,
    "the signatures preprocess pictures differently: see rhymes/detector/inference.py",
)
KINDS = (CLIENT, SAVED_MODEL, EAGER, LOSSLESS)


@dataclass(frozen=True)
class Picture:
    """A picture of the test split: the name that users know, an upright JPEG, its size."""

    name: str
    encoded: bytes
    width: int
    height: int


@dataclass(frozen=True)
class _Failure:
    kind: Kind
    picture: str
    signature: str
    output: str
    difference: float

    @property
    def excess(self) -> float:
        return self.difference / self.kind.tolerance


class Verification:
    """Comparisons, pictures added one by one.

    Args:
        served: the model behind the wire.
        saved: the SavedModel in process.
        eager: the trained network, neither traced nor frozen.
        threshold: the score below which the network drops detections.

    Attributes:
        parities: by kind and signature, for those of which a picture was seen.
    """

    def __init__(self, served: Call, saved: Call, eager: Call, threshold: float) -> None:
        self._served, self._saved, self._eager = served, saved, eager
        self._threshold = threshold
        self.parities = {
            kind: {name: Parity(kind.tolerance) for name in names}
            for kind, names in (
                (CLIENT, SIGNATURES[:1]),
                (SAVED_MODEL, SIGNATURES),
                (EAGER, SIGNATURES),
                (LOSSLESS, SIGNATURES[2:]),
            )
        }
        self._failed: set[str] = set()
        self._worst: _Failure | None = None

    def compare_client(self, picture: Picture, detections: Detections) -> None:
        """Compare what the client made of a picture with what the SavedModel says of it."""
        outputs = self._saved(_bytes_to_inputs(picture.encoded), SIGNATURES[0])
        expected = outputs_to_detections(outputs, 0, picture.width, picture.height)
        places = outputs_to_found(outputs).places
        self._add(
            CLIENT,
            picture,
            SIGNATURES[0],
            detections_to_found(expected, places),
            detections_to_found(detections, places),
        )

    def compare_signatures(self, picture: Picture) -> None:
        """Compare all signatures' outputs for a picture, on all sides."""
        for signature, inputs in picture_to_inputs(picture.encoded).items():
            served = outputs_to_found(self._served(inputs, signature))
            saved = outputs_to_found(self._saved(inputs, signature))
            eager = outputs_to_found(self._eager(inputs, signature))
            self._add(SAVED_MODEL, picture, signature, saved, served)
            self._add(EAGER, picture, signature, eager, served)
            if signature == "image_tensor":
                lossless = self._served(pixels_to_png(inputs), "serving_default")
                self._add(LOSSLESS, picture, signature, outputs_to_found(lossless), served)

    def _add(
        self, kind: Kind, picture: Picture, signature: str, expected: Found, found: Found
    ) -> None:
        parity = compare_found(expected, found, kind.tolerance, self._threshold)
        self.parities[kind][signature].add(parity)
        worst = parity.worst()
        if worst is None:
            return
        self._failed.add(picture.name)
        failure = _Failure(kind, picture.name, signature, *worst)
        if self._worst is None or failure.excess > self._worst.excess:
            self._worst = failure

    def check(self) -> None:
        """Raise an `InputError` that names the largest difference, if any is not allowed."""
        worst = self._worst
        if worst is None:
            return
        others = len(self._failed) - 1
        raise InputError(
            f"{worst.picture}, signature {worst.signature}: {worst.output} {worst.kind.sides} "
            f"differ by {worst.difference:.3g}, more than the {worst.kind.tolerance:g} allowed"
            f"{f' ({others} more pictures differ too much)' if others else ''}; "
            f"{worst.kind.advice}"
        )


def picture_to_inputs(encoded: bytes) -> dict[str, NDArray[Any]]:
    """Make what each signature takes, a batch of one picture."""
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[encoded]))
    example = tf.train.Example(features=tf.train.Features(feature={"image/encoded": feature}))
    with Image.open(io.BytesIO(encoded)) as image:
        pixels = np.asarray(image.convert("RGB"))
    values = (
        _bytes_to_inputs(encoded),
        _bytes_to_inputs(example.SerializeToString(deterministic=True)),
        pixels[np.newaxis],
    )
    return dict(zip(SIGNATURES, values, strict=True))


def pixels_to_png(pixels: NDArray[np.uint8]) -> NDArray[Any]:
    """Encode decoded pixels [1, H, W, 3] without loss, as `serving_default` takes them."""
    encoded = io.BytesIO()
    Image.fromarray(pixels[0]).save(encoded, "PNG", compress_level=1)
    return _bytes_to_inputs(encoded.getvalue())


def _bytes_to_inputs(data: bytes) -> NDArray[Any]:
    inputs = np.empty(1, object)
    inputs[0] = data
    return inputs
