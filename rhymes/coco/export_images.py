"""The images of an export while it is converted, their annotations in a cache on the disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import orjson

from rhymes.common.files import named_errors
from rhymes.export.annotations import Annotation, LastTouch
from rhymes.export.fetched import IndexedImage
from rhymes.export.geometry import Shape


@dataclass(slots=True)
class ExportImage:
    """A distinct image of an export, under one name or several.

    Attributes:
        files: as fetched, one a name, in order of first appearance; the first one is used.
        rows: the number of each of its rows, ascending, and where the cache has the row's
            annotations.
        class_ids: of its objects, sorted.
        broken: whether an entry was dropped that stood for an object.
    """

    files: tuple[IndexedImage, ...]
    rows: tuple[tuple[int, int], ...] = ()
    class_ids: tuple[int, ...] = ()
    broken: bool = False

    @property
    def file(self) -> IndexedImage:
        """The file that is used."""
        return self.files[0]

    @property
    def source(self) -> str:
        """The name of the file that is used, which is the image's own."""
        return self.files[0].source

    @property
    def sources(self) -> tuple[str, ...]:
        """All its names in the CSV, in order of first appearance."""
        return tuple(file.source for file in self.files)


class AnnotationCache:
    """A file of annotations, one JSON line a row of the CSV, read back in any order."""

    def __init__(self, file: IO[bytes]) -> None:
        """Write to and read from a new binary file."""
        self._file = file
        self._end = 0
        self._is_at_end = True

    def append(self, annotations: Sequence[Annotation]) -> int:
        """Write a row's annotations; return the position from which `read` gets them."""
        position = self._end
        if not self._is_at_end:  # a seek flushes the buffer, so that one a row would be slow
            self._file.seek(position)
            self._is_at_end = True
        values = [
            [each.class_id, each.last_touch, s.bbox, s.area, s.rings, s.clipped]
            for each in annotations
            for s in (each.shape,)
        ]
        self._end += self._file.write(orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE))
        return position

    def read(self, position: int) -> list[Annotation]:
        """Read what one `append` wrote, exactly: JSON keeps every digit of a float."""
        self._file.seek(position)
        self._is_at_end = False
        return [
            Annotation(
                number,
                Shape(tuple(bbox), area, tuple(map(tuple, rings)), clipped),
                LastTouch(touch),
            )
            for number, touch, bbox, area, rings, clipped in orjson.loads(self._file.readline())
        ]


@contextmanager
def annotation_cache(folder: Path) -> Iterator[AnnotationCache]:
    """Give a cache in `folder` (not in /tmp, which may be memory) that leaves no file behind."""
    with named_errors(folder), tempfile.TemporaryFile("w+b", dir=folder) as file:
        yield AnnotationCache(file)
