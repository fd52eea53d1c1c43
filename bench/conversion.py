"""Speed of the stages coco and tfrecord on 20,000 images, each against the least that it must do.

`python -m bench conversion`. For coco that is to read the cells and write the records with Python's
own JSON, without a check, a geometry or a split. For tfrecord it is to draw each mask with
pycocotools and write it as a PNG with Pillow, without records. All work in one process each, by
turns; imports are left out.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

from bench.memory import OBJECTS, save_export
from bench.tfrecord import timed

COUNT = 20_000
SIZE = 96
ROUNDS = 3
GOALS = {"coco": 4.0, "tfrecord": 0.5}

_STAGE = """
from stages import {stage}
def work():
    {stage}.main({arguments})
"""
_JSON = """
import csv, json, sys
csv.field_size_limit(sys.maxsize)
def work():
    with open("data/export/annotations.csv", newline="", encoding="utf-8") as file:
        with open("peer.json", "w", encoding="utf-8") as out:
            for number, row in enumerate(csv.DictReader(file)):
                for item in json.loads(row["output_content"])["identifications"]:
                    ring = [value for point in item["data"] for value in point]
                    xs, ys = ring[::2], ring[1::2]
                    box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
                    record = {"id": 1, "image_id": number, "category_id": 1, "bbox": box,
                              "area": box[2] * box[3], "iscrowd": 0, "segmentation": [ring]}
                    out.write(json.dumps(record) + "\\n")
"""
_MASKS = """
import io, json
from PIL import Image
from pycocotools import mask
def work():
    for split in ("train", "val", "test"):
        coco = json.load(open(f"data/coco/{split}.json", encoding="utf-8"))
        sizes = {image["id"]: (image["height"], image["width"]) for image in coco["images"]}
        for image in coco["images"]:
            open("data/images/" + image["file_name"], "rb").read()
        for each in coco["annotations"]:
            rle = mask.frPyObjects(each["segmentation"], *sizes[each["image_id"]])
            Image.fromarray(mask.decode(mask.merge(rle))).save(io.BytesIO(), "PNG")
"""


def main() -> None:
    """Print a line for each stage."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_export(folder, COUNT)
        for stage, arguments, peer, what in (
            ("coco", "", _JSON, "parsing and writing the same JSON"),
            ("tfrecord", "processes=1", _MASKS, "the masks by pycocotools and Pillow"),
        ):
            seconds, least = measure(folder, _STAGE.format(stage=stage, arguments=arguments), peer)
            print(
                f"{stage}, {COUNT:,} images of {SIZE} pixels with {OBJECTS} outlines: "
                f"{seconds:.1f} s, {what} {least:.1f} s -> {seconds / least:.2f}x "
                f"(goal <= {GOALS[stage]:g}x)",
                flush=True,
            )


def measure(folder: Path, stage: str, peer: str) -> tuple[float, float]:
    """Let both work by turns; return the seconds of each, the median of the rounds."""
    with timed(folder, stage) as ours, timed(folder, peer) as other:
        for _ in range(ROUNDS):
            ours.work()
            other.work()
    return median(ours.seconds), median(other.seconds)
