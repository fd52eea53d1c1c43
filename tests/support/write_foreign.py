"""Write a real export in other tools' formats, by these tools' own converters.

    TOOL-VENV/bin/python tests/support/write_foreign.py TOOL EXPORT FOLDER [IMAGES]

TOOL is pycocotools, datumaro, ultralytics or label_studio, in an environment that has it (the
versions stand in tests/export/formats/data/README.md). EXPORT is a folder with annotations.csv,
categories.csv and images; IMAGES says how many images of it to take, all by default. FOLDER gets a
folder a format. Nothing of the project is imported, as those environments do not have it.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

csv.field_size_limit(sys.maxsize)


def load_export(export: Path, images: int | None) -> dict[str, Any]:
    """Read a Rhymes export as COCO, with images of the names that the export has."""
    from PIL import Image

    with (export / "categories.csv").open(encoding="utf-8", newline="") as file:
        names = [row["category_image"] for row in csv.DictReader(file)]
    coco: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
    coco["categories"] = [
        {"id": number, "name": name, "supercategory": ""} for number, name in enumerate(names, 1)
    ]
    with (export / "annotations.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[:images]
    for number, row in enumerate(rows, 1):
        source = row.get("image_url") or row["cdn_file_url"]
        with Image.open(export / source) as image:
            width, height = image.size
        name = Path(source).name
        record = {"id": number, "file_name": name, "width": width, "height": height}
        coco["images"].append(record | {"path": str(export / source)})
        for item in json.loads(row["output_content"])["identifications"]:
            annotation = _item_to_annotation(item, names)
            annotation |= {"id": len(coco["annotations"]) + 1, "image_id": number, "iscrowd": 0}
            coco["annotations"].append(annotation)
    return coco


def _item_to_annotation(item: dict[str, Any], names: list[str]) -> dict[str, Any]:
    if item["type"] == "boundingBox":
        _, _, width, height = item["data"]
        label, box, rings = item["attributes"]["label"], item["data"], []
        area = width * height
    else:
        points = item["data"]
        label, rings = item["category"], [[value for point in points for value in point]]
        (left, top), (right, bottom) = map(min, zip(*points)), map(max, zip(*points))  # noqa: B905
        box, area = [left, top, right - left, bottom - top], 0.0
    number = names.index(label) + 1
    return {"category_id": number, "bbox": box, "area": area, "segmentation": rings}


def write_pycocotools(coco: dict[str, Any], folder: Path) -> None:
    """COCO as pycocotools holds it, and the same outlines as masks in run lengths."""
    from pycocotools import mask
    from pycocotools.coco import COCO

    for image in coco["images"]:
        del image["path"]
    loaded = COCO()
    loaded.dataset = coco
    loaded.createIndex()
    for annotation in coco["annotations"]:
        if annotation["segmentation"]:
            annotation["area"] = float(mask.area(loaded.annToRLE(annotation)))
    _save_json(folder / "coco/instances.json", coco)
    if any(annotation["segmentation"] for annotation in coco["annotations"]):
        for annotation in coco["annotations"]:
            encoded = loaded.annToRLE(annotation)
            annotation["segmentation"] = encoded | {"counts": encoded["counts"].decode()}
        _save_json(folder / "coco_masks/instances.json", coco)


def write_datumaro(coco: dict[str, Any], folder: Path) -> None:
    """VOC (of boxes alone), CVAT for images, and COCO."""
    from datumaro.components.annotation import Bbox, Polygon
    from datumaro.components.dataset import Dataset
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Image

    items = []
    for image in coco["images"]:
        shapes = []
        for annotation in coco["annotations"]:
            if annotation["image_id"] == image["id"]:
                label = annotation["category_id"] - 1
                rings = annotation["segmentation"]
                shape = Polygon(rings[0], label=label) if rings else None
                shapes.append(shape or Bbox(*annotation["bbox"], label=label))
        media = Image.from_file(path=image["path"])
        name = Path(image["file_name"]).stem
        items.append(DatasetItem(id=name, subset="train", media=media, annotations=shapes))
    names = [category["name"] for category in coco["categories"]]
    dataset = Dataset.from_iterable(items, categories=names)
    dataset.export(str(folder / "cvat"), "cvat")
    dataset.export(str(folder / "coco"), "coco_instances")
    if not any(annotation["segmentation"] for annotation in coco["annotations"]):
        dataset.export(str(folder / "voc"), "voc_detection", label_map="source")
        dataset.export(
            str(folder / "voc_pixels"), "voc_detection",
            label_map="source", coordinate_mode="voc-one-based",
        )  # fmt: skip


def write_ultralytics(coco: dict[str, Any], folder: Path) -> None:
    """YOLO: labels of boxes or of outlines."""
    from ultralytics.data.converter import convert_coco

    with tempfile.TemporaryDirectory() as temporary:
        _save_json(Path(temporary) / "instances_train.json", coco)
        has_outlines = any(annotation["segmentation"] for annotation in coco["annotations"])
        convert_coco(temporary, str(folder / "yolo"), use_segments=has_outlines, cls91to80=False)
    names = {category["id"] - 1: category["name"] for category in coco["categories"]}
    lines = ["path: .", "train: images/train", "val: images/train", "names:"]
    lines += [f"  {number}: {name}" for number, name in names.items()]
    (folder / "yolo/data.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_label_studio(coco: dict[str, Any], folder: Path) -> None:
    """Label Studio's tasks, and what its own converter makes of them: COCO, YOLO, VOC."""
    from label_studio_sdk.converter import Converter
    from label_studio_sdk.converter.imports.coco import convert_coco_to_ls

    has_outlines = any(annotation["segmentation"] for annotation in coco["annotations"])
    for annotation in coco["annotations"]:
        # The converter makes a region of each of the two that is there.
        del annotation["bbox" if annotation["segmentation"] else "segmentation"]
    with tempfile.TemporaryDirectory() as temporary:
        given = Path(temporary) / "instances.json"
        _save_json(given, coco)
        tasks_path = folder / "label_studio/tasks.json"
        tasks_path.parent.mkdir(parents=True, exist_ok=True)
        convert_coco_to_ls(
            str(given), str(tasks_path), image_root_url="/data/local-files/?d=images"
        )
    tasks = json.loads(tasks_path.read_text(encoding="utf-8"))
    # What the server adds when it exports: numbers of tasks and annotations, and who annotated.
    for number, task in enumerate(tasks, 1):
        task["id"] = number
        for annotation in task["annotations"]:
            annotation |= {"id": 100 + number, "completed_by": 1, "was_cancelled": False}
            for index, region in enumerate(annotation["result"]):
                region["id"] = f"region{index}"
    _save_json(tasks_path, tasks)
    config_path = tasks_path.with_name("tasks.label_config.xml")
    config = config_path.read_text(encoding="utf-8")
    config_path.unlink()
    converter = Converter(config, str(folder), download_resources=False)
    made = ("COCO", "YOLO") if has_outlines else ("COCO", "YOLO", "VOC")
    for name in made:
        out = folder / f"{name.lower()}_of_label_studio"
        converter.convert(str(tasks_path), str(out), name, is_dir=False)


def _save_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value) + "\n", encoding="utf-8")


PACKAGES = {"label_studio": "label-studio-sdk"}


def main() -> None:
    """Write, and print the tool's version."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tool", choices=("pycocotools", "datumaro", "ultralytics", "label_studio"))
    parser.add_argument("export", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("images", type=int, nargs="?")
    options = parser.parse_args()
    coco = load_export(options.export, options.images)
    globals()[f"write_{options.tool}"](coco, options.folder)
    package = PACKAGES.get(options.tool, options.tool)
    print(f"{package} {version(package)}: {len(coco['images'])} images -> {options.folder}")


if __name__ == "__main__":
    main()
