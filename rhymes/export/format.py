"""What a format of another tool's export is, and what its reader makes of a folder.

Each module of `rhymes.export.formats` holds one. A reader says of each image what the export's own
cells would say, in their items (`rhymes.export.cells`): an object that cannot be used is handed on
as it stands, or by its kind, so that the same checks drop it for the same reasons.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rhymes.export.dialect import NO_CATEGORY
from rhymes.export.dialects import boxes, polygons
from rhymes.export.export_folder import ExportFolder

Items = list[dict[str, Any]]


@dataclass(frozen=True)
class AnnotatedImage:
    """What one annotation result says of one image: a row of the export.

    Attributes:
        image: Path relative to the folder, with `/` between folders; or a URL.
        origin: The file and the entry that say it, for whoever looks for the row's source.
        items: The objects; empty where someone looked and found none, None where nobody did.
        split: "train", "val" or "test" where the folder says so, else empty.
        annotator: Who drew the objects, where the format says it.
    """

    image: str
    origin: str
    items: Items | None
    split: str = ""
    annotator: str = ""


@dataclass
class Collected:
    """What a reader learns of the whole folder on its way.

    Attributes:
        classes: Their names, each once, in the order of their ids.
        notes: What a format holds that the export's cells do not -> how many there are.
    """

    classes: dict[str, None] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)

    def add_classes(self, names: Iterator[str] | Sequence[str]) -> None:
        """Take up names that are new, behind those that are known."""
        self.classes |= dict.fromkeys(name for name in names if name not in self.classes)


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        name: What `raw.format` calls it.
        title: What its users call it.
        evidence: What tells a folder of it, to follow the name of a file: "has ...".
        find: Returns the files that tell it, as paths in the folder; none where it is another one.
        read: Yields the images of these files, and adds to what is collected.
    """

    name: str
    title: str
    evidence: str
    find: Callable[[ExportFolder], list[str]]
    read: Callable[[ExportFolder, Sequence[str], Collected], Iterator[AnnotatedImage]]


def box_item(label: str | None, data: object) -> dict[str, Any]:
    """Make the item of a box: x, y, width, height in pixels, or what stands there instead."""
    item = {"type": boxes.DIALECT.item_type, "data": data, "category": NO_CATEGORY}
    return item if label is None else item | {"attributes": {"label": label}}


def corners_to_box(left: object, top: object, right: object, bottom: object) -> list[object]:
    """Make x, y, width, height of a box's corners; what is no number stays as it is."""
    if not all(type(each) in (int, float) for each in (left, top, right, bottom)):
        return [left, top, right, bottom]
    x, y = float(left), float(top)  # type: ignore[arg-type]
    return [x, y, float(right) - x, float(bottom) - y]  # type: ignore[arg-type]


def polygon_item(label: str | None, rings: Sequence[object]) -> dict[str, Any]:
    """Make the item of an outline in one or several rings, each [[x, y], ...] in pixels."""
    data = rings[0] if len(rings) == 1 else list(rings)
    item = {"type": polygons.DIALECT.item_type, "data": data}
    if label is None:
        return item
    # That category means none; a class of this very name has its label elsewhere.
    more = {"attributes": {"label": label}} if label == NO_CATEGORY else {}
    return item | {"category": label} | more


def rotated_box_item(
    label: str | None,
    box: Sequence[object],
    degrees: object,
    pivot: tuple[float, float],
    collected: Collected,
) -> dict[str, Any]:
    """Make the item of a box that is turned: the polygon of its corners.

    Args:
        label: The class.
        box: x, y, width, height in pixels before it is turned.
        degrees: Clockwise.
        pivot: About which it is turned, in fractions of its width and height.
        collected: Takes a note.
    """
    numbers = [each for each in (*box, degrees) if isinstance(each, float)]
    if len(numbers) != 5 or not all(map(math.isfinite, numbers)):
        return box_item(label, [*box[:3], degrees])
    x, y, width, height, angle = numbers
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    center_x, center_y = x + pivot[0] * width, y + pivot[1] * height
    ring = [
        [center_x + right * cosine - down * sine, center_y + right * sine + down * cosine]
        for right, down in (
            ((across - pivot[0]) * width, (along - pivot[1]) * height)
            for across, along in ((0, 0), (1, 0), (1, 1), (0, 1))
        )
    ]
    collected.notes["rotated boxes kept as polygons of four corners"] += 1
    # Machines differ in the last digits of a sine.
    return polygon_item(label, [[[round(each, 6) for each in point] for point in ring]])


def other_item(kind: str, label: str | None) -> dict[str, Any]:
    """Make the item of an object that no dialect can express: it is dropped by its kind."""
    return {"type": kind} | ({} if label is None else {"category": label})


def snap_to_edge(coordinate: float, pixels: int, tolerance: float) -> float:
    """Put what lies beyond an image's edge by no more than a format's rounding on the edge.

    Else it would be cut there, and counted as an object that leaves the image.
    """
    if -tolerance <= coordinate < 0:
        return 0.0
    return float(pixels) if pixels < coordinate <= pixels + tolerance else coordinate


def text_to_number(text: str | None) -> float | str | None:
    """Read a coordinate; what is no number comes back as it is."""
    try:
        return float(text or "")
    except ValueError:
        return text


def first_text(mapping: Mapping[str, Any], *keys: str) -> str:
    """Return the first of some values that is a text; empty where none is."""
    return next((v for key in keys if isinstance(v := mapping.get(key), str) and v), "")
