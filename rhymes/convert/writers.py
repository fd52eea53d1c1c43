"""Labelled images as files of another format, in a new folder: COCO, YOLO, a Rhymes export.

Each writer puts its annotations into the folder and yields each image's file with the path that it
has there, so that images are copied, or left out, in one place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rhymes.coco.files import (
    CocoAnnotation,
    CocoImage,
    names_to_categories,
    save_coco,
)
from rhymes.common.csv import rows_to_csv, save_rows
from rhymes.common.files import save_text
from rhymes.convert.labelled_data import LabelledData, LabelledImage, LabelledObject, Rings
from rhymes.export.categories import COLUMN as CATEGORY_COLUMN
from rhymes.export.cells import ANNOTATION_COLUMN, items_to_cell
from rhymes.export.dialect import ExportObject
from rhymes.export.dialects import boxes, polygons

Copies = Iterator[tuple[Path, str]]
"""A file, and the path that it gets in the new folder."""

Point = tuple[float, float]

_DEFAULT = "default"
"""What CVAT calls images of no split."""


def write_coco(data: LabelledData, folder: Path) -> Copies:
    """Write COCO instances: annotations/instances_<split>.json, images in images/<split>/.

    It is the layout that CVAT and Datumaro import. Ids begin with 1 in each file. A box has an
    empty `segmentation`; predictions have a `score`.
    """
    categories = names_to_categories(data.names)
    for split, images in data.splits.items():
        name = split or _DEFAULT
        save_coco(
            folder / f"annotations/instances_{name}.json",
            f"{data.name}, {name}",
            categories,
            (_image_to_coco(image, number) for number, image in enumerate(images, start=1)),
            _images_to_annotations(images),
        )
        yield from ((image.file, f"images/{name}/{image.name}") for image in images)


def _image_to_coco(image: LabelledImage, number: int) -> CocoImage:
    return {
        "id": number, "file_name": image.name, "width": image.width, "height": image.height,
    }  # fmt: skip


def _images_to_annotations(images: Sequence[LabelledImage]) -> Iterator[CocoAnnotation]:
    count = 0
    for number, image in enumerate(images, start=1):
        for each in image.objects:
            count += 1
            record: Any = {
                "id": count,
                "image_id": number,
                "category_id": each.class_id,
                "bbox": list(each.box),
                "area": each.area,
                "iscrowd": 0,
                "segmentation": each.rings,
            }
            yield record if each.score is None else record | {"score": each.score}


def _ring_to_points(ring: Sequence[float]) -> list[Point]:
    return list(zip(ring[::2], ring[1::2], strict=True))


def write_yolo(data: LabelledData, folder: Path) -> Copies:
    """Write YOLO as Ultralytics reads it: data.yaml, images/<split>/ and labels/<split>/.

    Outlines are written where every object has one, as Ultralytics takes either these or boxes.
    An object in several parts is one outline, whose parts are joined by lines without a width.
    """
    outlines = has_outlines(data)
    train = next(iter(data.splits)) or "train"
    used = {split or "train": images for split, images in data.splits.items() if images}
    lines = [f"{split}: images/{split}" for split in used]
    # Ultralytics asks for both.
    if "val" not in used:
        lines.append(f"val: images/{train}")
    # A JSON list is YAML.
    lines.append(f"names: {json.dumps(data.names, ensure_ascii=False)}")
    save_text(folder / "data.yaml", "\n".join(lines) + "\n")
    for split, images in used.items():
        (folder / f"labels/{split}").mkdir(parents=True)
        for image in images:
            text = "".join(_object_to_line(each, image, outlines) for each in image.objects)
            label = folder / f"labels/{split}/{Path(image.name).stem}.txt"
            label.write_text(text, encoding="utf-8")
            yield image.file, f"images/{split}/{image.name}"


def has_outlines(data: LabelledData) -> bool:
    """Whether there are objects, and every one has an outline."""
    found = [bool(each.rings) for each in data.objects()]
    return bool(found) and all(found)


def _object_to_line(each: LabelledObject, image: LabelledImage, outlines: bool) -> str:
    if outlines:
        points = join_parts(each.rings)
        numbers = [value for x, y in points for value in (x / image.width, y / image.height)]
    else:
        x, y, width, height = each.box
        numbers = [
            (x + width / 2) / image.width, (y + height / 2) / image.height,
            width / image.width, height / image.height,
        ]  # fmt: skip
    # Ten decimals are a hundred thousandth of a pixel of any image.
    texts = (f"{number:.10f}".rstrip("0").rstrip(".") for number in numbers)
    return f"{each.class_id - 1} {' '.join(texts)}\n"


def join_parts(rings: Rings) -> list[Point]:
    """Make one ring of an object's parts: each is entered and left between the nearest points."""
    joined, *rest = map(_ring_to_points, rings)
    for part in rest:
        _, at, start = min(
            ((x - a) ** 2 + (y - b) ** 2, i, j)
            for i, (x, y) in enumerate(joined)
            for j, (a, b) in enumerate(part)
        )
        around = [*part[start:], *part[: start + 1]]
        joined = [*joined[: at + 1], *around, *joined[at:]]
    return joined


def write_rhymes(data: LabelledData, folder: Path) -> Copies:
    """Write a Rhymes export: annotations.csv, categories.csv, images/; splits.csv of its splits.

    An object in several parts has a list of rings for an outline.
    """
    dialect = polygons.DIALECT if any(each.rings for each in data.objects()) else boxes.DIALECT
    pins: list[tuple[str, str]] = []
    with (folder / "annotations.csv").open("w", encoding="utf-8", newline="\n") as file:
        file.write(rows_to_csv([(dialect.image_column, ANNOTATION_COLUMN)]))
        for split, images in data.splits.items():
            for image in images:
                items = [
                    dialect.object_to_item(_object_to_export(each, data.names))
                    for each in image.objects
                ]
                path = f"images/{image.name}"
                file.write(rows_to_csv([(path, items_to_cell(items))]))
                pins += [(path, split)] if split else []
                yield image.file, path
    save_rows(folder / "categories.csv", (CATEGORY_COLUMN,), ((name,) for name in data.names))
    if pins:
        save_rows(folder / "splits.csv", ("image", "split"), sorted(pins))


def _object_to_export(each: LabelledObject, names: Sequence[str]) -> ExportObject:
    rings = [[[x, y] for x, y in _ring_to_points(ring)] for ring in each.rings]
    ring: Any = rings[0] if len(rings) == 1 else rings or None
    return ExportObject(names[each.class_id - 1], each.box, ring, each.score)


WRITERS: dict[str, Callable[[LabelledData, Path], Copies]] = {
    "coco": write_coco,
    "yolo": write_yolo,
    "rhymes": write_rhymes,
}
"""Format -> what writes it."""
