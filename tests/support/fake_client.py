"""A client without a server: it finds what is red, green or blue, one object of each at most."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Self

import numpy as np
from PIL import Image, ImageDraw

from rhymes.client.client import Answer, ModelDescription
from rhymes.client.signature import ModelInput, ModelSignature
from rhymes.detections.detections import Detections
from rhymes.detections.masks import MaskCrop
from rhymes.images.images import UprightImage, check_image
from tests.support.orientations import upright_to_stored

COLORS = {1: (230, 20, 20), 2: (20, 230, 20), 3: (20, 20, 230)}
SCORES = {1: 0.9, 2: 0.8, 3: 0.3}
NAMES = {1: 'crème, "brûlée"', 2: "it's 西瓜; =1+1", 3: "logic gate"}

_ORIENTATION = 0x0112


def encode_image(
    *objects: tuple[int, tuple[int, int, int, int]],
    size: tuple[int, int] = (120, 80),
    round_: bool = False,
    encoding: str = "JPEG",
    orientation: int = 1,
) -> bytes:
    """Encode a grey image with objects: class id (colour) and x, y, width, height, upright."""
    image = Image.new("RGB", size, (128, 128, 128))
    draw = ImageDraw.Draw(image)
    for class_id, (x, y, w, h) in objects:
        shape = draw.ellipse if round_ else draw.rectangle
        shape((x, y, x + w - 1, y + h - 1), fill=COLORS[class_id])
    stored = upright_to_stored(image, orientation)
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    file = io.BytesIO()
    stored.save(file, encoding, quality=95, subsampling=0, exif=exif)
    return file.getvalue()


def find_colors(image: UprightImage, *, masks: bool = True) -> Detections:
    """Find the objects of `encode_image`."""
    pixels = np.asarray(Image.open(io.BytesIO(image.data)), np.int32)
    found: list[tuple[int, tuple[int, ...], MaskCrop]] = []
    for class_id, color in COLORS.items():
        colored = np.abs(pixels - color).max(axis=-1) < 60
        if colored.any():
            rows, columns = np.nonzero(colored)
            x, y = int(columns.min()), int(rows.min())
            right, bottom = int(columns.max()) + 1, int(rows.max()) + 1
            crop = MaskCrop(x, y, colored[y:bottom, x:right])
            found.append((class_id, (x, y, right, bottom), crop))
    return Detections(
        image.width,
        image.height,
        np.array([box for _, box, _ in found], np.float32).reshape(-1, 4),
        np.array([SCORES[class_id] for class_id, _, _ in found], np.float32),
        np.array([class_id for class_id, _, _ in found], np.int32),
        tuple(crop for _, _, crop in found) if masks else None,
    )


def file_to_detections(data: bytes) -> Detections:
    """What the client finds in a file, from 0.5 on."""
    checked = check_image(data, max_bytes=10**7, max_pixels=10**7, keep=frozenset({"JPEG", "PNG"}))
    return find_colors(checked).above(0.5)


class FakeClient:
    """Answers as a `DetectorClient` of a server with model version 3 does.

    Attributes:
        asked: Versions that were asked for, in order.
        describe_error: Raised instead of a description.
        model: What is described.

    Args:
        find: What is found in an image; may raise.
        names: Of the classes.
        masks: Whether the model has masks.
    """

    def __init__(
        self,
        find: Callable[[UprightImage], Detections] | None = None,
        *,
        names: dict[int, str] | None = None,
        masks: bool = True,
    ) -> None:
        self.asked: list[int | None] = []
        self.describe_error: Exception | None = None
        taken = ModelInput("inputs", "encoded", 1, batch=True)
        signature = ModelSignature("serving_default", taken, masks)
        self.model = ModelDescription(
            "detector", 3, NAMES if names is None else names, None, signature, (), "abc"
        )
        self._find = find or (lambda image: find_colors(image, masks=masks))

    def describe(self, version: int | None = None) -> ModelDescription:
        if self.describe_error is not None:
            raise self.describe_error
        return self.model

    def answer(
        self, data: UprightImage, *, masks: bool = True, version: int | None = None
    ) -> Answer:
        self.asked.append(version)
        return Answer(self._find(data), 3, self.model.identity, 0.0, None, self.model)

    def retrained(self) -> None:
        """Have other bytes under the same version from now on, as answers tell."""
        before = self.model
        self.model = replace(before, identity="other")
        self.describe = lambda version=None: before  # type: ignore[method-assign]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass
