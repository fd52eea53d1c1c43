"""Two sides of one image: ground truth and predictions, or two versions of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from app.checked_image import CheckedImage
from app.display import show_drawn
from app.plain_text import plain
from rhymes.detections.detections import Detections
from rhymes.detections.drawing import ALL_LAYERS, MARK, Layer, detections_to_labels
from rhymes.detections.matching import Matching


@dataclass(frozen=True)
class Side:
    """One side.

    Attributes:
        title: Of it; plain text.
        detections: What is shown.
        names: Class names by id.
        has_scores: Whether its scores say anything; those of a ground truth do not.
    """

    title: str
    detections: Detections
    names: Mapping[int, str]
    has_scores: bool = True


def show_sides(
    image: CheckedImage,
    left: Side,
    right: Side,
    matching: Matching,
    *,
    layers: frozenset[Layer] = ALL_LAYERS,
    is_agreement_faded: bool = True,
    highlight: tuple[int | None, int | None] | None = None,
) -> None:
    """Draw both sides; what has no partner of its class on the other side is marked.

    Args:
        image: The image.
        left: One side.
        right: The other.
        matching: Of the two.
        layers: What is drawn of each object.
        is_agreement_faded: Whether objects on which the sides agree are drawn faintly.
        highlight: Indices of the objects to look at, on either side.
    """
    same = (
        frozenset(pair.left for pair in matching.same),
        frozenset(pair.right for pair in matching.same),
    )
    chosen = highlight or (None, None)
    for column, side, agreed, index in zip(st.columns(2), (left, right), same, chosen, strict=True):
        differing = frozenset(range(len(side.detections))) - agreed
        labels = detections_to_labels(
            side.detections, side.names, scores=side.has_scores, marked=differing
        )
        faded = agreed if is_agreement_faded else frozenset[int]()
        # Where the chosen object is on the other side alone, nothing here competes with it.
        if highlight is not None and index is None:
            faded = frozenset(range(len(side.detections)))
        with column:
            st.markdown(f"**{plain(side.title)}**")
            show_drawn(image, side.detections, labels, layers=layers, highlight=index, faded=faded)


def legend(*, is_agreement_faded: bool) -> str:
    """Say what marks and faint objects mean."""
    faint = "; faint: both sides agree" if is_agreement_faded else ""
    return f"{MARK} before a label: the other side has no such object there{faint}."
