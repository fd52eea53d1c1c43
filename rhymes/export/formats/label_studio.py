"""Label Studio: a JSON list of tasks with their annotations (labelstud.io/guide/task_format).

Coordinates are percents of the image's size, which each region repeats. A task may have several
annotations, of different annotators: each is a row. What Label Studio calls predictions is a
model's, and left out.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from rhymes.common.errors import InputError
from rhymes.export.export_folder import ExportFolder, served_path
from rhymes.export.format import (
    AnnotatedImage,
    Collected,
    Format,
    Items,
    box_item,
    corners_to_box,
    other_item,
    polygon_item,
    rotated_box_item,
    snap_to_edge,
)
from rhymes.images.images import IMAGE_SUFFIXES

_RECTANGLES = ("rectanglelabels", "rectangle")
_POLYGONS = ("polygonlabels", "polygon")
_OTHER_SHAPES = ("brush", "keypoint", "ellipse", "vector", "bitmask", "videorectangle")
# Pixels: percents are floats with all their digits.
_ROUNDING = 1e-9
# Uploaded files get eight hexadecimal digits before their name.
_UPLOADED = re.compile(r"[0-9a-f]{8}-(.+)")


def find(folder: ExportFolder) -> list[str]:
    """Return JSON files that are a list of tasks."""
    return [path for path in folder.with_suffix(".json") if _is_tasks(folder.load_json(path))]


def _is_tasks(value: object) -> bool:
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return False
    return isinstance(value[0].get("data"), dict) and "annotations" in value[0]


def read(
    folder: ExportFolder, files: Sequence[str], collected: Collected
) -> Iterator[AnnotatedImage]:
    """Yield the annotations of all tasks; a task without one as an image that nobody annotated.

    A cancelled annotation (skipped by its annotator) is none. Classes are in the order of their
    names: the export does not hold the project's list.

    Raises:
        InputError: A task has no image, or several.
    """
    names: set[str] = set()
    for path in files:
        for task in folder.load_json(path):
            yield from _Task(folder, path, task, collected).images(names)
    collected.add_classes(sorted(names))


class _Task:
    def __init__(self, folder: ExportFolder, path: str, task: Any, collected: Collected) -> None:
        self._collected = collected
        self._number = task.get("id") if isinstance(task, dict) else None
        self._where = f"{path}: task {self._number}"
        data = task.get("data") if isinstance(task, dict) else None
        self._image = _find_image(folder, path, data, f"{folder.root / path}: task {self._number}")
        self._annotations = _list_of_mappings(task.get("annotations"))
        if predictions := len(_list_of_mappings(task.get("predictions"))):
            collected.notes["predictions left out"] += predictions
        self._folder = folder

    def images(self, names: set[str]) -> Iterator[AnnotatedImage]:
        """Yield a row an annotation; adds the labels to `names`."""
        done = [each for each in self._annotations if not each.get("was_cancelled")]
        if cancelled := len(self._annotations) - len(done):
            self._collected.notes["cancelled annotations left out"] += cancelled
        if not done:
            yield AnnotatedImage(self._image, self._where, None)
        for annotation in done:
            items = self._items(annotation, names)
            origin = f"{self._where}, annotation {annotation.get('id')}"
            by = _annotator(annotation.get("completed_by"))
            yield AnnotatedImage(self._image, origin, items, annotator=by)

    def _items(self, annotation: Mapping[str, Any], names: set[str]) -> Items:
        items: Items = []
        # Of a shape and its label in two tags there are two entries, with one id.
        labels: dict[str, list[str]] = {}
        regions: dict[str, Mapping[str, Any]] = {}
        for index, entry in enumerate(_list_of_mappings(annotation.get("result"))):
            key = str(entry.get("id") or index)
            labels.setdefault(key, []).extend(_labels(entry))
            if _is_shape(entry):
                regions[key] = entry
            elif not _labels(entry):
                self._collected.notes["answers about whole images or relations, left out"] += 1
        for key, region in regions.items():
            names.update(labels[key])
            # Label Studio may give a region several labels: an object of each.
            for label in dict.fromkeys(labels[key]) or [None]:
                items.append(self._region_to_item(region, label) | {"id": key})
        return items

    def _region_to_item(self, region: Mapping[str, Any], label: str | None) -> dict[str, Any]:
        kind, value = region.get("type"), region["value"]
        size = self._size(region)
        if size is None or region.get("image_rotation"):
            return other_item("rotated_image" if size else "region_without_a_size", label)
        if kind in _POLYGONS or "points" in value:
            points = value.get("points")
            pairs = points if isinstance(points, list) else []
            return polygon_item(label, [[_to_pixels(point, size) for point in pairs]])
        if kind in _RECTANGLES or (kind == "labels" and "width" in value):
            box = _value_to_box(value, size)
            if not value.get("rotation"):
                return box_item(label, box)
            degrees = value["rotation"]
            degrees = float(degrees) if type(degrees) in (int, float) else degrees
            return rotated_box_item(label, box, degrees, (0.0, 0.0), self._collected)
        return other_item(str(kind), label)

    def _size(self, region: Mapping[str, Any]) -> tuple[int, int] | None:
        width, height = region.get("original_width"), region.get("original_height")
        if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
            return width, height
        return self._folder.image_size(self._image)


def _list_of_mappings(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _labels(entry: Mapping[str, Any]) -> list[str]:
    """Return the labels of an entry, which stand under its type's name."""
    value = entry.get("value")
    kind = str(entry.get("type"))
    labels = value.get(kind) if isinstance(value, dict) and kind.endswith("labels") else None
    return [each for each in labels if isinstance(each, str)] if isinstance(labels, list) else []


