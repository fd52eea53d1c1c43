"""Browse a split: ground truth over the image, predictions beside it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import backend
from app.agreement import Side, legend, show_sides
from app.checked_image import bytes_to_image
from app.display import DEFAULT_SCORE, Display, choose_display, show_drawn
from app.notices import explained
from app.plain_text import plain
from app.predictions import load_measured, saved_detections, served_detections
from app.repository import Split, load_image, load_split
from app.versions import choose_version
from rhymes.coco.files import CocoImage, image_to_name, image_to_sources, source_to_name
from rhymes.common.text import count_to_text
from rhymes.detections.detections import Detections, annotations_to_detections
from rhymes.detections.drawing import detections_to_labels
from rhymes.detections.matching import Matching, match_detections

_EVERY, _EMPTY = 0, -1  # instead of a class id
_NUMBER = "data number"
_GROUND_TRUTH, _REPORT, _SERVED = (
    "Ground truth alone",
    "Report's predictions",
    "Served model's predictions",
)
_NAMED = 8


def show(name: str) -> None:
    """Show the part for a split."""
    split = load_split(name)
    images = _filter(split)
    if not images:
        st.info("No image of this split fits. Choose another class or another name.")
        return
    image = images[_choose_place(len(images))]
    beside = st.segmented_control(
        "Beside it",
        [_GROUND_TRUTH, _REPORT, _SERVED] if name == "test" else [_GROUND_TRUTH, _SERVED],
        default=_GROUND_TRUTH,
        required=True,
        key=f"data beside {name}",
        label_visibility="collapsed",
    )
    with explained():
        if beside == _GROUND_TRUTH:
            _show_ground_truth(split, image)
        else:
            _show_beside(split, image, is_served=beside == _SERVED)
    _name_neighbours(images)


def _filter(split: Split) -> list[CocoImage]:
    """The images that the user's filters leave."""
    left, right = st.columns(2)
    choices = {_EVERY: "any class", **split.names, _EMPTY: "no object"}
    class_id = left.selectbox(
        "Images with", list(choices), format_func=choices.__getitem__, key="data class"
    )
    text = right.text_input("Name contains", key="data name").casefold()
    return [
        image
        for image in split.images.values()
        if _holds(split, image["id"], class_id) and _is_called(image, text)
    ]


def _is_called(image: CocoImage, text: str) -> bool:
    return any(text in source_to_name(each).casefold() for each in image_to_sources(image))


def _holds(split: Split, image_id: int, class_id: int) -> bool:
    if class_id == _EVERY:
        return True
    ground_truth = split.ground_truth(image_id)
    if class_id == _EMPTY:
        return not ground_truth
    return any(annotation["category_id"] == class_id for annotation in ground_truth)


def _choose_place(count: int) -> int:
    """Step through the images; return the index of the one to show."""
    state = st.session_state
    state[_NUMBER] = min(max(state.get(_NUMBER, 1), 1), count)

    def step(by: int) -> None:
        state[_NUMBER] = (state[_NUMBER] - 1 + by) % count + 1

    back, number, forth = st.columns([1, 2, 1], vertical_alignment="bottom")
    back.button(
        "Previous", icon=":material/arrow_back:", on_click=step, args=(-1,), width="stretch"
    )
    number.number_input(f"Image, 1 to {count}", 1, count, key=_NUMBER)
    forth.button("Next", icon=":material/arrow_forward:", on_click=step, args=(1,), width="stretch")
    return int(state[_NUMBER]) - 1


def _show_ground_truth(split: Split, image: CocoImage) -> None:
    checked = bytes_to_image(image_to_name(image), load_image(image))
    ground_truth = annotations_to_detections(
        split.ground_truth(image["id"]), image["width"], image["height"]
    )
    st.markdown(f"**{plain(checked.name)}**: {_count(ground_truth)}")
    show_drawn(checked, ground_truth, detections_to_labels(ground_truth, split.names, scores=False))


def _show_beside(split: Split, image: CocoImage, *, is_served: bool) -> None:
    checked = bytes_to_image(image_to_name(image), load_image(image))
    ground_truth = annotations_to_detections(
        split.ground_truth(image["id"]), image["width"], image["height"]
    )
    if is_served:
        version = choose_version("data")
        names, found = backend.describe(version).class_names, served_detections(image, version)
    else:
        version, names, found = load_measured().version, split.names, saved_detections(image)
    display = _controls(names, has_masks=found.masks is not None)
    shown = display.choose(found)
    matching = match_detections(display.of_classes(ground_truth), shown)
    st.markdown(f"**{plain(checked.name)}**: {_verdict(matching)}")
    show_sides(
        checked,
        Side("Ground truth", display.of_classes(ground_truth), split.names, has_scores=False),
        Side(f"Version {version}", shown, names),
        matching,
        layers=display.layers,
        is_agreement_faded=False,
    )
    st.caption(legend(is_agreement_faded=False))


def _controls(names: dict[int, str], *, has_masks: bool) -> Display:
    with st.expander(f"Score, classes, layers (from {DEFAULT_SCORE} up at first)"):
        return choose_display(names, has_masks=has_masks, key="data")


def _count(ground_truth: Detections) -> str:
    if not len(ground_truth):
        return "nothing in it"
    return count_to_text(len(ground_truth), "object")


def _verdict(matching: Matching) -> str:
    told = [count_to_text(len(matching.same), "true positive")]
    if missed := len(matching.left_only):
        told.append(count_to_text(missed, "missed (false negative)", "missed (false negatives)"))
    if confused := len(matching.confused):
        told.append(f"{confused} taken for another class")
    if matching.right_only:
        told.append(count_to_text(len(matching.right_only), "false positive"))
    return ", ".join(told)


def _name_neighbours(images: Sequence[CocoImage]) -> None:
    index = int(st.session_state[_NUMBER]) - 1
    following = [image_to_name(image) for image in images[index + 1 : index + 1 + _NAMED]]
    if following:
        st.caption("Next: " + plain(", ".join(following), 300))
