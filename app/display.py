"""What of the detections is shown, and the image that shows it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import streamlit as st
from PIL import Image

from app.checked_image import CheckedImage
from rhymes.client.description import ModelDescription
from rhymes.common.text import count_to_text
from rhymes.detections.detections import Detections
from rhymes.detections.drawing import ALL_LAYERS, Layer, draw_on_scene, image_to_scene
from rhymes.images.images import image_to_pixels

DEFAULT_SCORE = 0.5
_QUALITY = 90


@dataclass(frozen=True)
class Display:
    """What of the detections is shown.

    Attributes:
        score: Those of at least this score.
        class_ids: Those of these classes; None for all.
        layers: What is drawn of each.
    """

    score: float
    class_ids: frozenset[int] | None = None
    layers: frozenset[Layer] = ALL_LAYERS

    def choose(self, detections: Detections) -> Detections:
        """Those that are shown, the best first."""
        return self.of_classes(detections.above(self.score))

    def of_classes(self, detections: Detections) -> Detections:
        """Those of the chosen classes, of whatever score."""
        if self.class_ids is None:
            return detections
        return detections.select(np.flatnonzero(np.isin(detections.class_ids, [*self.class_ids])))


def model_floor(model: ModelDescription) -> float:
    """The score below which the model reports nothing; 0 where it does not say."""
    floor = (model.info or {}).get("score_threshold", 0.0)
    return min(max(float(floor), 0.0), 0.99) if isinstance(floor, int | float) else 0.0


def choose_display(
    names: Mapping[int, str], *, has_masks: bool, key: str, floor: float = 0.0
) -> Display:
    """Show the controls, and say what they stand at.

    Args:
        names: Class names by id.
        has_masks: Whether there are masks to show.
        key: Of the view; each keeps its own.
        floor: Minimum score that there can be.
    """
    score = st.slider(
        "Minimum score",
        min_value=round(floor, 2),
        max_value=1.0,
        value=max(DEFAULT_SCORE, round(floor, 2)),
        step=0.01,
        key=f"{key} score",
        help="How sure the model has to be. Lower shows more, and more that is wrong. "
        "Nothing is asked of the server again.",
    )
    chosen = st.multiselect(
        "Classes",
        sorted(names),
        format_func=lambda class_id: names[class_id],
        placeholder="All classes",
        key=f"{key} classes",
    )
    layers = [layer for layer in get_args(Layer) if has_masks or layer != "masks"]
    shown = st.pills(
        "Show", layers, selection_mode="multi", default=layers, format_func=str.capitalize,
        key=f"{key} layers",
    )  # fmt: skip
    return Display(score, frozenset(chosen) or None, frozenset(shown))


def show_drawn(
    image: CheckedImage,
    detections: Detections,
    labels: Sequence[str],
    *,
    layers: frozenset[Layer] = ALL_LAYERS,
    highlight: int | None = None,
    faded: frozenset[int] = frozenset(),
) -> None:
    """Show an image with what was found in it; see `draw`."""
    count = count_to_text(len(detections), "object")
    drawn = draw(image, detections, labels, layers=layers, highlight=highlight, faded=faded)
    st.image(drawn, width="stretch", alt=f"{image.name} with {count}")


def draw(
    image: CheckedImage,
    detections: Detections,
    labels: Sequence[str],
    *,
    layers: frozenset[Layer] = ALL_LAYERS,
    highlight: int | None = None,
    faded: frozenset[int] = frozenset(),
) -> bytes:
    """Draw detections over an image: a JPEG, the longer side of 720 to 1280 pixels.

    Args:
        image: The image.
        detections: Those to draw.
        labels: One for each.
        layers: What is drawn of each.
        highlight: Index of the one that stands out.
        faded: Indices of those that are drawn faintly.
    """
    how = (tuple(labels), tuple(sorted(layers)), highlight, tuple(sorted(faded)))
    return _draw((image.digest, _digest(detections), how), image, detections)


@st.cache_data(show_spinner=False, max_entries=500, max_size="64MB")
def _draw(key: tuple[str, str, Any], _image: CheckedImage, _detections: Detections) -> bytes:
    labels, layers, highlight, faded = key[2]
    drawn = draw_on_scene(
        _scene(_image.digest, _image),
        _detections,
        labels,
        layers=layers,
        highlight=highlight,
        faded=faded,
    )
    encoded = io.BytesIO()
    drawn.save(encoded, "JPEG", quality=_QUALITY)
    return encoded.getvalue()


@st.cache_resource(show_spinner=False, max_entries=16)
def _scene(digest: str, _image: CheckedImage) -> Image.Image:  # noqa: ARG001 - the key
    """An image as it is drawn on, 5 MB at most; decoding twelve megapixels takes a while."""
    return image_to_scene(Image.fromarray(image_to_pixels(_image.upright)))


def _digest(detections: Detections) -> str:
    """Tell detections of one image from others."""
    known = hashlib.blake2b(digest_size=16)
    for array in (detections.boxes, detections.scores, detections.class_ids):
        known.update(array.tobytes())
    for crop in detections.masks or ():
        known.update(f"{crop.x} {crop.y} {crop.pixels.shape}".encode())
        known.update(np.packbits(crop.pixels).tobytes())
    return known.hexdigest()
