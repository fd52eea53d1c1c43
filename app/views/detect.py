"""Detect: drop an image, see what the model sees in it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app import backend
from app.backend import ImageAnswer
from app.checked_image import CheckedImage
from app.detecting import detect_all
from app.display import Display, choose_display, draw, model_floor, show_drawn
from app.downloads import FOLDER, Results, image_to_json, results_to_csv, results_to_zip
from app.image_source import choose_images
from app.notices import explained
from app.plain_text import plain
from app.tables import choose_row, count_classes, detections_to_table
from app.versions import choose_version
from rhymes.client.description import ModelDescription
from rhymes.client.errors import ServingError
from rhymes.common.text import count_to_text
from rhymes.detections.detections import Detections
from rhymes.detections.drawing import detections_to_labels
from rhymes.predictions.image_list import Failure
from rhymes.predictions.prediction_files import Rank
from rhymes.predictions.ranking import detections_to_uncertainty, most_uncertain_first

_KEY = "detect"
_MAX_NAMED = 5


def show() -> None:
    """Show the view."""
    st.header("What the model sees", anchor=False)
    with explained():
        images = choose_images(_KEY)
        if not images:
            return
        _show_results(images)


def _show_results(images: Sequence[CheckedImage]) -> None:
    main, side = st.columns([3, 2], gap="medium")
    with side, explained():
        version = choose_version(_KEY)
        model = backend.describe(version)
        display = choose_display(
            model.class_names, has_masks=model.has_masks, key=_KEY, floor=model_floor(model)
        )
        with main:
            answers = detect_all(images, version)
        results, gone = _sort(images, answers, model, display)
        if results.answers:
            with main:
                index = _choose_one(results) if len(images) > 1 else 0
            _show_one(results, index, main)
        with main:
            _show_failures(results.failures)
        if gone is not None:
            raise gone


def _sort(
    images: Sequence[CheckedImage],
    answers: Sequence[ImageAnswer | ServingError],
    model: ModelDescription,
    display: Display,
) -> tuple[Results, ServingError | None]:
    """Part answers from errors; return the error of a server that is gone by itself."""
    found: list[tuple[CheckedImage, ImageAnswer]] = []
    failures: list[Failure] = []
    gone = None
    for image, answer in zip(images, answers, strict=True):
        if isinstance(answer, ImageAnswer):
            found.append((image, answer))
        else:
            failures.append(Failure(image.name, str(answer)))
            if isinstance(answer, backend.NOT_READY):
                gone = answer
    if gone is not None and not found:
        raise gone
    return Results(model, found, failures, display), gone


def _choose_one(results: Results) -> int:
    """Show a table of all images; return the index of the one to look at."""
    by_doubt = st.toggle(
        "Most uncertain first",
        key=f"{_KEY} order",
        help="First the images in which the model hesitates most: those are worth annotating.",
    )
    doubts = [detections_to_uncertainty(found.detections) for _, found in results.answers]
    order = most_uncertain_first(doubts) if by_doubt else list(range(len(doubts)))
    table = pd.DataFrame(
        {
            "Image": [results.answers[i][0].name for i in order],
            "Objects": [len(_shown(results, i)) for i in order],
            "Doubt": [doubts[i].highest for i in order],
        }
    )
    key = f"images {hash(tuple(results.answers[i][0].digest for i in order))}"
    chosen = choose_row(
        table,
        key,
        fractions={"Doubt": "How close the model's second choice comes to its first, at worst."},
        height=min(38 * len(table) + 40, 240),
    )
    return order[chosen or 0]


def _shown(results: Results, index: int) -> Detections:
    return results.display.choose(results.answers[index][1].detections)


def _show_one(results: Results, index: int, main: st.delta_generator.DeltaGenerator) -> None:
    image, found = results.answers[index]
    names, display = results.model.class_names, results.display
    shown = _shown(results, index)
    count = count_to_text(len(shown), "object")
    st.subheader(f"{count} in {plain(image.name, 40)}", anchor=False)
    hidden = len(found.detections) - len(shown)
    st.caption(
        f"{_timing(found)}{f' {hidden} more are hidden by the choice above.' if hidden else ''}"
    )
    table = detections_to_table(shown, names)
    objects, classes, files = st.tabs(["Objects", "Per class", "Download"])
    with objects:
        chosen = choose_row(
            table,
            f"objects {image.digest} {results.model.version} {display}",
            fractions={"Score": "How sure the model is."},
        )
        st.caption("Choose a row to see its object in the image.")
    with classes:
        st.dataframe(count_classes(shown, names), hide_index=True)
    with files:
        _offer_files(results, index)
    with main:
        labels = detections_to_labels(shown, names)
        show_drawn(image, shown, labels, layers=display.layers, highlight=chosen)


def _timing(found: ImageAnswer) -> str:
    total = 1000 * found.seconds
    if found.server_seconds is None:
        return f"Answered in {total:.0f} ms."
    inside = 1000 * found.server_seconds
    return (
        f"Answered in {total:.0f} ms: {inside:.0f} in the server, {total - inside:.0f} on the way."
    )


def _offer_files(results: Results, index: int) -> None:
    image, shown = results.answers[index][0], _shown(results, index)
    display, names = results.display, results.model.class_names
    stem = image.name.rpartition(".")[0] or image.name
    st.caption("Files hold what is shown: the score and the classes chosen above count.")
    st.download_button(
        "Annotated image (JPEG)",
        lambda: draw(image, shown, detections_to_labels(shown, names), layers=display.layers),
        f"{stem}_annotated.jpg",
        "image/jpeg",
        on_click="ignore",
        icon=":material/image:",
    )
    st.download_button(
        "Prediction (Rhymes JSON)",
        lambda: image_to_json(image, results),
        f"{stem}.json",
        "application/json",
        on_click="ignore",
        icon=":material/data_object:",
    )
    if len(results.answers) > 1:
        _offer_all(results)


def _offer_all(results: Results) -> None:
    st.divider()
    count = len(results.answers)
    is_ranked = st.toggle("Most uncertain images first in the CSV", value=True, key=f"{_KEY} rank")
    rank: Rank = "uncertain" if is_ranked else "input"
    st.download_button(
        f"Pre-annotations of {count} images (CSV)",
        lambda: results_to_csv(results, rank),
        f"{FOLDER}.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/table:",
        help="For the annotators: an export of the platform, with the model's objects in it.",
    )
    st.download_button(
        f"All of {count} images (zip)",
        lambda: results_to_zip(results, rank),
        f"{FOLDER}.zip",
        "application/zip",
        on_click="ignore",
        icon=":material/folder_zip:",
        help="Images, drawings, JSON, COCO and CSV: a folder that raw.export may name.",
    )


def _show_failures(failures: Sequence[Failure]) -> None:
    if not failures:
        return
    lines = [f"- {plain(each.file, 60)}: {plain(each.reason, 400)}" for each in failures]
    if len(lines) > _MAX_NAMED:
        lines[_MAX_NAMED:] = [f"- and {len(lines) - _MAX_NAMED} more"]
    st.warning(
        f"{count_to_text(len(failures), 'image')} without an answer:\n\n" + "\n".join(lines),
        icon=":material/warning:",
    )
