"""Verification of the served detector against the exported and the trained one, by image."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rhymes.coco.tfrecord import features_to_example
from rhymes.common.errors import InputError
from rhymes.common.markdown import rows_to_table
from rhymes.detections.detections import (
    BOXES,
    CLASSES,
    MASKS,
    SCORES,
    Detections,
    outputs_to_detections,
)
from rhymes.detector.parity import (
    ImageOutputs,
    Parity,
    compare_outputs,
    detections_to_image_outputs,
    difference_to_bound,
    outputs_to_image_outputs,
)

SIGNATURES = ("serving_default", "tf_example", "image_tensor")
SERVED_TOLERANCE, EAGER_TOLERANCE = 1e-5, 1e-3

Outputs = Mapping[str, NDArray[Any]]
Call = Callable[[NDArray[Any], str], Outputs]
"""A detector: what a signature takes (batch of one image), and its name -> its outputs."""


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
    "the signatures preprocess images differently: see rhymes/detector/inference.py",
)

Parities = Mapping[Kind, Mapping[str, Parity]]

_COLUMNS = (BOXES, SCORES, CLASSES, MASKS)


@dataclass(frozen=True)
class TestImage:
    """An image of the test split: the name that users know, an upright JPEG, its size."""

    name: str
    encoded: bytes
    width: int
    height: int


@dataclass(frozen=True)
class _Failure:
    kind: Kind
    image: str
    signature: str
    output: str
    difference: float

    @property
    def excess(self) -> float:
        return self.difference / self.kind.tolerance


class Verification:
    """Comparisons, images added one by one.

    Args:
        served: the model behind the wire.
        saved: the SavedModel in process.
        eager: the trained network, neither traced nor frozen.
        threshold: the score below which the network drops detections.

    Attributes:
        parities: by kind and signature, for those of which an image was seen.
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

    def compare_client(self, image: TestImage, detections: Detections) -> None:
        """Compare what the client made of an image with what the SavedModel says of it."""
        outputs = self._saved(_bytes_to_inputs(image.encoded), SIGNATURES[0])
        expected = outputs_to_detections(outputs, 0, image.width, image.height)
        max_detections = outputs_to_image_outputs(outputs).max_detections
        self._add(
            CLIENT,
            image,
            SIGNATURES[0],
            detections_to_image_outputs(expected, max_detections),
            detections_to_image_outputs(detections, max_detections),
        )

    def compare_signatures(self, image: TestImage) -> None:
        """Compare all signatures' outputs for an image, on all sides."""
        for signature, inputs in image_to_inputs(image.encoded).items():
            served = outputs_to_image_outputs(self._served(inputs, signature))
            saved = outputs_to_image_outputs(self._saved(inputs, signature))
            eager = outputs_to_image_outputs(self._eager(inputs, signature))
            self._add(SAVED_MODEL, image, signature, saved, served)
            self._add(EAGER, image, signature, eager, served)
            if signature == "image_tensor":
                lossless = self._served(pixels_to_png(inputs), "serving_default")
                self._add(LOSSLESS, image, signature, outputs_to_image_outputs(lossless), served)

    def _add(
        self,
        kind: Kind,
        image: TestImage,
        signature: str,
        expected: ImageOutputs,
        actual: ImageOutputs,
    ) -> None:
        parity = compare_outputs(expected, actual, kind.tolerance, self._threshold)
        self.parities[kind][signature].add(parity)
        worst = parity.worst()
        if worst is None:
            return
        self._failed.add(image.name)
        failure = _Failure(kind, image.name, signature, *worst)
        if self._worst is None or failure.excess > self._worst.excess:
            self._worst = failure

    def check(self) -> None:
        """Raise an `InputError` that names the largest difference, if any is not allowed."""
        worst = self._worst
        if worst is None:
            return
        others = len(self._failed) - 1
        raise InputError(
            f"{worst.image}, signature {worst.signature}: {worst.output} {worst.kind.sides} "
            f"differ by {worst.difference:.3g}, more than the {worst.kind.tolerance:g} allowed"
            f"{f' ({others} more images differ too much)' if others else ''}; "
            f"{worst.kind.advice}"
        )


def image_to_inputs(encoded: bytes) -> dict[str, NDArray[Any]]:
    """Make what each signature takes, a batch of one image."""
    with Image.open(io.BytesIO(encoded)) as image:
        pixels = np.asarray(image.convert("RGB"))
    values = (
        _bytes_to_inputs(encoded),
        _bytes_to_inputs(features_to_example({"image/encoded": [encoded]})),
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


def parities_to_metrics(
    version: int, images: int, sampled: int, parities: Parities
) -> dict[str, Any]:
    """Return all figures; differences as the power of ten that they do not exceed."""
    return {
        "version": version,
        "images": images,
        "sampled_images": sampled,
        **{
            kind.key: {name: _parity_to_metrics(parity) for name, parity in measured.items()}
            for kind, measured in parities.items()
        },
    }


def _parity_to_metrics(parity: Parity) -> dict[str, Any]:
    return {
        "tolerance": parity.tolerance,
        "images": parity.images,
        "detections": parity.detections,
        "moved": parity.moved,
        "borderline": parity.borderline,
        "differences": {
            name: difference_to_bound(difference)
            for name, difference in sorted(parity.differences.items())
        },
    }


def parities_to_markdown(version: int, images: int, sampled: int, parities: Parities) -> str:
    """Write the report."""
    parts = ["# The served detector against the trained one", _intro(version, images, sampled)]
    for kind, measured in parities.items():
        parts += [f"## {kind.title}", _table(measured)]
    return "\n\n".join(parts) + "\n"


def _intro(version: int, images: int, sampled: int) -> str:
    return (
        f"Version {version}, served over gRPC by the embedded server, on {images} images of the "
        f"test split; what costs most on {sampled} of them, spread over the split. A difference "
        "is given as the power of ten that it does not exceed: of boxes in fractions of the "
        "image's sides, of masks in probability, of a client's cut masks as the share of pixels "
        "that differ. Moved detections have another index among nearly equal scores; "
        "borderline ones are on one side only, for their score lies on the edge of being kept."
    )


def _table(measured: Mapping[str, Parity]) -> str:
    header = (
        "signature", "images", "detections", "boxes", "scores", "classes", "masks",
        "allowed", "moved", "borderline",
    )  # fmt: skip
    rows = [_parity_to_cells(name, parity) for name, parity in measured.items()]
    return rows_to_table(header, rows, has_numbers=True)


def _parity_to_cells(signature: str, parity: Parity) -> list[str]:
    differences = [
        _bound_to_text(parity.differences[name]) if name in parity.differences else "n/a"
        for name in _COLUMNS
    ]
    counts = [str(parity.images), str(parity.detections)]
    return [
        signature, *counts, *differences,
        f"{parity.tolerance:.0e}", str(parity.moved), str(parity.borderline),
    ]  # fmt: skip


def _bound_to_text(difference: float) -> str:
    bound = difference_to_bound(difference)
    return "not comparable" if bound is None else f"{bound:.0e}"
