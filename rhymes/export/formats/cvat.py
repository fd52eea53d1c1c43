"""CVAT for images 1.1: XML with the labels of a task or project, and the shapes of each image.

https://docs.cvat.ai/docs/other/xml_format/ says what it holds. Coordinates are pixels, and a box's
`rotation` is in degrees, clockwise about its middle.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from rhymes.common.errors import InputError
from rhymes.export.export_folder import ExportFolder, path_to_split
from rhymes.export.format import (
    AnnotatedImage,
    Collected,
    Format,
    box_item,
    corners_to_box,
    other_item,
    polygon_item,
    rotated_box_item,
    text_to_number,
)
from rhymes.export.mask_outlines import counts_to_rings

_SHAPES = ("box", "polygon", "mask", "polyline", "points", "ellipse", "cuboid", "skeleton")


def find(folder: ExportFolder) -> list[str]:
    """Return XML files with `annotations`."""
    return folder.with_xml_root("annotations")


def read(
    folder: ExportFolder, files: Sequence[str], collected: Collected
) -> Iterator[AnnotatedImage]:
    """Yield the images of all files, in the files' order.

    Classes are in the order of the labels, those without an object too. A rotated box is kept as
    the polygon of its corners.

    Raises:
        InputError: A file is no XML, holds the tracks of a video, or an image has no name.
    """
    for path in files:
        root: Element | None = None
        names: set[str] = set()
        for event, element in folder.iterate_xml(path):
            if root is None:
                root = element
            if event == "start":
                continue
            if element.tag == "label":
                _collect_label(element, collected)
            elif element.tag == "track":
                raise InputError(
                    f"{folder.root / path}: holds the tracks of a video, which name no image; "
                    "export it from CVAT as 'CVAT for images 1.1', with images"
                )
            elif element.tag == "image":
                yield _element_to_image(folder, path, element, names, collected)
                # What was read is let go, so that memory stays flat.
                root.clear()
        collected.add_classes(sorted(names))


def _collect_label(element: Element, collected: Collected) -> None:
    name = (element.findtext("name") or "").strip()
    # A label with a parent is a point of a skeleton.
    if name and element.find("parent") is None:
        collected.add_classes([name])


def _element_to_image(
    folder: ExportFolder, path: str, element: Element, names: set[str], collected: Collected
) -> AnnotatedImage:
    name = element.get("name")
    if not name:
        raise InputError(f"{folder.root / path}: image {element.get('id')}: has no name")
    base, subset = posixpath.dirname(path), element.get("subset", "")
    images = posixpath.join(base, "images")
    found = folder.find_image(name, base, images, posixpath.join(images, subset))
    items = [_shape_to_item(each, collected) for each in element if each.tag in _SHAPES]
    if tags := len(element.findall("tag")):
        collected.notes["tags of whole images, left out"] += tags
    names.update(label for each in element if (label := each.get("label")) and each.tag != "tag")
    origin = f"{path}: image {element.get('id')}, {name}"
    return AnnotatedImage(found, origin, items, path_to_split(subset or path))


def _shape_to_item(element: Element, collected: Collected) -> dict[str, Any]:
    label = element.get("label")
    if element.get("outside") == "1":
        return other_item("outside", label)
    match element.tag:
        case "box":
            return _box_to_item(element, label, collected)
        case "polygon":
            return polygon_item(label, [_text_to_points(element.get("points", ""))])
        case "mask":
            return _mask_to_item(element, label, collected)
        case _:
            return other_item(element.tag, label)


def _box_to_item(element: Element, label: str | None, collected: Collected) -> dict[str, Any]:
    corners = [text_to_number(element.get(name)) for name in ("xtl", "ytl", "xbr", "ybr")]
    box = corners_to_box(*corners)
    rotation = text_to_number(element.get("rotation", "0"))
    if rotation == 0:
        return box_item(label, box)
    return rotated_box_item(label, box, rotation, (0.5, 0.5), collected)


def _mask_to_item(element: Element, label: str | None, collected: Collected) -> dict[str, Any]:
    left, top, width, height = (
        text_to_number(element.get(name)) for name in ("left", "top", "width", "height")
    )
    counts = [_whole(text_to_number(text)) for text in element.get("rle", "").split(",")]
    rings = counts_to_rings(counts, _whole(width), _whole(height))
    if not rings or not isinstance(left, float) or not isinstance(top, float):
        return other_item("mask", label)
    collected.notes["masks kept as outlines along their pixels' edges"] += 1
    return polygon_item(label, [[[x + left, y + top] for x, y in ring] for ring in rings])


def _whole(number: object) -> object:
    is_whole = isinstance(number, float) and math.isfinite(number) and number.is_integer()
    return int(number) if isinstance(number, float) and is_whole else number


def _text_to_points(text: str) -> list[list[object]]:
    """Read `x,y;x,y`."""
    return [[text_to_number(number) for number in point.split(",")] for point in text.split(";")]


FORMAT = Format(
    name="cvat",
    title="CVAT for images",
    evidence="has <annotations> in XML",
    find=find,
    read=read,
)
