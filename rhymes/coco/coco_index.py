"""An index of a COCO file: the byte offsets of each image and of its annotations.

Parsing 20,000 images with their annotations costs some 150 MB. The index holds about two
rows of numbers for each image, so that several processes can read what they need by themselves,
one image at a time.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import orjson
from numpy.typing import NDArray

from rhymes.coco.files import CocoAnnotation, CocoImage
from rhymes.coco.json_scanner import JsonScanner, JsonSpan
from rhymes.common.errors import InputError

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CocoIndex:
    """What a COCO file holds, and where.

    Attributes:
        path: The file.
        categories: Category id -> name.
        images: int64 [n, 3]: image id, first byte of its entry, byte behind the last; by
            ascending id.
        runs: int64 [m, 4]: image id, first byte, byte behind the last, number of annotations, of
            stretches of annotations that follow each other in the file and belong to one image;
            by ascending image id, then as in the file.
        polygons: Number of annotations that have a `segmentation`, in the whole file.
    """

    path: Path
    categories: dict[int, str]
    images: Rows
    runs: Rows
    polygons: int

    @property
    def objects(self) -> int:
        """Number of annotations."""
        return int(self.runs[:, 3].sum())

    @property
    def most_objects(self) -> int:
        """Greatest number of annotations of one image."""
        if not len(self.runs):
            return 0
        _, image_indices = np.unique(self.runs[:, 0], return_inverse=True)
        return int(np.max(np.bincount(image_indices, weights=self.runs[:, 3])))

    def part(self, number: int, count: int) -> CocoIndex:
        """Every `count`-th image, from image `number` (the first is 0) on."""
        images = self.images[number::count]
        runs = [self.runs[first:last] for first, last in _owned_runs(images, self.runs)]
        return replace(self, images=images, runs=np.concatenate([self.runs[:0], *runs]))

    def load_records(self) -> Iterator[tuple[CocoImage, list[CocoAnnotation]]]:
        """Read each image's entry and its annotations, in the order of `images`."""
        # Unbuffered, since what lies between two records is not wanted.
        with self.path.open("rb", buffering=0) as file:
            owned = _owned_runs(self.images, self.runs)
            for (_, *place), (first, last) in zip(self.images.tolist(), owned, strict=True):
                annotations: list[CocoAnnotation] = []
                for _, start, end, _ in self.runs[first:last].tolist():
                    annotations += orjson.loads(b"[%b]" % _load_bytes(file, start, end))
                yield orjson.loads(_load_bytes(file, *place)), annotations


def load_coco_index(path: Path) -> CocoIndex:
    """Read through a COCO file, of any layout, and note where what is.

    Memory stays small where the annotations of each image follow each other.

    Raises:
        InputError: the file is missing, not JSON or not COCO; an image id occurs twice; an
            annotation names an image or a category that the file does not have.
    """
    indexer = _Indexer(path)
    try:
        with path.open("rb") as file:
            indexer.read(JsonScanner(path, file))
    except FileNotFoundError:
        raise InputError(f"{path}: not found; `dvc repro coco` writes it") from None
    return indexer.index()


def _owned_runs(images: Rows, runs: Rows) -> Iterator[tuple[int, int]]:
    """For each image its first row in `runs` and the one behind the last."""
    owners = np.ascontiguousarray(runs[:, 0])
    first = np.searchsorted(owners, images[:, 0], "left").tolist()
    last = np.searchsorted(owners, images[:, 0], "right").tolist()
    return zip(first, last, strict=True)


def _load_bytes(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)


class _Indexer:
    """Collects an index's rows while it reads a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._categories: dict[int, str] = {}
        self._used_categories: set[int] = set()
        self._images = array("q")
        self._runs = array("q")
        self._polygons = 0

    def read(self, scanner: JsonScanner) -> None:
        missing = {"images", "annotations", "categories"}
        for key in scanner.keys():  # noqa: SIM118, it is no mapping
            missing.discard(key)
            match key:
                case "images":
                    for element in scanner.elements():
                        number = self._integer("images", element, "id")
                        self._images.extend([number, element.start, element.end])
                case "annotations":
                    for elements in scanner.batches():
                        self._add_annotations(elements)
                case "categories":
                    for element in scanner.elements():
                        self._add_category(element)
                case _:
                    scanner.value()
        if missing:
            raise InputError(f"{self._path}: not a COCO file: it has no '{min(missing)}'")

    def _add_annotations(self, elements: Sequence[JsonSpan]) -> None:
        images = self._integers("annotations", elements, "image_id")
        self._used_categories.update(self._integers("annotations", elements, "category_id"))
        self._polygons += sum(bool(value.get("segmentation")) for value, _, _ in elements)
        runs = self._runs
        last = runs[-4] if runs else None
        for image, (_, start, end) in zip(images, elements, strict=True):
            if image == last:
                runs[-2] = end
                runs[-1] += 1
            else:
                runs.extend((image, start, end, 1))
                last = image

    def _add_category(self, element: JsonSpan) -> None:
        number = self._integer("categories", element, "id")
        name = element.value.get("name")
        if not isinstance(name, str):
            raise InputError(f"{self._path}: category {number} has no name")
        self._categories[number] = name

    def _integers(self, array_name: str, elements: Sequence[JsonSpan], key: str) -> list[int]:
        try:
            values = [value[key] for value, _, _ in elements]
            if all(type(value) is int for value in values):
                return values
        except (KeyError, TypeError):
            pass
        return [self._integer(array_name, element, key) for element in elements]

    def _integer(self, array_name: str, element: JsonSpan, key: str) -> int:
        value = element.value.get(key) if isinstance(element.value, dict) else None
        if type(value) is not int:
            raise InputError(
                f"{self._path}: {array_name}, at byte {element.start}: '{key}' must be an "
                f"integer, found {value!r}"
            )
        return value

    def index(self) -> CocoIndex:
        images = np.asarray(self._images, np.int64).reshape(-1, 3)
        runs = np.asarray(self._runs, np.int64).reshape(-1, 4)
        images = images[np.argsort(images[:, 0], kind="stable")]
        runs = runs[np.argsort(runs[:, 0], kind="stable")]
        if len(twice := images[1:, 0][images[1:, 0] == images[:-1, 0]]):
            raise InputError(f"{self._path}: image id {twice[0]} occurs twice")
        if len(strange := np.setdiff1d(runs[:, 0], images[:, 0])):
            raise InputError(
                f"{self._path}: there are annotations of image {strange[0]}, but no such image"
            )
        if unknown := self._used_categories - self._categories.keys():
            raise InputError(
                f"{self._path}: there are annotations of category {min(unknown)}, but no such "
                "category"
            )
        return CocoIndex(self._path, self._categories, images, runs, self._polygons)
