"""Compare: two versions of the model on one image, and by their figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from app import backend
from app.agreement import Side, legend, show_sides
from app.backend import ImageAnswer
from app.checked_image import CheckedImage
from app.display import choose_display, model_floor
from app.evaluations import Evaluation, load_evaluation
from app.image_source import TEST, choose_image
from app.metrics import AP_IN_WORDS, compare_metrics
from app.notices import explained
from app.plain_text import plain
from app.tables import choose_row
from app.versions import CommonClasses, choose_version, join_classes
from rhymes.client.description import ModelDescription
from rhymes.common.text import count_to_text
from rhymes.detections.matching import IOU, Matching, match_detections

_KEY = "compare"


def show() -> None:
    """Show the view."""
    st.header("Two versions, one image", anchor=False)
    with explained():
        image = choose_image(_KEY, source=TEST)
        models = _choose_models()
        if image is not None:
            _show_image(image, *models)
        _show_metrics(*models)


def _choose_models() -> tuple[ModelDescription, ModelDescription]:
    available = backend.available_versions()
    left, right = st.columns(2)
    with left:
        first = choose_version(f"{_KEY} left", "One version", index=1)
    with right:
        second = choose_version(f"{_KEY} right", "The other")
    if len(available) == 1:
        st.info(
            "One version answers. `rhymes fetch served` puts the newest two "
            "that are published into a folder, `rhymes demo --models served` serves both "
            "(docs/serving.md).",
            icon=":material/info:",
        )
    return backend.describe(first), backend.describe(second)


def _show_image(image: CheckedImage, left: ModelDescription, right: ModelDescription) -> None:
    common = join_classes(left.class_names, right.class_names)
    _name_classes(common, left, right)
    with st.expander("Score, classes, layers"):
        display = choose_display(
            common.names,
            has_masks=left.has_masks or right.has_masks,
            key=_KEY,
            floor=max(model_floor(left), model_floor(right)),
        )
        is_faded = st.toggle("Fade what both agree on", value=True, key=f"{_KEY} faded")
    answers = backend.detect(image, left.version), backend.detect(image, right.version)
    sides = [
        Side(
            f"Version {model.version}: {_timing(each)}",
            display.choose(common.renumber(each.detections, model.class_names)),
            common.names,
        )
        for model, each in zip((left, right), answers, strict=True)
    ]
    matching = match_detections(sides[0].detections, sides[1].detections)
    # Where all is agreed on there is nothing to make room for.
    is_faded = is_faded and matching.differences > 0
    st.subheader(_verdict(matching), anchor=False)
    above = st.container()
    highlight = _choose_difference(image, sides, matching)
    with above:
        show_sides(
            image,
            sides[0],
            sides[1],
            matching,
            layers=display.layers,
            is_agreement_faded=is_faded,
            highlight=highlight,
        )
        st.caption(legend(is_agreement_faded=is_faded))


def _timing(answer: ImageAnswer) -> str:
    return f"{1000 * answer.seconds:.0f} ms"


def _verdict(matching: Matching) -> str:
    agreed = f"They agree on {count_to_text(len(matching.same), 'object')}"
    return f"{agreed}, and differ on {matching.differences}"


def _name_classes(common: CommonClasses, left: ModelDescription, right: ModelDescription) -> None:
    for model, names in ((left, common.left_only), (right, common.right_only)):
        if names:
            st.caption(f"Only version {model.version} knows: {plain(', '.join(names), 400)}")


def _choose_difference(
    image: CheckedImage, sides: list[Side], matching: Matching
) -> tuple[int | None, int | None] | None:
    """Show a table of what differs; return the indices of the object that is chosen."""
    rows: list[tuple[int | None, int | None, float]] = [
        *((pair.left, pair.right, pair.iou) for pair in matching.confused),
        *((index, None, 0.0) for index in matching.left_only),
        *((None, index, 0.0) for index in matching.right_only),
    ]
    if not rows:
        return None
    table = pd.DataFrame(
        [
            {
                "One says": _says(sides[0], left),
                "The other says": _says(sides[1], right),
                "Overlap (IoU)": f"{iou:.2f}" if iou else "",
            }
            for left, right, iou in rows
        ]
    )
    digest = hash((image.digest, matching, tuple(side.title for side in sides)))
    chosen = choose_row(table, f"differences {digest}")
    st.caption(
        f"Objects are the same where their boxes overlap by {IOU:g} or more. Choose a row to see "
        "its object alone."
    )
    return None if chosen is None else rows[chosen][:2]


def _says(side: Side, index: int | None) -> str:
    if index is None:
        return "nothing there"
    detections = side.detections
    return f"{side.names[int(detections.class_ids[index])]} {detections.scores[index]:.2f}"


def _show_metrics(left: ModelDescription, right: ModelDescription) -> None:
    st.subheader("Figures", anchor=False, help=AP_IN_WORDS)
    titles = [f"version {left.version}", f"version {right.version}"]
    if left.version == right.version:
        titles[1] += " (again)"
    own = dict(zip(titles, (_validation(left), _validation(right)), strict=True))
    st.caption("On the validation split, as each version states of its own training:")
    st.dataframe(compare_metrics(own), hide_index=True)
    _show_evaluations(titles, (load_evaluation(left), load_evaluation(right)))


def _show_evaluations(
    titles: list[str], found: tuple[Evaluation | None, Evaluation | None]
) -> None:
    known = [each for each in found if each is not None]
    if not known:
        return
    sources = " and ".join(dict.fromkeys(plain(each.source) for each in known))
    st.caption(f"On the test split, by {sources}:")
    is_comparable = len({each.test_sha256 for each in known}) == 1
    if not is_comparable:
        st.warning(
            "The two were measured on different test splits: their figures cannot be compared.",
            icon=":material/warning:",
        )
    columns = {
        title: None if each is None else each.metrics
        for title, each in zip(titles, found, strict=True)
    }
    st.dataframe(compare_metrics(columns, is_comparable=is_comparable), hide_index=True)


def _validation(model: ModelDescription) -> Mapping[str, Any] | None:
    metrics = ((model.info or {}).get("validation") or {}).get("metrics")
    return metrics if isinstance(metrics, dict) else None
