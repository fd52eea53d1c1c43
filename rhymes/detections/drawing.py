"""Detections drawn over their image, for reports and the page.

An image is first brought to a size at which lines and text can be read and then drawn on, so that
200 pixels look like 12 megapixels. The same input gives the same bytes.
"""

from __future__ import annotations

import colorsys
import io
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import matplotlib as mpl
import numpy as np
import supervision as sv
from PIL import Image, ImageDraw, ImageFont

from rhymes.coco.label_map import class_name
from rhymes.detections.detections import Detections
from rhymes.detections.masks import MaskCrop

FONT = Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
"""Comes with matplotlib; has all accents of Latin, Greek and Cyrillic."""

MARK = "\N{BALLOT X}"
"""Stands before the label of an object that deserves a look."""

Layer = Literal["boxes", "masks", "labels"]
"""What can be drawn of an object."""

ALL_LAYERS: frozenset[Layer] = frozenset(get_args(Layer))

_MIN_LENGTH, _MAX_LENGTH = 720, 1280  # pixels of a drawn image's longer side
_MASK_OPACITY = 0.4
_FAINT = 0.5  # of what is faded
_THIN, _THICK = 2, 4  # pixels of an outline
_MAX_NAME_LENGTH = 32  # characters
_TEXT, _CAPTION = 14, 18  # pixels
_INK, _PAPER = (32, 33, 36), (255, 255, 255)


def class_color(class_id: int) -> sv.Color:
    """The colour of a class, by its id alone: other classes and other data do not change it."""
    # Steps of the golden section of the circle keep neighbours far apart, however many they are.
    hue = class_id * 0.618034 % 1
    value = (0.95, 0.75, 0.55)[class_id // 8 % 3]
    return sv.Color(*(round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.85, value)))


def _text_color(background: sv.Color) -> sv.Color:
    luminance = 0.299 * background.r + 0.587 * background.g + 0.114 * background.b
    return sv.Color.BLACK if luminance > 140 else sv.Color.WHITE


@cache
def _palettes(classes: int) -> tuple[sv.ColorPalette, sv.ColorPalette]:
    """Colours of the class ids below `classes`, and those of text on them."""
    colors = [class_color(class_id) for class_id in range(classes)]
    return sv.ColorPalette(colors), sv.ColorPalette([_text_color(color) for color in colors])


def detections_to_labels(
    detections: Detections,
    names: Mapping[int, str],
    *,
    scores: bool = True,
    marked: Collection[int] = (),
) -> list[str]:
    """Make one label for each object: its class, perhaps its score, marked or not.

    Args:
        detections: The objects.
        names: Class names by id; an id without one is written as a number.
        scores: Whether to write scores.
        marked: Places (in `detections`) of the objects that get a `MARK`.
    """
    labels = []
    for i in range(len(detections)):
        class_id = int(detections.class_ids[i])
        name = class_name(names, class_id)
        if len(name) > _MAX_NAME_LENGTH:
            name = name[: _MAX_NAME_LENGTH - 1] + "\N{HORIZONTAL ELLIPSIS}"
        score = f" {detections.scores[i]:.2f}" if scores else ""
        labels.append(f"{MARK + ' ' if i in marked else ''}{name}{score}")
    return labels


def draw_detections(
    image: Image.Image,
    detections: Detections,
    labels: Sequence[str],
    *,
    layers: Collection[Layer] = ALL_LAYERS,
    highlight: int | None = None,
    faded: Collection[int] = (),
) -> Image.Image:
    """Draw masks (where there are some), boxes and labels over an image.

    Args:
        image: Upright, of the size that the detections name.
        detections: The objects; the best are drawn last, on top.
        labels: One for each object. They are moved apart where they would overlap.
        layers: What is drawn of each object.
        highlight: Index of the one object to look at: all others are faded.
        faded: Indices of objects that are drawn faintly, without a label.

    Returns:
        RGB, enlarged or reduced so that the longer side is of 720 to 1280 pixels.
    """
    if image.size != (detections.width, detections.height):
        raise ValueError(
            f"image: expected {detections.width} x {detections.height} pixels as its detections "
            f"say, got {image.width} x {image.height}"
        )
    scene = image_to_scene(image)
    return draw_on_scene(scene, detections, labels, layers=layers, highlight=highlight, faded=faded)


def image_to_scene(image: Image.Image) -> Image.Image:
    """Bring an image to the size that is drawn on: RGB, the longer side of 720 to 1280 pixels."""
    longer = max(image.size)
    scale = min(max(longer, _MIN_LENGTH), _MAX_LENGTH) / longer
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)


