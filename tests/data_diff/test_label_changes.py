"""The objects of one image in two versions, by hand-calculated cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rhymes.data_diff.image_labels import ImageLabels
from rhymes.data_diff.label_changes import compare_labels

NAMES = {1: "CAT", 2: "DOG"}
Object = tuple[Any, ...]  # class id, xmin, ymin, xmax, ymax, and an outline's checksum


def image(*objects: Object, width: int = 100, height: int = 100) -> ImageLabels:
    return ImageLabels(
        "a.jpg", "a", "train", width, height,
        np.array([each[1:5] for each in objects], np.float64).reshape(-1, 4),
        np.array([each[5] if len(each) > 5 else 0 for each in objects], np.int64),
        np.array([each[0] for each in objects], np.int32),
    )  # fmt: skip


CAT, DOG = (1, 0, 0, 10, 10), (2, 0, 0, 10, 10)
MOVED, FAR = (1, 2, 0, 12, 10), (1, 8, 0, 18, 10)  # IoU with CAT: 2/3 and 1/9


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param([], [], {}, id="empty"),
        pytest.param([CAT], [CAT], {"same": {"CAT": 1}}, id="the same"),
        pytest.param([CAT, MOVED], [MOVED, CAT], {"same": {"CAT": 2}}, id="another order"),
        pytest.param([], [CAT, DOG], {"added": {"CAT": 1, "DOG": 1}}, id="added"),
        pytest.param([CAT], [], {"removed": {"CAT": 1}}, id="removed"),
        pytest.param([CAT], [MOVED], {"redrawn": {"CAT": 1}}, id="moved"),
        pytest.param(
            [CAT], [FAR], {"removed": {"CAT": 1}, "added": {"CAT": 1}}, id="another object"
        ),
        pytest.param([CAT], [DOG], {"relabelled": {("CAT", "DOG"): 1}}, id="relabelled"),
        pytest.param(
            [(2, 0, 0, 10, 10)], [MOVED], {"relabelled": {("DOG", "CAT"): 1}}, id="and moved"
        ),
        pytest.param(
            [(*CAT, 5)], [(*CAT, 6)], {"redrawn": {"CAT": 1}}, id="another outline in its box"
        ),
        pytest.param([CAT, CAT], [CAT], {"same": {"CAT": 1}, "removed": {"CAT": 1}}, id="twice"),
        # By overlap within classes alone the moved dog would take the place of the cat.
        pytest.param(
            [CAT, (2, 2, 0, 12, 10)], [DOG, (2, 2, 0, 12, 10)],
            {"relabelled": {("CAT", "DOG"): 1}, "same": {"DOG": 1}}, id="beside its new class",
        ),
        pytest.param(
            [CAT, DOG], [DOG], {"removed": {"CAT": 1}, "same": {"DOG": 1}}, id="the same place"
        ),
    ],
)  # fmt: skip
def test_changes(old: list[Object], new: list[Object], expected: dict[str, Any]) -> None:
    found = compare_labels(image(*old), image(*new), NAMES, NAMES)
    kinds = ("added", "removed", "redrawn", "relabelled", "same")
    assert {kind: dict(getattr(found, kind)) for kind in kinds if getattr(found, kind)} == expected
    assert bool(found) == bool(set(expected) - {"same"})


def test_classes_are_compared_by_name() -> None:
    swapped = {1: "DOG", 2: "CAT"}
    assert not compare_labels(image(CAT), image(DOG), NAMES, swapped)
    assert compare_labels(image(CAT), image(CAT), NAMES, swapped).relabelled == {("CAT", "DOG"): 1}


def test_an_image_of_another_size_is_compared_as_if_scaled() -> None:
    old = image((1, 10, 10, 31, 31), (1, 50, 50, 90, 90))
    new = image((1, 20, 41, 61, 125), (1, 100, 200, 170, 360), width=200, height=400)
    found = compare_labels(old, new, NAMES, NAMES)
    assert found.same == {"CAT": 1}
    assert found.redrawn == {"CAT": 1}
    assert not found.added
