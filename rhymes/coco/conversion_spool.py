"""Annotations on their way from the CSV to the COCO files, on the disk instead of in memory."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rhymes.export.geometry import Shape
from rhymes.export.rhymes import Annotation


class AnnotationSpool:
    """A file of annotations, one JSON line a row of the CSV, read back in any order."""

    def __init__(self, file: IO[bytes]) -> None:
        """Write to and read from a new binary file."""
        self._file = file
        self._end = 0

    def append(self, annotations: Sequence[Annotation]) -> int:
        """Write a row's annotations; return the position from which `read` gets them."""
        position = self._end
        pairs = [(annotation.class_id, annotation.shape) for annotation in annotations]
        values = [[number, s.bbox, s.area, s.rings, s.clipped] for number, s in pairs]
        self._end += self._file.write(json.dumps(values).encode() + b"\n")
        return position

    def read(self, position: int) -> list[Annotation]:
        """Read what one `append` wrote, exactly: JSON keeps every digit of a float."""
        self._file.seek(position)
        return [
            Annotation(number, Shape(tuple(bbox), area, tuple(map(tuple, rings)), clipped))
            for number, bbox, area, rings, clipped in json.loads(self._file.readline())
        ]


@contextmanager
def annotation_spool(folder: Path) -> Iterator[AnnotationSpool]:
    """Give a spool in `folder` (not in /tmp, which may be memory) that leaves no file behind."""
    with tempfile.TemporaryFile("w+b", dir=folder) as file:
        yield AnnotationSpool(file)
