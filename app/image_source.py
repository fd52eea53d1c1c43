"""Where the images of a view come from: files, the camera, the test split.

Dropped files are checked at once and kept in the session; the uploader is then emptied, so that no
image is held twice and a view finds them again when its user comes back to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.checked_image import CheckedImage, bytes_to_image
from app.plain_text import plain
from app.repository import load_image, load_split
from rhymes.client.errors import BadImage
from rhymes.coco.files import image_to_name
from rhymes.common.text import count_to_text
from rhymes.images.images import IMAGE_FORMATS, IMAGE_SUFFIXES

FILES, CAMERA, TEST = "Your files", "Camera", "Test split"
MAX_IMAGES = 100
MAX_BYTES = 500_000_000

_LISTED = 5
_IMAGES, _PROBLEMS, _ROUND = "images", "image problems", "upload round"


def choose_images(key: str, source: str = FILES) -> list[CheckedImage]:
    """Show the ways to give images; return those that were given by the chosen one.

    Args:
        key: Of the view.
        source: The way that is chosen at first.
    """
    source = st.segmented_control(
        "Images from",
        [FILES, CAMERA, TEST],
        default=source,
        required=True,
        key=f"{key} source",
        label_visibility="collapsed",
    )
    if source == CAMERA:
        return _photograph(key)
    if source == TEST:
        return [_choose_from_test(key)]
    return _choose_files()


def choose_image(key: str, source: str = FILES) -> CheckedImage | None:
    """As `choose_images`, but one of them: None while there is none."""
    images = choose_images(key, source)
    if len(images) <= 1:
        return images[0] if images else None
    index = st.selectbox(
        "Image",
        range(len(images)),
        format_func=lambda i: f"{i + 1}. {images[i].name}",
        key=f"{key} image",
    )
    return images[index]


def _choose_files() -> list[CheckedImage]:
    state = st.session_state
    images: list[CheckedImage] = state.setdefault(_IMAGES, [])
    files = st.file_uploader(
        "Drop images here",
        type=sorted(suffix.removeprefix(".") for suffix in IMAGE_SUFFIXES),
        accept_multiple_files=True,
        key=f"upload {state.setdefault(_ROUND, 0)}",
        help=f"{IMAGE_FORMATS}; {MAX_IMAGES} images at most. They go to the model "
        "server and nowhere else.",
    )
    if files:
        state[_PROBLEMS] = _take_files(files, images)
        state[_ROUND] += 1  # another key is another uploader, an empty one
        st.rerun()
    _show_problems(state.get(_PROBLEMS, []))
    if images and st.button(
        f"Remove {count_to_text(len(images), 'image')}",
        icon=":material/delete:",
    ):
        del state[_IMAGES]
        state.pop(_PROBLEMS, None)
        st.rerun()
    return images


def _take_files(files: Sequence[Any], images: list[CheckedImage]) -> list[str]:
    """Add what are images; return what is to be said about the others."""
    problems: list[str] = []
    known = {(image.name, image.digest) for image in images}
    held = sum(len(image.data) for image in images)
    left_out = 0
    progress = st.progress(0.0, "Checking the images")
    for number, file in enumerate(files, start=1):
        progress.progress(number / len(files), f"Checking image {number} of {len(files)}")
        if len(images) >= MAX_IMAGES or held + file.size > MAX_BYTES:
            left_out += 1
            continue
        try:
            image = bytes_to_image(file.name, file.getvalue())
        except BadImage as error:
            problems.append(str(error))
            continue
        if (image.name, image.digest) not in known:
            known.add((image.name, image.digest))
            held += len(image.data)
            if image.pages > 1:
                problems.append(f"{image.name}: the first of its {image.pages} images was taken")
            images.append(image)
    if left_out:
        problems.append(
            f"{left_out} of {len(files)} files were left out: the page holds {MAX_IMAGES} "
            f"images and {MAX_BYTES // 1_000_000} MB at a time. Remove some first, or use "
            "rhymes predict FOLDER, which takes any number."
        )
    progress.empty()
    return problems


def _show_problems(problems: Sequence[str]) -> None:
    if not problems:
        return
    lines = [f"- {plain(problem, 400)}" for problem in problems]
    shown = lines if len(lines) <= _LISTED + 1 else [*lines[:_LISTED], *lines[-1:]]
    if len(shown) < len(lines):
        shown.insert(_LISTED, f"- and {len(lines) - len(shown)} more")
    st.warning("Not everything could be taken:\n\n" + "\n".join(shown), icon=":material/warning:")


def _photograph(key: str) -> list[CheckedImage]:
    photo = st.camera_input("Take an image", key=f"{key} camera")
    if photo is None:
        return []
    return [bytes_to_image("camera.jpg", photo.getvalue())]


def _choose_from_test(key: str) -> CheckedImage:
    split = load_split("test")
    images = list(split.images.values())
    index = st.selectbox(
        "Image of the test split",
        range(len(images)),
        format_func=lambda i: image_to_name(images[i]),
        key=f"{key} test image",
        help="Images that the training never saw.",
    )
    return bytes_to_image(image_to_name(images[index]), load_image(images[index]))
