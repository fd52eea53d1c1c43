"""Folders as annotation tools export them, written, and read as the stage fetch reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rhymes.export.annotations import Annotation, Reason
from rhymes.export.categories import LabelMatcher
from rhymes.export.cells import item_to_annotation
from rhymes.export.export_folder import ExportFolder
from rhymes.export.format import AnnotatedImage, Collected
from rhymes.export.formats import find_format
from rhymes.export.geometry import Box
from tests.support.hostile_server import encode_random_image

SIZE = (100, 80)
"""Of images whose size a test does not care for."""


@dataclass
class ReadFolder:
    """What was read: the images, the classes in their order, the notes with their numbers."""

    images: list[AnnotatedImage]
    classes: list[str]
    notes: dict[str, int]

    def objects(self, size: tuple[int, int] = SIZE) -> list[list[Annotation | Reason]]:
        """The objects of each image, as the stage coco reads them."""
        matcher = LabelMatcher(self.classes)
        return [
            [item_to_annotation(item, matcher, *size) for item in image.items or ()]
            for image in self.images
        ]

    def boxes(self, size: tuple[int, int] = SIZE) -> list[list[tuple[str, Box]]]:
        """The class and the box of each object that is kept, image by image."""
        return [
            [
                (self.classes[each.class_id - 1], each.shape.bbox)
                for each in objects
                if isinstance(each, Annotation)
            ]
            for objects in self.objects(size)
        ]


def read_folder(root: Path, wanted: str = "auto") -> ReadFolder:
    """Find the format of a folder and read it."""
    folder, collected = ExportFolder(root), Collected()
    found = find_format(folder, wanted)
    assert found is not None
    images = list(found.format.read(folder, found.files, collected))
    return ReadFolder(images, list(collected.classes), dict(collected.notes))


def write_files(root: Path, files: Mapping[str, Any]) -> Path:
    """Write files by their paths: bytes, a text, None for some image, else what JSON holds."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            content = encode_random_image(len(name))
        elif not isinstance(content, bytes | str):
            content = json.dumps(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return root
