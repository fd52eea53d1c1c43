"""YOLO: a text file an image, a line an object, in fractions of the image's size.

Read as Ultralytics reads them (docs.ultralytics.com/datasets/detect, .../segment): `data.yaml`
names classes and the images of each split, and labels lie in `labels/` where images lie in
`images/`, or beside them. Older layouts have the classes in classes.txt or obj.names, a name a
line. An object is a class's number and the middle, width and height of a box, or an outline.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from rhymes.common.errors import InputError
from rhymes.export.export_folder import ExportFolder
from rhymes.export.format import (
    AnnotatedImage,
    Collected,
    Format,
    Items,
    box_item,
    polygon_item,
    snap_to_edge,
    text_to_number,
)
from rhymes.images.images import IMAGE_SUFFIXES

_NAME_FILES = ("classes.txt", "obj.names")
_SPLITS = ("train", "val", "test")
# A fraction has six decimals in all writers: half a step each of the middle and the size.
_STEP = 1e-6


def find(folder: ExportFolder) -> list[str]:
    """Return the files that name classes: YAML with `names`, else classes.txt or obj.names."""
    described = [path for path in folder.with_suffix(".yaml", ".yml") if _load_yaml(folder, path)]
    named = [path for path in folder.files if posixpath.basename(path) in _NAME_FILES]
    return described or named


def read(
    folder: ExportFolder, files: Sequence[str], collected: Collected
) -> Iterator[AnnotatedImage]:
    """Yield the images of each split that the YAML names, else all in the folder.

    An image without a label file has no objects, as for Ultralytics; how many there are is noted.

    Raises:
        InputError: Several files name classes, a file is not of its form, or there are no images.
    """
    if len(files) > 1:
        raise InputError(
            f"{folder.root}: {' and '.join(files)} each describe a dataset; "
            "let raw.export name the folder of one"
        )
    described = _load_yaml(folder, files[0]) or {"names": folder.load_text(files[0]).splitlines()}
    names = _read_names(folder, files[0], described["names"])
    collected.add_classes([names[number] for number in sorted(names)])
    # Points of a pose stand behind its box, as many numbers as these.
    pose = described.get("kpt_shape") or [0]
    reader = _LabelReader(folder, names, pose[0] * pose[-1] if len(pose) == 2 else 0, collected)
    for image, split in _find_images(folder, files[0], described).items():
        labels = _find_labels(folder, image)
        if labels is None:
            collected.notes["images without a label file, so without objects"] += 1
        items = reader.read(labels, image) if labels else []
        yield AnnotatedImage(image, labels or image, items, split)


def _load_yaml(folder: ExportFolder, path: str) -> dict[str, Any] | None:
    """Read a YAML that describes a dataset; None for any other one."""
    if not path.lower().endswith((".yaml", ".yml")):
        return None
    try:
        value = YAML(typ="safe", pure=True).load(folder.load_text(path))
    except (YAMLError, InputError):
        return None
    return value if isinstance(value, dict) and value.get("names") else None


def _read_names(folder: ExportFolder, path: str, names: object) -> dict[int, str]:
    """Read the classes: a list, or a mapping from their numbers."""
    pairs = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(pairs, dict) or not all(type(number) is int for number in pairs):
        raise InputError(f"{folder.root / path}: names is neither a list nor numbered from 0")
    found = {number: str(name).strip() for number, name in pairs.items()}
    if empty := [number for number, name in found.items() if not name and path.endswith("aml")]:
        raise InputError(f"{folder.root / path}: class {empty[0]} has no name")
    # A text file may end in blank lines.
    return {number: name for number, name in found.items() if name}


def _find_images(folder: ExportFolder, path: str, described: dict[str, Any]) -> dict[str, str]:
    """Return each image with its split; empty for one that several splits have."""
    images: dict[str, str] = {}
    for split in _SPLITS:
        entries = described.get(split) or (described.get("valid") if split == "val" else None)
        for entry in entries if isinstance(entries, list) else [entries] if entries else []:
            for image in _entry_to_images(folder, path, described, str(entry)):
                if images.setdefault(image, split) != split:
                    images[image] = ""
    if not images:
        images = dict.fromkeys(folder.with_suffix(*IMAGE_SUFFIXES), "")
    if not images:
        raise InputError(f"{folder.root}: no images there; put them beside their labels")
    return images


def _entry_to_images(
    folder: ExportFolder, path: str, described: dict[str, Any], entry: str
) -> list[str]:
    """Return the images of a split's folder, or of its text file with a path a line.

    The path is from `path` in the YAML, which is of the machine where it was written, or from the
    YAML; Roboflow writes ../train/images for what lies in train/images.
    """
    base = posixpath.dirname(path)
    parts = [part for part in PurePosixPath(entry.replace("\\", "/")).parts if part != "/"]
    inside = str(described.get("path") or "")
    bases = [posixpath.join(base, inside), base] if not inside.startswith("/") else [base]
    images = folder.with_suffix(*IMAGE_SUFFIXES)
    for start in range(len(parts) or 1):
        for each in bases:
            wanted = posixpath.normpath(posixpath.join(each, *parts[start:]))
            if wanted in folder.known:
                lines = folder.load_text(wanted).splitlines()
                near = [posixpath.dirname(wanted), *bases]
                return [folder.find_image(line.strip(), *near) for line in lines if line.strip()]
            prefix = "" if wanted == "." else f"{wanted}/"
            if found := [image for image in images if image.startswith(prefix)]:
                return found
    return []


def _find_labels(folder: ExportFolder, image: str) -> str | None:
    stem = posixpath.splitext(image)[0] + ".txt"
    before, images, behind = f"/{stem}".rpartition("/images/")
    places = [f"{before}/labels/{behind}"[1:]] if images else []
    return next((place for place in (*places, stem) if place in folder.known), None)


class _LabelReader:
    """Reads label files."""

    def __init__(
        self, folder: ExportFolder, names: dict[int, str], pose: int, collected: Collected
    ) -> None:
        self._folder = folder
        self._names = names
        self._pose = pose
        self._collected = collected

    def read(self, path: str, image: str) -> Items:
        """Make the items of an image's label file.

        Raises:
            InputError: It is no text.
        """
        lines = self._folder.load_text(path).splitlines()
        # An image that is missing or none fails when it is fetched, and its row with it.
        size = self._folder.image_size(image) if any(map(str.strip, lines)) else None
        if size is None:
            return []
        return [
            self._line_to_item(line.split(), size) | {"line": number}
            for number, line in enumerate(lines, start=1)
            if line.strip()
        ]

    def _line_to_item(self, words: list[str], size: tuple[int, int]) -> dict[str, Any]:
        number, *values = map(text_to_number, words)
        whole = isinstance(number, float) and number.is_integer()
        label = self._names.get(int(number or 0)) if whole else None
        if self._pose and len(values) == 4 + self._pose:
            self._collected.notes["sets of keypoints left out, their boxes kept"] += 1
            values = values[:4]
        if len(values) == 5:
            self._collected.notes["scores of predictions left out"] += 1
            values = values[:4]
        if len(values) > 5 and len(values) % 2 == 0:
            points = zip(values[::2], values[1::2], strict=True)
            ring = [[_to_pixels(x, size[0]), _to_pixels(y, size[1])] for x, y in points]
            return polygon_item(label, [ring])
        if len(values) != 4 or not all(isinstance(value, float) for value in values):
            return box_item(label, values)
        x, y, width, height = (float(value) for value in values if isinstance(value, float))
        left, right = _side(x, width, size[0])
        top, bottom = _side(y, height, size[1])
        return box_item(label, [left, top, right - left, bottom - top])


def _side(middle: float, length: float, pixels: int) -> tuple[float, float]:
    low, high = (middle - length / 2) * pixels, (middle + length / 2) * pixels
    tolerance = _STEP * pixels
    return snap_to_edge(low, pixels, tolerance), snap_to_edge(high, pixels, tolerance)


def _to_pixels(fraction: object, pixels: int) -> object:
    if not isinstance(fraction, float):
        return fraction
    return snap_to_edge(fraction * pixels, pixels, _STEP * pixels)


FORMAT = Format(
    name="yolo",
    title="YOLO",
    evidence="names the classes of text files with labels",
    find=find,
    read=read,
)
