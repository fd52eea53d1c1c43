"""COCO detection files: written as a stream, a record a line; checked when they are read.

The format is COCO's (cocodataset.org, "Data format"): `info`, `licenses`, `categories`, `images`
and `annotations`, bbox as x, y, width, height and segmentation as rings x1, y1, x2, y2, ... in
pixels. Our files hold annotations in the order of their images, so that a reader can go through
20,000 images without holding them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NotRequired, TypedDict, cast
from urllib.parse import unquote

import orjson

from rhymes.common.errors import InputError
from rhymes.common.files import written_aside


def image_to_name(image: Mapping[str, Any]) -> str:
    """The name by which users know a COCO image: its file's in the export, without the folder."""
    return source_to_name(str(image.get("source") or image["file_name"]))


def image_to_sources(image: Mapping[str, Any]) -> tuple[str, ...]:
    """All names of a COCO image in the export, its own first; its file's name where it has none."""
    return tuple(image.get("sources") or [image.get("source") or image["file_name"]])


def source_to_name(source: str) -> str:
    """Cut a name in the export to what users know it by: no folder, no query, no %20."""
    if "://" in source:
        source = unquote(source.partition("?")[0])
    return source.rstrip("/").rpartition("/")[2]


class CocoCategory(TypedDict):
    """A class; ids are 1 to N."""

    id: int
    name: str
    supercategory: str


class CocoImage(TypedDict):
    """An image: its file's bare name, its upright size, its name in the export.

    `sources` are its names where it has several there, `source` being the first of them.
    """

    id: int
    file_name: str
    width: int
    height: int
    source: NotRequired[str]
    sources: NotRequired[list[str]]


class CocoAnnotation(TypedDict):
    """An object; without `segmentation` it is a box.

    `last_touch` is that of the export's item (`LastTouch`); without it a person touched it last.
    """

    id: int
    image_id: int
    category_id: int
    bbox: list[float]
    area: float
    iscrowd: int
    segmentation: NotRequired[list[list[float]]]
    last_touch: NotRequired[str]


class Coco(TypedDict):
    """A whole file."""

    info: dict[str, str]
    licenses: list[Any]
    categories: list[CocoCategory]
    images: list[CocoImage]
    annotations: list[CocoAnnotation]


def names_to_categories(names: Sequence[str]) -> list[CocoCategory]:
    """Number class names from 1."""
    return [
        {"id": number, "name": name, "supercategory": ""}
        for number, name in enumerate(names, start=1)
    ]


def save_coco(
    path: Path,
    description: str,
    categories: Sequence[CocoCategory],
    images: Iterable[CocoImage],
    annotations: Iterable[CocoAnnotation],
) -> None:
    """Write a COCO file as a stream, a record a line, images first; aside and renamed.

    Args:
        path: the file.
        description: for `info`.
        categories: all classes, in the order of their ids.
        images: in the order of their ids.
        annotations: in the order of `images`; asked for after the last image is written.
    """
    with written_aside(path) as aside, aside.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f'{{"info": {_json({"description": description})},\n"licenses": []')
        for name, records in (
            ("categories", categories), ("images", images), ("annotations", annotations),
        ):  # fmt: skip
            file.write(f',\n"{name}": [')
            for number, record in enumerate(records):
                file.write((",\n" if number else "\n") + _record_to_json(record))
            file.write("\n]")
        file.write("}\n")


_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_key_to_json = cache(_json)


def _record_to_json(record: Mapping[str, Any]) -> str:
    """Return what `_json` does, in a quarter of the time for an outline."""
    pairs = (f"{_key_to_json(key)}: {_value_to_json(value)}" for key, value in record.items())
    return f"{{{', '.join(pairs)}}}"


def _value_to_json(value: object) -> str:
    kind = type(value)
    if kind is int:
        return str(value)
    if kind is not float and kind is not list:
        return _json(value)
    try:
        text = orjson.dumps(value)
    except TypeError:
        return _json(value)
    # Of numbers in lists orjson leaves out the spaces alone, but for exponents, 0.00001 (where
    # Python writes one), and null for what is no number.
    if text.translate(None, b"0123456789.,-[]") or b"0.0000" in text:
        return _json(value)
    return text.replace(b",", b", ").decode()


