"""The outputs of one image: its detections -> annotation cell, JSON, COCO results, drawing."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from rhymes.coco.files import CocoImage
from rhymes.detections.detections import Detections, detections_to_coco
from rhymes.export.cells import items_to_cell
from rhymes.export.dialect import Dialect
from rhymes.images.images import UprightImage, image_to_pixels
from rhymes.predictions.export_cells import (
    detections_to_items,
    detections_to_outlines,
    detections_to_prediction,
)
from rhymes.predictions.image_list import ListedImage
from rhymes.predictions.ranking import Uncertainty, detections_to_uncertainty

_QUALITY = 90


@dataclass(frozen=True)
class OutputSettings:
    """What all images of a run have in common.

    Attributes:
        names: Class names by id.
        dialect: Of the CSV.
        score: Objects of at least this score are written and drawn.
        is_drawn: Whether to draw annotated images.
        model: What the JSON's `info` says of the model.
    """

    names: Mapping[int, str]
    dialect: Dialect
    score: float
    is_drawn: bool
    model: Mapping[str, Any]


@dataclass(frozen=True)
class Outputs:
    """Everything that is written about an image.

    Attributes:
        image: The image.
        coco_image: Its record in COCO's list of images.
        cell: Its `output_content` in the CSV.
        prediction: The text of its JSON file.
        coco_results: The texts of its records in COCO's list of results.
        copy: The bytes of its file, where a copy is wanted.
        drawn: An annotated image, JPEG, where one is wanted.
        uncertainty: How much it would teach the model.
        objects: How many are written.
        cut: How many of those have parts that CSV and JSON leave out.
        empty: How many of those have a mask without a pixel.
        is_blank: Whether nothing at all was found, of whatever score.
    """

    image: ListedImage
    coco_image: CocoImage
    cell: str
    prediction: str
    coco_results: tuple[str, ...]
    copy: bytes | None
    drawn: bytes | None
    uncertainty: Uncertainty
    objects: int
    cut: int
    empty: int
    is_blank: bool


@dataclass(frozen=True)
class LoadedImage:
    """An image and what its file holds.

    Attributes:
        image: The image.
        number: Its id in the COCO files.
        data: The bytes of its file.
        upright: The same image as detectors see it.
    """

    image: ListedImage
    number: int
    data: bytes
    upright: UprightImage


def detections_to_outputs(
    loaded: LoadedImage, detections: Detections, settings: OutputSettings
) -> Outputs:
    """Make all that is written about an image, of all that was found in it.

    Raises:
        InputError: a class has no name.
    """
    image = loaded.image
    uncertainty = detections_to_uncertainty(detections)
    chosen = detections.above(settings.score)
    outlines = detections_to_outlines(chosen)
    items = detections_to_items(chosen, outlines, settings.names, settings.dialect)
    info = _info(image, detections, uncertainty, settings)
    prediction = detections_to_prediction(chosen, outlines, settings.names, info)
    return Outputs(
        image,
        _coco_image(loaded),
        items_to_cell(items),
        _json(prediction) + "\n",
        tuple(_json(result) for result in detections_to_coco(chosen, loaded.number)),
        copy=loaded.data if image.is_copied else None,
        drawn=_draw(loaded.upright, chosen, settings.names) if settings.is_drawn else None,
        uncertainty=uncertainty,
        objects=len(chosen),
        cut=outlines.cut,
        empty=outlines.empty,
        is_blank=not len(detections),
    )


def _info(
    image: ListedImage, detections: Detections, uncertainty: Uncertainty, settings: OutputSettings
) -> dict[str, Any]:
    return {
        "file": image.shown,
        "image": image.image,
        "width": detections.width,
        "height": detections.height,
        **settings.model,
        "score": settings.score,
        "uncertainty": round(uncertainty.highest, 6),
    }


def _coco_image(loaded: LoadedImage) -> CocoImage:
    return {
        "id": loaded.number,
        "file_name": loaded.image.file_name,
        "width": loaded.upright.width,
        "height": loaded.upright.height,
        "source": loaded.image.image,
    }


def _draw(upright: UprightImage, detections: Detections, names: Mapping[int, str]) -> bytes:
    # Without drawings the core's packages are enough.
    from rhymes.detections.drawing import detections_to_labels, draw_detections

    pixels = Image.fromarray(image_to_pixels(upright))
    drawn = draw_detections(pixels, detections, detections_to_labels(detections, names))
    encoded = io.BytesIO()
    drawn.save(encoded, "JPEG", quality=_QUALITY)
    return encoded.getvalue()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
