"""What a dialect of the export is: its image column, and how it reads and writes one object.

Each module of `rhymes.export.dialects` holds one. This module has what all of them share.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rhymes.export.annotations import Reason
from rhymes.export.geometry import Box, Shape

Item = Mapping[Any, Any]
"""An entry of a cell's `identifications`, as it was parsed: any keys, any values."""

NO_CATEGORY = "Annotation"
"""What the platform writes as `category` of an item that has its label elsewhere: no label."""

# Far beyond any image (JPEG ends at 65,535 pixels), and small enough to compute with.
_MAX_COORDINATE = 1e6
_NUMBERS = frozenset({int, float})


@dataclass(frozen=True)
class ExportObject:
    """An object to write, in plain data.

    Attributes:
        label: The name of its class.
        box: x, y, width, height in pixels of the upright image, rounded as they are to be written.
        ring: Its outline as [x, y] points in pixels, rounded, not closed; a list of such rings for
            an object in several parts; None without an outline.
        score: 0 to 1; None of an object that a person drew.
    """

    label: str
    box: Box
    ring: list[list[float]] | list[list[list[float]]] | None
    score: float | None

    @property
    def proba(self) -> dict[str, float]:
        """The item's key of the score, where there is one."""
        return {} if self.score is None else {"proba": self.score}


@dataclass(frozen=True)
class Dialect:
    """A dialect of the export.

    Attributes:
        name: What commands call it.
        image_column: The column of annotations.csv that names the image; it tells the dialect of a
            file, so no two dialects share one.
        item_type: An item's `type`; it tells the dialect of an item, since one file may mix them.
        item_to_label: Returns the label where the dialect has it; None without one.
        data_to_shape: Reads an item's `data` for an image of a width and a height in pixels.
        data_to_box: Returns x, y, width and height of an item's `data` as they stand, of any size
            and anywhere; None for another form.
        data_form: What an item's `data` looks like, for messages.
        object_to_item: Makes the item of an object; keys in the order to write them in.
    """

    name: str
    image_column: str
    item_type: str
    item_to_label: Callable[[Item], str | None]
    data_to_shape: Callable[[object, int, int], Shape | Reason]
    data_to_box: Callable[[object], Box | None]
    data_form: str
    object_to_item: Callable[[ExportObject], dict[str, Any]]


def value_to_label(value: object) -> str | None:
    """Return a label; None for what is no text, or blank."""
    return value if isinstance(value, str) and value.strip() else None


def is_coordinate(value: Any) -> bool:
    """Refuse NaN, infinity, numbers beyond 1e6, texts (also "12") and truth values."""
    # The type itself, because bool is a subclass of int.
    return type(value) in _NUMBERS and -_MAX_COORDINATE <= value <= _MAX_COORDINATE


def are_coordinates(values: Iterable[Any]) -> bool:
    """Whether `is_coordinate` holds for all values: the same for an outline, in less time."""
    numbers = list(values)
    if not numbers or not _NUMBERS.issuperset(map(type, numbers)):
        return not numbers
    # max() passes over a NaN, of which sum() makes one.
    return max(map(abs, numbers)) <= _MAX_COORDINATE and not math.isnan(sum(numbers))