def _is_shape(entry: Mapping[str, Any]) -> bool:
    kind, value = str(entry.get("type")), entry.get("value")
    if not isinstance(value, dict):
        return False
    shape = kind.removesuffix("labels")
    if shape in ("rectangle", "polygon", *_OTHER_SHAPES):
        # The shape's own entry, where its label stands in another one.
        return True
    return kind == "labels" and ("width" in value or "points" in value)


def _value_to_box(value: Mapping[str, Any], size: tuple[int, int]) -> list[Any]:
    """Make x, y, width, height in pixels; what is no number stays as it is."""
    values: list[Any] = [value.get(name) for name in ("x", "y", "width", "height")]
    if not all(type(each) in (int, float) for each in values):
        return values
    x, y, width, height = values
    left, top = _to_pixels([x, y], size)
    right, bottom = _to_pixels([x + width, y + height], size)
    return corners_to_box(left, top, right, bottom)


def _to_pixels(percents: Any, size: tuple[int, int]) -> list[Any]:
    """Turn a pair of percents into pixels; what is no pair of numbers stays as it is."""
    if not isinstance(percents, list) or len(percents) != 2:
        return percents if isinstance(percents, list) else [percents]
    return [
        snap_to_edge(percent / 100 * pixels, pixels, _ROUNDING)
        if type(percent) in (int, float)
        else percent
        for percent, pixels in zip(percents, size, strict=True)
    ]


def _annotator(by: object) -> str:
    """Return who annotated: a number, or a person's record."""
    person = by.get("id", by.get("email")) if isinstance(by, dict) else by
    return str(person) if isinstance(person, int | str) else ""


def _find_image(folder: ExportFolder, path: str, data: object, where: str) -> str:
    """Find the image that a task's data name: the value of `image`, else the only one of any."""
    values = data if isinstance(data, dict) else {}
    named = {key: value for key, value in values.items() if _names_image(value)}
    chosen = named.get("image") or (next(iter(named.values())) if len(named) == 1 else None)
    if chosen is None:
        found = f"several ({', '.join(named)})" if named else "none"
        raise InputError(f"{where}: its data name {found} where one image is needed")
    base = posixpath.dirname(path)
    parts = urlsplit(chosen)
    # Of Label Studio's own host there may be a copy here.
    if parts.scheme and not parts.path.startswith("/data/"):
        return str(chosen)
    name = served_path(chosen)
    bases = [base, posixpath.join(base, "images")]
    found = folder.find_image(name, *bases)
    uploaded = _UPLOADED.fullmatch(posixpath.basename(name))
    if found not in folder.known and uploaded:
        found = folder.find_image(uploaded[1], *bases)
    return found if found in folder.known else chosen


def _names_image(value: object) -> bool:
    if not isinstance(value, str):
        return False
    return urlsplit(served_path(value)).path.lower().endswith(IMAGE_SUFFIXES)


FORMAT = Format(
    name="label_studio",
    title="Label Studio",
    evidence="is a list of tasks with annotations",
    find=find,
    read=read,
)
