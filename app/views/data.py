"""Data: the images with their ground truth, what the model makes of them, and what was left out."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.data_parts import balance, browse, conversion, label_errors
from app.notices import explained

_IMAGES, _ERRORS, _CLASSES, _EXPORT = "Images", "Likely label errors", "Classes", "Export"
_SPLITS = ["train", "val", "test"]
_OF_A_SPLIT: dict[str, Callable[[str], None]] = {
    _IMAGES: browse.show,
    _ERRORS: label_errors.show,
}
_OF_ALL: dict[str, Callable[[], None]] = {_CLASSES: balance.show, _EXPORT: conversion.show}


def show() -> None:
    """Show the view."""
    st.header("What the model learns from", anchor=False)
    first, second = st.columns([3, 2])
    part = first.segmented_control(
        "Part",
        [*_OF_A_SPLIT, *_OF_ALL],
        default=_IMAGES,
        required=True,
        key="data part",
    )
    if part in _OF_ALL:
        with explained():
            _OF_ALL[part]()
        return
    split = second.segmented_control(
        "Split",
        _SPLITS,
        default="test",
        required=True,
        key="data split",
        help="train is learnt from, val chooses the best weights, test is seen by neither.",
    )
    with explained():
        _OF_A_SPLIT[part](split)