def load_coco(path: Path) -> Coco:
    """Read a COCO file whole and check it.

    Raises:
        InputError: naming the file, the record's id and what is wrong: not JSON, a section or key
            missing, ids that are doubled or refer to nothing, categories not numbered 1 to N, a
            file name that leaves its folder, a box without size or finite numbers, a ring of
            fewer than three points, RLE masks.
    """
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected a mapping with images, annotations and categories")
    for name in ("categories", "images", "annotations"):
        if not isinstance(value.get(name), list):
            raise InputError(f"{path}: '{name}' is missing or not a list")
    check = _Checker(path)
    for record in value["categories"]:
        check.category(record)
    check.numbering()
    for record in value["images"]:
        check.image(record)
    for record in value["annotations"]:
        check.annotation(record)
    value.setdefault("info", {})
    value.setdefault("licenses", [])
    return cast("Coco", value)


class _Checker:
    """Checks records one by one; remembers ids."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ids: dict[str, set[int]] = {"category": set(), "image": set(), "annotation": set()}
        self._names: set[str] = set()

    def category(self, record: Any) -> None:
        name = self._new(record, "category").get("name")
        if not isinstance(name, str) or not name or name in self._names:
            raise self._error("category", record, f"name {name!r} is empty, no text or doubled")
        self._names.add(name)

    def numbering(self) -> None:
        ids = self._ids["category"]
        if not ids or ids != set(range(1, len(ids) + 1)):
            raise InputError(
                f"{self._path}: categories have ids {sorted(ids)[:5]} ...; they must be numbered "
                "1 to N without gaps (0 is the background)"
            )

    def image(self, record: Any) -> None:
        name = self._new(record, "image").get("file_name")
        if not isinstance(name, str) or not _is_bare(name):
            raise self._error("image", record, f"file_name {name!r} is not a bare file name")
        for key in ("width", "height"):
            if not _is_id(record.get(key)):
                raise self._error("image", record, f"{key} {record.get(key)!r} is no size")

    def annotation(self, record: Any) -> None:
        self._new(record, "annotation")
        for kind in ("image", "category"):
            found = record.get(f"{kind}_id")
            if not _is_id(found) or found not in self._ids[kind]:
                raise self._error("annotation", record, f"there is no {kind} with id {found!r}")
        bbox = record.get("bbox")
        if not _is_numbers(bbox) or len(bbox) != 4 or min(bbox[2:]) <= 0:
            raise self._error("annotation", record, f"bbox {bbox!r} is not x, y, width, height")
        if not _is_numbers([record.get("area")]):
            raise self._error("annotation", record, f"area {record.get('area')!r} is no number")
        rings = record.get("segmentation", [])
        if not isinstance(rings, list) or not all(map(_is_ring, rings)):
            raise self._error("annotation", record, "segmentation must be a list of polygons")

    def _new(self, record: Any, kind: str) -> dict[str, Any]:
        number = record.get("id") if isinstance(record, dict) else None
        if not _is_id(number):
            raise InputError(f"{self._path}: {kind} {str(record)[:80]}: needs an id from 1")
        if number in self._ids[kind]:
            raise self._error(kind, record, "the id stands twice")
        self._ids[kind].add(cast("int", number))
        return cast("dict[str, Any]", record)

    def _error(self, kind: str, record: Any, problem: str) -> InputError:
        return InputError(f"{self._path}: {kind} {record['id']}: {problem}")


def _is_id(value: object) -> bool:
    return type(value) is int and value > 0


def _is_bare(name: str) -> bool:
    """Say whether a name stays in its folder, on any system."""
    names = {PurePosixPath(name).name, PureWindowsPath(name).name}
    return names == {name} and name != ".." and "\0" not in name


def _is_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(
        type(value) in (int, float) and math.isfinite(value) for value in values
    )


def _is_ring(ring: Any) -> bool:
    return _is_numbers(ring) and len(ring) >= 6 and len(ring) % 2 == 0
