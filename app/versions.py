"""Versions of the model: which one answers, and the classes of two brought together by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from app import backend
from app.plain_text import plain
from rhymes.coco.label_map import class_name
from rhymes.detections.detections import Detections


def choose_version(key: str, label: str = "Version of the model", index: int = 0) -> int:
    """Show the versions that answer; return the chosen one.

    Args:
        key: Of the view.
        label: Of the picker.
        index: Of the one that is chosen at first; 0 is the newest.

    Raises:
        ServingError: there is no server, or no version that answers.
    """
    available = backend.available_versions()
    version: int = st.selectbox(
        label,
        available,
        index=min(index, len(available) - 1),
        key=f"{key} version",
        help="The numbers that the server knows the model's versions by.",
    )
    for status in backend.versions():
        if status.state not in ("AVAILABLE", "END") or status.error:
            why = f": {plain(status.error)}" if status.error else ""
            st.caption(f"Version {status.version} is {plain(status.state.lower())}{why}")
    return version


@dataclass(frozen=True)
class CommonClasses:
    """The classes of two versions.

    Attributes:
        names: By a number that is the first version's where it has the class.
        left_only: Names that only the first version has.
        right_only: Names that only the second version has.
    """

    names: dict[int, str]
    left_only: tuple[str, ...]
    right_only: tuple[str, ...]

    def renumber(self, detections: Detections, names: Mapping[int, str]) -> Detections:
        """The same objects with the common numbers.

        Args:
            detections: Of one of the versions.
            names: Its class names by id.
        """
        numbers = {name: number for number, name in self.names.items()}
        ids = [
            numbers.get(class_name(names, int(class_id)), int(class_id))
            for class_id in detections.class_ids
        ]
        return replace(detections, class_ids=np.array(ids, np.int32))


def join_classes(left: Mapping[int, str], right: Mapping[int, str]) -> CommonClasses:
    """Bring the classes of two versions together by their names."""
    names = dict(left)
    own = set(left.values())
    added = [name for _, name in sorted(right.items()) if name not in own]
    first = max(names, default=0) + 1
    names |= dict(enumerate(added, start=first))
    theirs = set(right.values())
    return CommonClasses(
        names, tuple(name for name in left.values() if name not in theirs), tuple(added)
    )
