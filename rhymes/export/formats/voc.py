"""Pascal VOC: an XML file an image, with the corners of its boxes.

The devkit's corners are pixels, numbered from 1, and the last ones belong to the box. Tools that
write VOC (Datumaro and with it CVAT, Label Studio, LabelImg) give the box's edges instead, from 0.
Both have the same names, so the whole folder is asked for what tells: `_corners_are_edges`.
"""

from __future__ import annotations

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
    text_to_number,
)

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_IMAGES = ("JPEGImages", "images", "Images")
_LABELS = "labelmap.txt"
_BACKGROUND = "background"


def find(folder: ExportFolder) -> list[str]:
    """Return XML files with an `annotation`."""
    return folder.with_xml_root("annotation")


def read(
    folder: ExportFolder, files: Sequence[str], collected: Collected
) -> Iterator[AnnotatedImage]:
    """Yield an image a file, in the order of the files' names.

    The image is the one of the file's name, as the devkit has it, else the one that the file names.
    Classes are in the order of labelmap.txt, which Datumaro and CVAT write, then by name.

    Raises:
        InputError: A file is no XML, or names no image.
    """
    first = 0 if _corners_are_edges(folder, files) else 1
    said = "edges from 0" if first == 0 else "pixels numbered from 1"
    collected.notes[f"files whose corners are read as {said}"] = len(files)
    splits = _load_splits(folder)
    names: set[str] = set()
    for path in files:
        root = _load_root(folder, path)
        items = [_object_to_item(each, first, collected) for each in root.iterfind("object")]
        names.update(filter(None, (_text(each, "name") for each in root.iterfind("object"))))
        stem = posixpath.basename(path).removesuffix(".xml")
        split = splits.get(stem, path_to_split(path))
        yield AnnotatedImage(_find_image(folder, path, root), path, items, split)
    mapped = [name for name in _load_label_map(folder) if name != _BACKGROUND or name in names]
    collected.add_classes([*mapped, *sorted(names)])


def _load_root(folder: ExportFolder, path: str) -> Element:
    events = [element for event, element in folder.iterate_xml(path) if event == "start"]
    return events[0]


def _corners_are_edges(folder: ExportFolder, files: Sequence[str]) -> bool:
    """Say whether corners are edges from 0, and not pixels from 1.

    Pixels are whole numbers from 1 on. So one decimal point, or one smaller number, tells of edges.
    So do a `path`, which LabelImg writes (it turns a 0 into 1), and Label Studio's name.
    """
    for path in files:
        for _, element in folder.iterate_xml(path):
            text = element.text or ""
            if element.tag in _CORNERS:
                number = text_to_number(text)
                if "." in text or (isinstance(number, float) and number < 1):
                    return True
            elif element.tag == "path" or (element.tag, text) == ("name", "Label Studio"):
                return True
    return False


def _find_image(folder: ExportFolder, path: str, root: Element) -> str:
    base = posixpath.dirname(path)
    stem = posixpath.basename(path).removesuffix(".xml")
    beside = [posixpath.join(posixpath.dirname(base), name) for name in _IMAGES]
    # Annotations/day1/a.xml and JPEGImages/day1/a.jpg
    within = [base.replace("Annotations", name, 1) for name in _IMAGES]
    bases = [base, *within, *beside]
    if found := folder.find_by_stem(stem, *bases):
        return found
    name = _text(root, "filename") or _text(root, "path")
    if not name:
        raise InputError(
            f"{folder.root / path}: no image of its name is there, and no filename in it"
        )
    return folder.find_image(name, *bases)


def _object_to_item(element: Element, first: int, collected: Collected) -> dict[str, Any]:
    label = _text(element, "name")
    if _text(element, "difficult") == "1":
        collected.notes["objects marked as difficult, kept like others"] += 1
    if element.find("part") is not None:
        collected.notes["objects whose parts are left out"] += 1
    if element.find("robndbox") is not None:
        return other_item("rotated_box", label)
    if (outline := element.find("polygon")) is not None:
        numbers = [_shifted(text_to_number(each.text), first) for each in outline]
        return polygon_item(label, [[numbers[i : i + 2] for i in range(0, len(numbers), 2)]])
    corners = [text_to_number(_text(element, f"bndbox/{name}")) for name in _CORNERS]
    left, top, right, bottom = corners
    return box_item(
        label, corners_to_box(_shifted(left, first), _shifted(top, first), right, bottom)
    )


def _shifted(number: object, first: int) -> object:
    return number - first if isinstance(number, float) else number


def _text(element: Element, path: str) -> str | None:
    text = (element.findtext(path) or "").strip()
    return text or None


def _load_splits(folder: ExportFolder) -> dict[str, str]:
    """Read which split ImageSets/Main gives to a file's name."""
    splits: dict[str, str] = {}
    for path in folder.files:
        base, name = posixpath.split(path)
        if base.endswith("ImageSets/Main") and name in ("train.txt", "val.txt", "test.txt"):
            for line in folder.load_text(path).splitlines():
                if words := line.split():
                    stem = posixpath.basename(words[0].strip('"'))
                    split = path_to_split(name)
                    if splits.setdefault(stem, split) != split:
                        splits[stem] = ""
    return splits


def _load_label_map(folder: ExportFolder) -> list[str]:
    """Read the names of labelmap.txt: lines `name:color:parts:actions`, and comments."""
    path = next((each for each in folder.files if posixpath.basename(each) == _LABELS), None)
    lines = folder.load_text(path).splitlines() if path else []
    return [line.split(":")[0].strip() for line in lines if line.strip() and line[0] != "#"]


FORMAT = Format(
    name="voc",
    title="Pascal VOC",
    evidence="has an <annotation> in XML",
    find=find,
    read=read,
)
