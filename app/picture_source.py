"""Where the pictures of a view come from: files, the camera, the test split.

Dropped files are checked at once and kept in the session; the uploader is then emptied, so that no
picture is held twice and a view finds them again when its user comes back to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.picture import Picture, bytes_to_picture
from app.plain_text import plain
from app.repository import load_image, load_split
from rhymes.client.errors import BadImage
from rhymes.coco.files import image_to_name

FILES, CAMERA, TEST = "Your files", "Camera", "Test split"
MOST_PICTURES = 100
MOST_BYTES = 500_000_000

_SUFFIXES = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp"]
_LISTED = 5
_PICTURES, _PROBLEMS, _ROUND = "pictures", "picture problems", "upload round"


def choose_pictures(key: str, source: str = FILES) -> list[Picture]:
    """Show the ways to give pictures; return those that were given by the chosen one.

    Args:
        key: Of the view.
        source: The way that is chosen at first.
    """
    source = st.segmented_control(
        "Pictures from",
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


def choose_picture(key: str, source: str = FILES) -> Picture | None:
    """As `choose_pictures`, but one of them: None while there is none."""
    pictures = choose_pictures(key, source)
    if len(pictures) <= 1:
        return pictures[0] if pictures else None
    place = st.selectbox(
        "Picture",
        range(len(pictures)),
        format_func=lambda i: f"{i + 1}. {pictures[i].name}",
        key=f"{key} picture",
    )
    return pictures[place]


def _choose_files() -> list[Picture]:
    state = st.session_state
    pictures: list[Picture] = state.setdefault(_PICTURES, [])
    files = st.file_uploader(
        "Drop pictures here",
        type=_SUFFIXES,
        accept_multiple_files=True,
        key=f"upload {state.setdefault(_ROUND, 0)}",
        help=f"JPEG, PNG, WebP, GIF or BMP; {MOST_PICTURES} pictures at most. They go to the model "
        "server and nowhere else.",
    )
    if files:
        state[_PROBLEMS] = _take_files(files, pictures)
        state[_ROUND] += 1  # another key is another uploader, an empty one
        st.rerun()
    _show_problems(state.get(_PROBLEMS, []))
    if pictures and st.button(
        f"Remove {len(pictures)} picture{'' if len(pictures) == 1 else 's'}",
        icon=":material/delete:",
    ):
        del state[_PICTURES]
        state.pop(_PROBLEMS, None)
        st.rerun()
    return pictures


def _take_files(files: Sequence[Any], pictures: list[Picture]) -> list[str]:
    """Add what are pictures; return what is to be said about the others."""
    problems: list[str] = []
    known = {(picture.name, picture.digest) for picture in pictures}
    held = sum(len(picture.data) for picture in pictures)
    left_out = 0
    progress = st.progress(0.0, "Checking the pictures")
    for number, file in enumerate(files, start=1):
        progress.progress(number / len(files), f"Checking picture {number} of {len(files)}")
        if len(pictures) >= MOST_PICTURES or held + file.size > MOST_BYTES:
            left_out += 1
            continue
        try:
            picture = bytes_to_picture(file.name, file.getvalue())
        except BadImage as error:
            problems.append(str(error))
            continue
        if (picture.name, picture.digest) not in known:
            known.add((picture.name, picture.digest))
            held += len(picture.data)
            pictures.append(picture)
    if left_out:
        problems.append(
            f"{left_out} of {len(files)} files were left out: the page holds {MOST_PICTURES} "
            f"pictures and {MOST_BYTES // 1_000_000} MB at a time. Remove some first, or use "
            "python -m rhymes.predictions.predict FOLDER, which takes any number."
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


def _photograph(key: str) -> list[Picture]:
    photo = st.camera_input("Take a picture", key=f"{key} camera")
    if photo is None:
        return []
    return [bytes_to_picture("camera.jpg", photo.getvalue())]


def _choose_from_test(key: str) -> Picture:
    split = load_split("test")
    images = list(split.images.values())
    place = st.selectbox(
        "Picture of the test split",
        range(len(images)),
        format_func=lambda i: image_to_name(images[i]),
        key=f"{key} test picture",
        help="Pictures that the training never saw.",
    )
    return bytes_to_picture(image_to_name(images[place]), load_image(images[place]))
