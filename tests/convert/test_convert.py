"""`rhymes convert`: what is written is read back as the same objects, by the readers of exports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from rhymes import cli
from rhymes.coco.files import names_to_categories, save_coco
from rhymes.common.csv import load_rows
from rhymes.convert.writers import WRITERS, join_parts
from rhymes.detections.masks import MaskCrop, crop_to_rle
from rhymes.export.annotations import Annotation
from rhymes.export.categories import LabelMatcher, load_categories
from rhymes.export.cells import cell_to_items, item_to_annotation
from tests.support.foreign_folder import SIZE, read_folder

NAMES = ("DOG", "logic gate", "ÉCLAIR")
RING = [10.0, 10.0, 30.25, 10.0, 30.0, 20.0]
PART = [50.0, 10.0, 60.0, 10.0, 60.0, 20.0, 50.0, 20.0]
Object = tuple[str, tuple[float, ...], tuple[tuple[float, ...], ...]]


def box(class_id: int, *numbers: float) -> dict[str, Any]:
    return {"category_id": class_id, "bbox": list(numbers), "area": numbers[2] * numbers[3]}


def outline(class_id: int, *rings: list[float]) -> dict[str, Any]:
    xs = [x for ring in rings for x in ring[::2]]
    ys = [y for ring in rings for y in ring[1::2]]
    bbox = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
    return {"category_id": class_id, "bbox": bbox, "area": 90.0, "segmentation": list(rings)}


BOXES = {
    "train": {"images/a.png": [box(1, 10, 20, 30.5, 40), box(3, 0, 0, 100, 80)], "b/é.jpg": []},
    "val": {"https://cdn.example/x/c%20d.jpg?w=1": [box(2, 1 / 3, 2, 3, 4)]},
    "test": {"b/a.jpg": [box(2, 90.1, 70.7, 9.9, 9.3)]},
}
OUTLINES = {
    "train": {"a.jpg": [outline(1, RING), outline(2, RING, PART)]},
    "val": {},
    "test": {"b.jpg": [outline(3, PART)]},
}
MIXED = {"train": {"a.jpg": [outline(1, RING), box(2, 1, 2, 3, 4)]}, "val": {}, "test": {}}
Version = dict[str, dict[str, list[dict[str, Any]]]]


def write_version(root: Path, version: Version) -> Path:
    """A workspace with data/coco and data/images, as the stages write them."""
    image_id = annotation_id = 0
    for split, images in version.items():
        records: list[Any] = []
        annotations: list[Any] = []
        for source, objects in images.items():
            image_id += 1
            name = f"{image_id:064x}.jpg"
            (root / "data/images").mkdir(parents=True, exist_ok=True)
            Image.new("RGB", SIZE, (image_id, 0, 0)).save(root / "data/images" / name)
            size = {"width": SIZE[0], "height": SIZE[1]}
            records.append({"id": image_id, "file_name": name, "source": source, **size})
            for each in objects:
                annotation_id += 1
                ids = {"id": annotation_id, "image_id": image_id, "iscrowd": 0}
                annotations.append({**ids, **each})
        path = root / f"data/coco/{split}.json"
        save_coco(path, "test", names_to_categories(NAMES), records, annotations)
    return root


def expected_objects(version: Version) -> list[list[Object]]:
    return [
        [
            (
                NAMES[each["category_id"] - 1],
                tuple(each["bbox"]),
                tuple(map(tuple, each.get("segmentation", ()))),
            )
            for each in objects
        ]
        for images in version.values()
        for objects in images.values()
    ]


def read_objects(to: str, folder: Path) -> list[list[Object]]:
    """What the reader of a format makes of a folder, in the order of the splits."""
    if to != "rhymes":
        read = read_folder(folder)
        assert read.classes == list(NAMES)
        # YOLO without val names train in its place, so that its images are in no one split.
        order = {"": 0, "train": 0, "val": 1, "test": 2}
        pairs = list(zip(read.images, read.objects(), strict=True))
        pairs.sort(key=lambda pair: order[pair[0].split])
        assert all((folder / image.image).is_file() for image, _ in pairs)
        return [list(_objects(found)) for _, found in pairs]
    matcher = LabelMatcher(load_categories(folder / "categories.csv").names)
    made = []
    for row in load_rows(folder / "annotations.csv"):
        items = cell_to_items(row.cells["output_content"])
        assert isinstance(items, list)
        made.append(list(_objects([item_to_annotation(item, matcher, *SIZE) for item in items])))
    return made


def _objects(found: list[Any]) -> Iterator[Object]:
    for each in found:
        assert isinstance(each, Annotation), each
        yield NAMES[each.class_id - 1], each.shape.bbox, each.shape.rings


@pytest.mark.parametrize("to", WRITERS)
@pytest.mark.parametrize("version", [BOXES, OUTLINES, MIXED], ids=["boxes", "outlines", "mixed"])
def test_what_is_written_is_read_as_the_same_objects(
    tmp_path: Path, to: str, version: Version, capsys: pytest.CaptureFixture[str]
) -> None:
    root, out = write_version(tmp_path / "in", version), tmp_path / "out"
    assert cli.main(["convert", str(root), "--to", to, "-o", str(out)]) == 0
    found, expected = read_objects(to, out), expected_objects(version)
    output = capsys.readouterr().out
    if to == "yolo" and version is MIXED:
        expected = [[(label, bbox, ()) for label, bbox, _ in each] for each in expected]
        assert "1 outline written as boxes, for others have none" in output
    assert [len(each) for each in found] == [len(each) for each in expected]
    for objects, others in zip(found, expected, strict=True):
        for (label, bbox, rings), (other, other_box, other_rings) in zip(
            objects, others, strict=True
        ):
            assert label == other
            assert bbox == pytest.approx(other_box, abs=1e-7)
            if to != "yolo":
                assert rings == other_rings
            elif len(other_rings) == 1:
                assert rings[0] == pytest.approx(other_rings[0], abs=1e-7)


def test_images_have_the_names_that_users_know(tmp_path: Path) -> None:
    root, out = write_version(tmp_path / "in", BOXES), tmp_path / "out"
    assert cli.main(["convert", str(root), "--to", "coco", "-o", str(out)]) == 0
    names = sorted(path.relative_to(out / "images").as_posix() for path in out.rglob("*.jpg"))
    assert names == ["test/a_00000000.jpg", "train/a.jpg", "train/é.jpg", "val/c d.jpg"]
    first = root / f"data/images/{1:064x}.jpg"
    assert (out / "images/train/a.jpg").read_bytes() == first.read_bytes()


def test_pycocotools_reads_ids_from_1_in_each_file(tmp_path: Path) -> None:
    root, out = write_version(tmp_path / "in", OUTLINES), tmp_path / "out"
    assert cli.main(["convert", str(root), "--to", "coco", "-o", str(out), "--no-images"]) == 0
    assert not (out / "images").exists()
    for split, ids in (("train", [1, 2]), ("val", []), ("test", [1])):
        loaded = COCO(str(out / f"annotations/instances_{split}.json"))
        assert sorted(loaded.anns) == ids
        for annotation in loaded.anns.values():
            assert loaded.annToMask(annotation).sum() > 0


def test_splits_of_a_rhymes_export_can_be_pinned(tmp_path: Path) -> None:
    root, out = write_version(tmp_path / "in", BOXES), tmp_path / "out"
    assert cli.main(["convert", str(root), "--to", "rhymes", "-o", str(out)]) == 0
    pins = {row.cells["image"]: row.cells["split"] for row in load_rows(out / "splits.csv")}
    assert sorted(pins.values()) == ["test", "train", "train", "val"]
    assert all((out / image).is_file() for image in pins)
    (item, _) = cell_to_items(next(load_rows(out / "annotations.csv")).cells["output_content"])
    assert "proba" not in item, "a person drew it"


def write_predictions(root: Path) -> Path:
    pixels = MaskCrop(10, 20, np.ones((4, 6), np.bool_))
    results = [
        {
            "image_id": 1, "category_id": 2, "bbox": [10.0, 20.0, 6.0, 4.0], "score": 0.75,
            "segmentation": crop_to_rle(pixels, *SIZE),
        }
    ]  # fmt: skip
    (root / "images").mkdir(parents=True)
    Image.new("RGB", SIZE).save(root / "images/p.png")
    (root / "prediction.json").write_text("{}")
    (root / "coco_results.json").write_text(json.dumps(results))
    image: Any = {
        "id": 1,
        "file_name": "p.png",
        "width": 100,
        "height": 80,
        "source": "images/p.png",
    }
    save_coco(root / "coco_images.json", "x", names_to_categories(NAMES), [image], ())
    return root


def test_predictions_as_coco_keep_scores_and_masks(tmp_path: Path) -> None:
    folder, out = write_predictions(tmp_path / "predictions"), tmp_path / "out"
    assert cli.main(["convert", str(folder), "--to", "coco", "-o", str(out)]) == 0
    value = json.loads((out / "annotations/instances_default.json").read_bytes())
    (annotation,) = value["annotations"]
    assert (annotation["score"], annotation["area"]) == (0.75, 24.0)
    loaded = COCO(str(out / "annotations/instances_default.json"))
    assert loaded.annToMask(annotation)[20:24, 10:16].all()
    assert (out / "images/default/p.png").is_file()


@pytest.mark.parametrize("to", ["yolo", "rhymes"])
def test_predictions_in_other_formats(
    tmp_path: Path, to: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = write_predictions(tmp_path / "predictions"), tmp_path / "out"
    assert cli.main(["convert", str(folder), "--to", to, "-o", str(out)]) == 0
    (((label, bbox, _),),) = read_objects(to, out)
    assert (label, bbox) == ("logic gate", pytest.approx((10, 20, 6, 4)))
    assert ("scores are left out" in capsys.readouterr().out) == (to == "yolo")
    if to == "rhymes":
        (item,) = cell_to_items(next(load_rows(out / "annotations.csv")).cells["output_content"])
        assert item["proba"] == 0.75
        assert not (out / "splits.csv").exists()


def test_what_cannot_be_converted_is_a_sentence_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, out = write_version(tmp_path / "in", BOXES), tmp_path / "out"
    next((root / "data/images").iterdir()).unlink()
    assert cli.main(["convert", str(root), "--to", "yolo", "-o", str(out)]) == 1
    assert "no such image; name the folder of the images by --images" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]
    assert cli.main(["convert", str(root), "--to", "yolo", "-o", str(root)]) == 1
    assert "is there already; name another folder" in capsys.readouterr().err
    assert cli.main(["convert", str(tmp_path / "nowhere"), "--to", "yolo", "-o", str(out)]) == 1
    assert "nowhere" in capsys.readouterr().err


def test_parts_are_joined_between_their_nearest_points() -> None:
    assert join_parts([[0, 0, 2, 0, 2, 2], [5, 0, 9, 0, 9, 2]]) == [
        (0, 0), (2, 0), (5, 0), (9, 0), (9, 2), (5, 0), (2, 0), (2, 2),
    ]  # fmt: skip
