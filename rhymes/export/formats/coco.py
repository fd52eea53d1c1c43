"""COCO: JSON files with images, annotations and categories (cocodataset.org, "Data format").

`bbox` is x, y, width, height in pixels; `segmentation` a list of rings x1, y1, x2, y2, ..., or a
mask as run lengths. Ids of categories are any numbers in any order; ids count within a file.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from rhymes.common.errors import InputError
from rhymes.export.export_folder import ExportFolder, path_to_split
from rhymes.export.format import (
    AnnotatedImage,
    Collected,
    Format,
    box_item,
    first_text,
    other_item,
    polygon_item,
)
from rhymes.export.mask_outlines import coco_to_rings

_INSTANCES = "instances_"
# Files of other tasks about the same images, as COCO itself and Datumaro name them.
_OTHER_TASKS = ("person_keypoints_", "captions_", "labels_", "panoptic_", "stuff_", "image_info_")


def find(folder: ExportFolder) -> list[str]:
    """Return JSON files that hold images, annotations and categories."""
    return [path for path in folder.with_suffix(".json") if _is_coco(folder.load_json(path))]


def _is_coco(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(value.get(key), list) for key in ("images", "annotations", "categories")
    )


def read(
    folder: ExportFolder, files: Sequence[str], collected: Collected
) -> Iterator[AnnotatedImage]:
    """Yield the images of all files, in the order of the files and of their `images`.

    Of `instances_train.json` and `person_keypoints_train.json` in one folder, which hold the same
    objects, the first is read. A category 0 that no object has and that the others name as their
    `supercategory` is the heading that Roboflow writes, and no class.

    Raises:
        InputError: A file is not consistent in itself: see `_File`.
    """
    headings: set[str] = set()
    used: set[str] = set()
    for path in files:
        if twin := _instances_twin(path, files):
            collected.notes[
                f"files of other tasks passed over, for {twin} has the same objects"
            ] += 1
            continue
        file = _File(folder, path, collected)
        yield from file.images()
        headings |= file.headings
        used |= file.used
    for name in headings - used:
        del collected.classes[name]


def _instances_twin(path: str, files: Sequence[str]) -> str | None:
    base, name = posixpath.split(path)
    for prefix in _OTHER_TASKS:
        twin = posixpath.join(base, _INSTANCES + name.removeprefix(prefix))
        if name.startswith(prefix) and twin in files:
            return twin
    return None


class _File:
    """One JSON file.

    Attributes:
        headings: Names of categories that may be no class, see `read`.
        used: Names of categories that have objects, among the images that were given.
    """

    def __init__(self, folder: ExportFolder, path: str, collected: Collected) -> None:
        """Read it, and check that its ids belong together.

        Raises:
            InputError: A record has no id, an id stands twice, or an object's image is missing.
        """
        value = folder.load_json(path)
        self._where = folder.root / path
        self._path = path
        self._folder = folder
        self._collected = collected
        self._images = self._by_id(value["images"], "image")
        categories = self._by_id(value["categories"], "category")
        self._names = {number: self._name(categories[number]) for number in sorted(categories)}
        collected.add_classes(list(self._names.values()))
        self.headings = self._find_headings(categories)
        self.used: set[str] = set()
        self._annotations: dict[int, list[Mapping[str, Any]]] = {}
        for record in value["annotations"]:
            self._add(record)

    def _by_id(self, records: Sequence[Any], kind: str) -> dict[int, Mapping[str, Any]]:
        found: dict[int, Mapping[str, Any]] = {}
        for record in records:
            number = record.get("id") if isinstance(record, dict) else None
            if type(number) is not int:
                raise InputError(
                    f"{self._where}: {kind} {str(record)[:80]}: needs a whole number as id"
                )
            if number in found:
                raise InputError(f"{self._where}: {kind} {number}: the id stands twice")
            found[number] = record
        return found

    def _name(self, category: Mapping[str, Any]) -> str:
        name = category.get("name")
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"{self._where}: category {category['id']}: has no name")
        return name

    def _find_headings(self, categories: Mapping[int, Mapping[str, Any]]) -> set[str]:
        above = {each.get("supercategory") for number, each in categories.items() if number}
        return {name for number, name in self._names.items() if number == 0 and name in above}

    def _add(self, record: Any) -> None:
        number = record.get("image_id") if isinstance(record, dict) else None
        if type(number) is not int or number not in self._images:
            raise InputError(
                f"{self._where}: annotation {str(record)[:80]}: there is no image with the id "
                f"{number!r} in this file; delete such annotations, or add their images"
            )
        self._annotations.setdefault(number, []).append(record)

    def images(self) -> Iterator[AnnotatedImage]:
        """Yield each image."""
        split = path_to_split(self._path)
        for number, record in self._images.items():
            items = [self._item(each) for each in self._annotations.pop(number, ())]
            origin = f"{self._path}: image {number}"
            yield AnnotatedImage(self._find(record), origin, items, split)

    def _find(self, record: Mapping[str, Any]) -> str:
        """Find an image's file; where it is not there, take the URL that COCO gives."""
        url = first_text(record, "coco_url", "flickr_url")
        name = first_text(record, "file_name") or posixpath.basename(urlsplit(url).path)
        if not name:
            raise InputError(f"{self._where}: image {record['id']}: has no file_name")
        base = posixpath.dirname(self._path)
        above = posixpath.dirname(base)
        stem = posixpath.basename(self._path).removesuffix(".json").removeprefix(_INSTANCES)
        images = [posixpath.join(each, "images") for each in (base, above)]
        bases = [base, *images, *(posixpath.join(each, stem) for each in (*images, above)), above]
        found = self._folder.find_image(name, *bases)
        return url if url and found not in self._folder.known else found

    def _item(self, record: Mapping[str, Any]) -> dict[str, Any]:
        label = self._label(record.get("category_id"))
        item = self._shape(record, label)
        return item | {"id": record["id"]} if type(record.get("id")) is int else item

    def _label(self, category: object) -> str | None:
        name = self._names.get(category) if type(category) is int else None
        if name is not None:
            self.used.add(name)
        return name

    def _shape(self, record: Mapping[str, Any], label: str | None) -> dict[str, Any]:
        if record.get("keypoints"):
            self._collected.notes["sets of keypoints left out, box or outline kept"] += 1
        # A region of many objects, drawn once: neither an object nor empty ground.
        if record.get("iscrowd"):
            return other_item("crowd", label)
        match record.get("segmentation"):
            case dict() as mask:
                return self._mask(mask, label)
            case [first, *_] as rings:
                rings = rings if isinstance(first, list) else [rings]
                return polygon_item(label, [_flat_to_points(ring) for ring in rings])
            case _:
                return box_item(label, record.get("bbox"))

    def _mask(self, mask: Mapping[str, Any], label: str | None) -> dict[str, Any]:
        rings = coco_to_rings(mask)
        if not rings:
            return other_item("mask", label)
        self._collected.notes["masks kept as outlines along their pixels' edges"] += 1
        return polygon_item(label, [[list(point) for point in ring] for ring in rings])


def _flat_to_points(ring: object) -> object:
    """Pair x1, y1, x2, y2, ...; a number too many makes a point that the checks refuse."""
    return [ring[i : i + 2] for i in range(0, len(ring), 2)] if isinstance(ring, list) else ring


FORMAT = Format(
    name="coco",
    title="COCO",
    evidence="holds images, annotations and categories",
    find=find,
    read=read,
)
