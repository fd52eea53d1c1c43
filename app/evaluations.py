"""How a version did on a test split: by the report, or by the tag that published it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from app.predictions import load_measured
from app.repository import COCO, EVALUATION, MissingFile, load_digest, load_json
from rhymes.client.description import ModelDescription
from rhymes.common.errors import InputError
from rhymes.registry.published_versions import PublishedVersion, Registry
from rhymes.versions.git import open_repository

_TAGS_SECONDS = 30.0
"""For which what the tags say is kept."""


@dataclass(frozen=True)
class Evaluation:
    """What was measured on a test split.

    Attributes:
        metrics: By their key in reports/evaluate/metrics.json.
        test_sha256: Of the test split's COCO file.
        source: What says so, a file or a tag.
    """

    metrics: Mapping[str, Any]
    test_sha256: str
    source: str


def load_evaluation(model: ModelDescription) -> Evaluation | None:
    """Return what was measured of a version's very bytes; None where nothing tells.

    The report comes first; a version that it is not about may have been published.
    """
    try:
        if load_measured().identity == model.identity:
            metrics = load_json(EVALUATION / "metrics.json")
            return Evaluation(metrics, load_digest(COCO / "test.json"), str(EVALUATION))
    except (MissingFile, InputError):
        pass  # no report, or one about other data than there is now
    return _load_published().get(model.identity or "")


@st.cache_data(ttl=_TAGS_SECONDS, show_spinner=False)
def _load_published() -> dict[str, Evaluation | None]:
    """What the tags of published versions say, by the versions' identities."""
    try:
        with open_repository(Path()) as repo:
            published = Registry(repo).all()
    except InputError:
        return {}  # no repository, as in the page's container
    return {each.provenance.identity: _to_evaluation(each) for each in published}


def _to_evaluation(published: PublishedVersion) -> Evaluation | None:
    match published.provenance.values.get("test"):
        case {"metrics": dict(metrics), "sha256": str(sha256)}:
            return Evaluation(metrics, sha256, str(published.tag.name))
        case _:
            return None
