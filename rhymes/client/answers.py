"""PredictResponse -> detections: what a server says is checked like any other input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhymes.client.errors import BadAnswer
from rhymes.detections.detections import (
    BOXES,
    CLASSES,
    COUNT,
    MASKS,
    SCORES,
    Detections,
    outputs_to_detections,
)
from rhymes.images.images import UprightImage
from rhymes.wire.codec import tensor_to_array

# Boxes may leave the image a little. Where they are pixels, not fractions, a box that lies in
# the first ten pixels alone would be the exception.
_MAX_COORDINATE = 10.0
# Per image and output; a hundred masks of 28 x 28 are 78,400.
_MAX_VALUES = 50_000_000
# OpenCV resizes grids below 32,768 only.
_MAX_GRID = 10_000


def response_to_detections(
    response: Any, images: Sequence[UprightImage], *, masks: bool
) -> list[Detections]:
    """Read what a detector found in the images of one request.

    Args:
        response: The PredictResponse; of its outputs those with a detector's names count.
        images: Those that were sent, in order.
        masks: Whether to take masks where there are any.

    Raises:
        BadAnswer: saying which output is missing or is not what a detector gives.
    """
    outputs: dict[str, NDArray[Any]] = {}
    for name in (BOXES, SCORES, CLASSES, COUNT, *([MASKS] if masks else [])):
        if name in response.outputs:
            outputs[name] = _read_output(response.outputs[name], name, len(images))
    try:
        _check_count(outputs)
        _check_boxes(outputs)
        return [
            outputs_to_detections(outputs, i, image.width, image.height)
            for i, image in enumerate(images)
        ]
    except ValueError as error:
        raise BadAnswer(f"the server's answer is not a detector's: {error}") from None


def _read_output(tensor: Any, name: str, images: int) -> NDArray[Any]:
    try:
        array = tensor_to_array(tensor, max_bytes=4 * _MAX_VALUES * images)
    except ValueError as error:
        raise BadAnswer(f"the server's {name} cannot be read: {error}") from None
    if array.dtype.kind not in "fiu":
        raise BadAnswer(f"the server's {name} holds {array.dtype}, expected numbers")
    rank = {BOXES: 3, MASKS: 4, COUNT: 1}.get(name, 2)
    if array.ndim != rank or array.shape[0] != images:
        raise BadAnswer(
            f"the server's {name} has the shape {list(array.shape)}, expected {rank} dimensions, "
            f"of which the first is {images}, the number of images"
        )
    if name == MASKS and not all(1 <= size <= _MAX_GRID for size in array.shape[2:]):
        raise BadAnswer(
            f"the server's {name} are grids of {array.shape[2]} x {array.shape[3]} cells, expected "
            f"1 to {_MAX_GRID} each way"
        )
    return array


def _check_count(outputs: dict[str, NDArray[Any]]) -> None:
    """Refuse a number of detections that is none; elsewhere it is an index."""
    if COUNT not in outputs or SCORES not in outputs:
        return  # `outputs_to_detections` says what is missing
    count, max_detections = outputs[COUNT], outputs[SCORES].shape[1]
    if not ((count >= 0) & (count <= max_detections)).all():
        raise ValueError(f"{COUNT} is {count.tolist()}, but there are {max_detections} scores")


def _check_boxes(outputs: dict[str, NDArray[Any]]) -> None:
    """Refuse boxes in pixels: clipped as fractions they would vanish at the image's edge."""
    if BOXES not in outputs or COUNT not in outputs:
        return
    for boxes, count in zip(outputs[BOXES], outputs[COUNT], strict=True):
        kept = np.abs(boxes[: int(count)])
        if kept.size and np.isfinite(kept).all() and kept.max() > _MAX_COORDINATE:
            raise ValueError(
                f"{BOXES} reach {kept.max():g}; expected fractions of the image, 0 to 1. Export "
                "the model with normalized coordinates (output_normalized_coordinates)"
            )
