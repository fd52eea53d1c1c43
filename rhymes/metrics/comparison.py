"""One picture's truth beside what was detected in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from rhymes.detections.detections import Detections, annotations_to_detections
from rhymes.detections.drawing import MARK, detections_to_labels, draw_detections, side_by_side
from rhymes.metrics.confusion import ImageScore
from rhymes.metrics.evaluation_report import image_score_to_text


def draw_comparison(
    picture: Image.Image,
    name: str,
    annotations: Sequence[Mapping[str, Any]],
    detections: Detections,
    image: ImageScore,
    names: Mapping[int, str],
    score: float,
) -> Image.Image:
    """Draw the truth on the left, detections on the right; what is missed or invented is marked.

    Args:
        picture: Upright.
        name: For the caption.
        annotations: The picture's truth, COCO.
        detections: All that were scored for `image`.
        image: How the picture went.
        names: Class names by id.
        score: Least score of a detection that is drawn; that of `image`.
    """
    truth = annotations_to_detections(annotations, picture.width, picture.height)
    shown = detections.above(score)
    missed = {i for i, annotation in enumerate(annotations) if annotation["id"] in image.missed}
    left = detections_to_labels(truth, names, scores=False, marked=missed)
    right = detections_to_labels(shown, names, marked=image.invented)
    marks = f" ({MARK})" if image.errors else ""
    return side_by_side(
        draw_detections(picture, truth, left),
        draw_detections(picture, shown, right),
        (f"Truth: {_count(truth)}", f"Detected with a score of {score:g} or more: {_count(shown)}"),
        f"{name}: {image_score_to_text(image)}{marks}",
    )


def _count(detections: Detections) -> str:
    return f"{len(detections)} object{'' if len(detections) == 1 else 's'}"
