"""The model server, as the page talks to it: one cached connection, answers cached by content.

The model itself never lives here. What was asked once is not asked again: a result belongs to the
image's bytes, the model's name and version, and the identity of that version's files.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import streamlit as st

from app.checked_image import CheckedImage
from rhymes.client.client import DetectorClient, ModelDescription, VersionStatus
from rhymes.client.errors import (
    ModelNotFound,
    ServerUnreachable,
    ServingError,
    VersionNotLoaded,
)
from rhymes.common.addresses import server_address
from rhymes.detections.detections import Detections

MODEL = "detector"

NOT_READY = (ServerUnreachable, ModelNotFound, VersionNotLoaded)
"""What is otherwise once a server with a model answers; all else would fail again."""

_TIMEOUT = 30.0
_STATUS_TIMEOUT = 5.0
# A version may be replaced while it is asked, hardly three times in a row.
_ROUNDS = 3


@dataclass(frozen=True, eq=False)
class ImageAnswer:
    """What the server found in an image.

    Attributes:
        detections: All of them, of whatever score, in pixels of the upright image.
        version: Of the model that answered.
        identity: Of its files; None from servers that do not tell it.
        seconds: The call took.
        server_seconds: What of it passed inside the server; None where it does not tell.
    """

    detections: Detections
    version: int
    identity: str | None
    seconds: float
    server_seconds: float | None


def model_name() -> str:
    """By which the server knows the model: `SERVING_MODEL`, else `detector`."""
    return os.environ.get("SERVING_MODEL") or MODEL


def client() -> DetectorClient:
    """The connection for images; all sessions share it."""
    return _connect(server_address(), model_name(), _TIMEOUT)


def versions() -> list[VersionStatus]:
    """The model's versions as the server knows them, the newest first; asked every other second.

    Raises:
        ServingError: there is no server, or it has no such model.
    """
    return _versions(server_address(), model_name())


def available_versions() -> list[int]:
    """Numbers of the versions that answer, the newest first; at least one.

    Raises:
        VersionNotLoaded: there is none.
        ServingError: as `versions`.
    """
    statuses = versions()
    available = [status.version for status in statuses if status.state == "AVAILABLE"]
    if not available:
        known = "; ".join(
            f"version {each.version} is in state {each.state}"
            + (f" ({each.error})" if each.error else "")
            for each in statuses
        )
        raise VersionNotLoaded(f"the server has no version of '{model_name()}' loaded: {known}")
    return available


def is_ready() -> bool:
    """Whether a version of the model answers, asked anew; never raises a ServingError."""
    _versions.clear()
    try:
        return bool(available_versions())
    except ServingError:
        return False


def describe(version: int) -> ModelDescription:
    """What a version says of itself: class names, whether it gives masks, what it was made of.

    Raises:
        ServingError: the version is not loaded, or the server does not answer.
    """
    return client().describe(version)


def detect(image: CheckedImage, version: int) -> ImageAnswer:
    """Find the objects in an image; a request to the server the first time only.

    Raises:
        ServingError: of the kind that says what went wrong, and what to do.
    """
    for _ in range(_ROUNDS):
        identity = describe(version).identity
        key = (server_address(), model_name(), version, identity, image.digest)
        found: ImageAnswer = _detect(key, image)
        if found.identity in (None, identity) or identity is None:
            return found
        # The version's files were replaced since it was described; the answer showed it.
        _detect.clear(key, image)
    raise VersionNotLoaded(f"version {version} is being replaced over and over; try again later")


@st.cache_resource(show_spinner=False, on_release=DetectorClient.close)
def _connect(where: str, model: str, timeout: float) -> DetectorClient:
    return DetectorClient(where, model=model, timeout=timeout, attempts=2)


@st.cache_data(ttl=2, show_spinner=False, max_entries=8)
def _versions(where: str, model: str) -> list[VersionStatus]:
    return _connect(where, model, _STATUS_TIMEOUT).versions()


@st.cache_data(show_spinner=False, max_entries=2000, max_size="128MB")
def _detect(key: tuple[str, str, int, str | None, str], _image: CheckedImage) -> ImageAnswer:
    answer = client().answer(_image.upright, version=key[2])
    return ImageAnswer(
        answer.detections, answer.version, answer.identity, answer.seconds, answer.server_seconds
    )
