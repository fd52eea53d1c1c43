"""Predictions to hold against the ground truth: those of the report, or of the served model."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app import backend
from app.checked_image import bytes_to_image
from app.repository import COCO, EVALUATION, Split, load_digest, load_image, load_json
from rhymes.coco.files import CocoImage, image_to_name
from rhymes.common.errors import InputError
from rhymes.detections.detections import Detections, results_to_detections
from rhymes.detections.label_errors import PredictedImage

DETECTIONS, MEASURED = EVALUATION / "detections.json", EVALUATION / "model.json"


@dataclass(frozen=True)
class Measured:
    """Which model a report is about.

    Attributes:
        version: Its number.
        identity: What tells its bytes from others under the same number.
    """

    version: int
    identity: str


def load_measured() -> Measured:
    """Read which model the evaluation measured.

    Raises:
        MissingFile: there is no evaluation.
        InputError: it is about other data than data/coco/test.json holds now.
    """
    told = load_json(MEASURED)
    if told["test_sha256"] != load_digest(COCO / "test.json"):
        raise InputError(
            f"{EVALUATION} is about another test split than {COCO / 'test.json'} holds now; "
            "run make repro"
        )
    return Measured(told["version"], told["identity"])


def saved_detections(image: CocoImage) -> Detections:
    """What the measured model found in an image of the test split, of whatever score.

    Raises:
        MissingFile: there is no evaluation.
        InputError: it is about other data, or broken.
    """
    load_measured()
    results = _group(load_digest(DETECTIONS), load_json(DETECTIONS)).get(image["id"], [])
    return results_to_detections(results, image["width"], image["height"])


def served_detections(image: CocoImage, version: int) -> Detections:
    """What a served version finds in an image of a split, of whatever score.

    Raises:
        MissingFile: the image is not there.
        ServingError: there is no answer.
        InputError: the model's image is of another size than the split says.
    """
    checked = bytes_to_image(image_to_name(image), load_image(image))
    return backend.detect(checked, version).detections


def judge_saved(split: Split) -> list[PredictedImage]:
    """Every image of the test split with what the measured model found in it.

    Raises:
        MissingFile: there is no evaluation.
        InputError: it is about other data, or broken.
    """
    return [
        PredictedImage(image, split.ground_truth(image["id"]), saved_detections(image))
        for image in split.images.values()
    ]


@st.cache_resource(show_spinner=False, max_entries=2)
def _group(digest: str, _results: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:  # noqa: ARG001
    grouped: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for result in _results:
        grouped[result["image_id"]].append(result)
    return dict(grouped)