def draw_on_scene(
    scene: Image.Image,
    detections: Detections,
    labels: Sequence[str],
    *,
    layers: Collection[Layer] = ALL_LAYERS,
    highlight: int | None = None,
    faded: Collection[int] = (),
) -> Image.Image:
    """Draw on what `image_to_scene` made of the detections' image. See `draw_detections`."""
    indices = range(len(detections))
    strong = [i for i in indices if i not in faded] if highlight is None else [highlight]
    faint = [i for i in indices if i not in strong]
    drawn = scene.copy()
    if faint:
        # An outline cannot be translucent by itself, so that all of them are blended.
        shapes = frozenset(layers) - {"labels"}
        layer = _draw(scene.copy(), detections.select(faint), None, shapes, _THIN)
        drawn = Image.blend(drawn, layer, _FAINT)
    if strong:
        chosen = [labels[i] for i in strong]
        thickness = _THIN if highlight is None else _THICK
        drawn = _draw(drawn, detections.select(strong), chosen, layers, thickness)
    return drawn


def _draw(
    scene: Image.Image,
    detections: Detections,
    labels: Sequence[str] | None,
    layers: Collection[Layer],
    thickness: int,
) -> Image.Image:
    """Draw some objects; boxes around masks are thinner than those that stand alone."""
    # Last drawn is on top: the best must not be covered by the others.
    shown = _to_supervision(detections, *scene.size)[::-1]
    colors, text_colors = _palettes(int(np.max(detections.class_ids)) + 1)
    has_masks = shown.mask is not None and "masks" in layers
    if has_masks:
        scene = sv.MaskAnnotator(colors, opacity=_MASK_OPACITY).annotate(scene, shown)
        scene = sv.PolygonAnnotator(colors, thickness=thickness).annotate(scene, shown)
    if "boxes" in layers:
        outline = max(1, thickness // 2) if has_masks else thickness
        scene = sv.BoxAnnotator(colors, thickness=outline).annotate(scene, shown)
    if "labels" in layers and labels is not None:
        writer = sv.RichLabelAnnotator(
            colors,
            text_color=text_colors,
            font_path=str(FONT),
            font_size=_TEXT,
            text_padding=3,
            smart_position=True,
        )
        scene = writer.annotate(scene, shown, list(labels)[::-1])
    return scene


def _to_supervision(detections: Detections, width: int, height: int) -> sv.Detections:
    """Detections as supervision has them, brought to an image of this size."""
    scale = np.array([width / detections.width, height / detections.height] * 2, np.float32)
    return sv.Detections(
        xyxy=detections.boxes * scale,
        mask=_compact_mask(detections, width, height),
        confidence=detections.scores,
        class_id=detections.class_ids,
    )


def _compact_mask(detections: Detections, width: int, height: int) -> sv.CompactMask | None:
    if detections.masks is None:
        return None
    blank = MaskCrop(0, 0, np.zeros((1, 1), np.bool_))  # supervision wants at least one pixel
    crops = [crop if crop.pixels.size else blank for crop in detections.masks]
    compact = sv.CompactMask(
        [np.array(sv.mask_to_rle(crop.pixels), np.int32) for crop in crops],
        np.array([crop.pixels.shape for crop in crops], np.int32),
        np.array([[crop.x, crop.y] for crop in crops], np.int32),
        (detections.height, detections.width),
    )
    return compact.resize((height, width))


def side_by_side(
    left: Image.Image, right: Image.Image, titles: tuple[str, str], caption: str
) -> Image.Image:
    """Join two images of one size under a caption, each with its title.

    A text too long for its place is cut.
    """
    margin, line = 12, 2 * _CAPTION
    top = 2 * line + margin // 2
    joined = Image.new("RGB", (2 * left.width + 3 * margin, left.height + top + margin), _PAPER)
    write = ImageDraw.Draw(joined)
    font = ImageFont.truetype(str(FONT), _CAPTION)
    middle = line // 2
    _write_line(write, (margin, middle), caption, joined.width - 2 * margin, font)
    for column, (image, title) in enumerate(zip((left, right), titles, strict=True)):
        x = margin + column * (left.width + margin)
        _write_line(write, (x, line + middle), title, left.width, font)
        joined.paste(image, (x, top))
    return joined


def _write_line(
    write: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    width: int,
    font: ImageFont.FreeTypeFont,
) -> None:
    cut = text
    while cut and write.textlength(cut, font) > width:
        text = text[:-1]
        cut = text + "\N{HORIZONTAL ELLIPSIS}"
    write.text(place, cut, fill=_INK, font=font, anchor="lm")


def image_to_png(image: Image.Image) -> bytes:
    """Encode an image as PNG, without time or any other note about it."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
