"""Likely errors in the labels, for the annotators: worst first, each with its image."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from app import backend
from app.agreement import Side, show_sides
from app.checked_image import bytes_to_image
from app.detecting import detect_all
from app.notices import explained
from app.plain_text import plain
from app.predictions import judge_saved
from app.repository import Split, load_image, load_split
from app.tables import choose_row
from app.versions import choose_version
from rhymes.client.errors import ServingError
from rhymes.coco.files import image_to_name
from rhymes.coco.label_map import class_name
from rhymes.detections.detections import Detections, annotations_to_detections
from rhymes.detections.label_errors import (
    MIN_SCORE,
    LabelError,
    PredictedImage,
    find_label_errors,
    label_errors_to_csv,
)
from rhymes.detections.matching import match_detections

_AT_A_TIME = 200


def show(name: str) -> None:
    """Show the part for a split."""
    split = load_split(name)
    st.caption(
        "Where the model is sure and the labels say otherwise. Either may be wrong: look before "
        "you change a label."
        + (
            " The model learnt from this split, so it tends to repeat its errors."
            if name == "train"
            else ""
        )
    )
    judged = judge_saved(split) if name == "test" else _judge_served(split)
    if judged is None:
        return
    errors = find_label_errors(judged, min_score=MIN_SCORE)
    if not errors:
        st.success("No label of this split is contradicted.", icon=":material/check:")
        return
    _show_list(split, {each.image["id"]: each for each in judged}, errors)


def _judge_served(split: Split) -> list[PredictedImage] | None:
    """Ask the server for every image of a split, once its user wants that."""
    version = choose_version("label errors", "Checked by version")
    chosen = (split.name, version, backend.describe(version).identity)
    count = len(split.images)
    if st.session_state.get("label errors asked") != chosen:
        st.caption(f"The server is asked about {count} images once, a few at a time.")
        if not st.button(f"Check {count} images", type="primary"):
            return None
        st.session_state["label errors asked"] = chosen
    images = list(split.images.values())
    judged: list[PredictedImage] = []
    # Files of a few images at a time, so that a split of any size fits into memory.
    for start in range(0, count, _AT_A_TIME):
        some = images[start : start + _AT_A_TIME]
        checked = [bytes_to_image(image_to_name(image), load_image(image)) for image in some]
        for image, answer in zip(some, detect_all(checked, version), strict=True):
            if isinstance(answer, ServingError):
                raise answer
            judged.append(PredictedImage(image, split.ground_truth(image["id"]), answer.detections))
    return judged


def _show_list(
    split: Split, judged: Mapping[int, PredictedImage], errors: list[LabelError]
) -> None:
    names = split.names
    table = pd.DataFrame(
        {
            "Suspicion": [error.suspicion for error in errors],
            "Problem": [str(error.problem) for error in errors],
            "Label": [_named(names, error.label) for error in errors],
            "Model says": [_named(names, error.model_label) for error in errors],
            "Image": [error.image for error in errors],
        }
    )
    chosen = choose_row(
        table,
        f"errors {split.name} {hash(tuple(errors))}",
        fractions={"Suspicion": "How strongly the model contradicts. No probability."},
        height=min(38 * len(table) + 40, 340),
    )
    st.download_button(
        f"These {len(errors)} places (CSV)",
        lambda: label_errors_to_csv(errors, names),
        f"label_errors_{split.name}.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/table:",
    )
    error = errors[chosen or 0]
    with explained():
        _show_place(split, judged[error.image_id], error)


def _named(names: Mapping[int, str], class_id: int | None) -> str:
    return "" if class_id is None else class_name(names, class_id)


def _show_place(split: Split, judged: PredictedImage, error: LabelError) -> None:
    image = judged.image
    ground_truth = annotations_to_detections(judged.annotations, image["width"], image["height"])
    shown = judged.detections.above(MIN_SCORE)
    checked = bytes_to_image(error.image, load_image(image))
    ids = [annotation["id"] for annotation in judged.annotations]
    left = ids.index(error.annotation_id) if error.annotation_id is not None else None
    st.markdown(f"**{plain(error.image)}**: {error.problem}")
    show_sides(
        checked,
        Side("Labels", ground_truth, split.names, has_scores=False),
        Side("Model", shown, split.names),
        match_detections(ground_truth, shown),
        highlight=(left, _contradiction(shown, error)),
    )


def _contradiction(shown: Detections, error: LabelError) -> int | None:
    """Place of the detection that an error is about."""
    for index in range(len(shown)):
        is_class = int(shown.class_ids[index]) == error.model_label
        if is_class and float(shown.scores[index]) == error.score:
            return index
    return None
