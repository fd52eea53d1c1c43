"""A model's signature -> what to send it, and what to ask it for.

Read from the server rather than assumed, so that models exported elsewhere work: TF Object
Detection API's (`input_tensor`, uint8 [1, None, None, 3]) as well as this project's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rhymes.client.errors import BadImage, UnsupportedModel
from rhymes.detections.detections import BOXES, CLASSES, COUNT, MASKS, SCORES
from rhymes.images.images import UprightImage, image_to_pixels
from rhymes.wire.codec import STRING, array_to_tensor, dtype_to_name
from rhymes.wire.dtypes import dtype_to_number
from rhymes.wire.messages import Example

_UINT8 = dtype_to_number(np.dtype(np.uint8))


@dataclass(frozen=True)
class ModelInput:
    """The one input of a detector.

    Attributes:
        key: Its name in the signature.
        kind: "encoded" (JPEG or PNG bytes), "example" (a tf.train.Example around them) or
            "pixels" (uint8 RGB).
        rank: Of the tensor: 0 or 1 for strings, 3 or 4 for pixels.
        batch: Whether one request may hold any number of images (pixels: of one size).
        height: That images must have, in pixels; None where any will do.
        width: That images must have, in pixels; None where any will do.
    """

    key: str
    kind: Literal["encoded", "example", "pixels"]
    rank: int
    batch: bool
    height: int | None = None
    width: int | None = None


@dataclass(frozen=True)
class ModelSignature:
    """How a detector is called.

    Attributes:
        name: Of the signature.
        input: What it takes.
        has_masks: Whether it gives masks.
    """

    name: str
    input: ModelInput
    has_masks: bool

    def output_filter(self, *, masks: bool) -> list[str]:
        """Name the outputs to ask for; those without use would be computed and sent as well."""
        return [BOXES, SCORES, CLASSES, COUNT] + ([MASKS] if masks and self.has_masks else [])


def signatures_to_signature(signatures: Mapping[str, Any], name: str) -> ModelSignature:
    """Read how to call a detector.

    Args:
        signatures: The model's SignatureDefs by name, as GetModelMetadata gives them.
        name: Of the signature to call.

    Raises:
        UnsupportedModel: no such signature, or not one of a detector that takes images.
    """
    if name not in signatures:
        raise UnsupportedModel(
            f"the model has no signature '{name}'; it has {_quoted(signatures)}: choose one with "
            "DetectorClient(signature=...)"
        )
    signature = signatures[name]
    if missing := [key for key in (BOXES, SCORES, CLASSES, COUNT) if key not in signature.outputs]:
        raise UnsupportedModel(
            f"signature '{name}' gives no {', '.join(missing)}, which a detector has; its outputs "
            f"are {_quoted(signature.outputs)}"
        )
    required = [key for key in signature.inputs if key not in signature.defaults]
    if len(required) != 1:
        raise UnsupportedModel(
            f"signature '{name}' takes the inputs {_quoted(required)}; expected one, of images"
        )
    info = signature.inputs[required[0]]
    taken = _info_to_input(required[0], info, is_example="example" in f"{name} {required[0]}")
    if taken is None:
        raise UnsupportedModel(
            f"signature '{name}' takes {dtype_to_name(info.dtype)} {_shape_text(info)} as "
            f"'{required[0]}'; this client sends encoded images (string [N]) or pixels (uint8 "
            "[N, height, width, 3], N any number or 1)"
        )
    return ModelSignature(name, taken, MASKS in signature.outputs)


def _info_to_input(key: str, info: Any, *, is_example: bool) -> ModelInput | None:
    sizes = [None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim]
    if info.dtype == STRING:
        if info.tensor_shape.unknown_rank:
            sizes = [None]
        if len(sizes) > 1 or (sizes and sizes[0] not in (None, 1)):
            return None
        kind: Literal["encoded", "example"] = "example" if is_example else "encoded"
        return ModelInput(key, kind, len(sizes), batch=sizes == [None])
    if info.dtype == _UINT8:
        if info.tensor_shape.unknown_rank:
            # Whether such a model takes several images is not said; one it does.
            sizes = [1, None, None, 3]
        *outer, height, width, channels = sizes if len(sizes) in (3, 4) else [0] * 3
        if channels not in (None, 3) or (outer and outer[0] not in (None, 1)):
            return None
        return ModelInput(key, "pixels", len(sizes), outer == [None], height, width)
    return None


def _quoted(names: Any) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names)) or "none"


def _shape_text(info: Any) -> str:
    if info.tensor_shape.unknown_rank:
        return "of unknown rank"
    return f"[{', '.join('?' if d.size < 0 else str(d.size) for d in info.tensor_shape.dim)}]"


def images_to_tensor(images: Sequence[UprightImage], taken: ModelInput) -> Any:
    """Put images into the TensorProto that a model takes.

    Args:
        images: One, or several where the model takes them (pixels: of one size).
        taken: What it takes.

    Raises:
        BadImage: an image has another size than the model's only one.
    """
    if taken.kind == "pixels":
        _check_sizes(images, taken)
        if taken.rank == 3:
            return array_to_tensor(image_to_pixels(images[0]))
        return array_to_tensor(np.stack([image_to_pixels(image) for image in images]))
    encoded = [image.data for image in images]
    if taken.kind == "example":
        encoded = [_encoded_to_example(data) for data in encoded]
    return array_to_tensor(encoded if taken.rank else encoded[0])


def _check_sizes(images: Sequence[UprightImage], taken: ModelInput) -> None:
    for image in images:
        if taken.height not in (None, image.height) or taken.width not in (None, image.width):
            raise BadImage(
                f"the image is {image.width} x {image.height}, but the model takes only "
                f"{taken.width or 'any'} x {taken.height or 'any'} (width x height); resize it"
            )


def _encoded_to_example(data: bytes) -> bytes:
    example = Example()
    example.features.feature["image/encoded"].bytes_list.value.append(data)
    return bytes(example.SerializeToString(deterministic=True))


def images_to_chunks(
    images: Sequence[UprightImage], taken: ModelInput, max_images: int, max_bytes: int
) -> list[list[int]]:
    """Say which images go into one request: indices of `images`, each of them once.

    Args:
        images: To send.
        taken: What the model takes; pixels of one request have one size.
        max_images: The most for one request.
        max_bytes: The most that those of one request may take; an image that is larger goes
            alone.
    """
    if not taken.batch:
        return [[i] for i in range(len(images))]
    chunks: list[list[int]] = []
    open_chunks: dict[tuple[int, int] | None, tuple[list[int], int]] = {}
    for i, image in enumerate(images):
        size = (image.width, image.height) if taken.kind == "pixels" else None
        cost = image.width * image.height * 3 if size else len(image.data) + 100
        chunk, taken_bytes = open_chunks.get(size, ([], 0))
        if not chunk or len(chunk) == max_images or taken_bytes + cost > max_bytes:
            chunk, taken_bytes = [], 0
            chunks.append(chunk)
        chunk.append(i)
        open_chunks[size] = (chunk, taken_bytes + cost)
    return chunks
