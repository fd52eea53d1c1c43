"""Writing TFRecords, against Model Garden's create_coco_tf_record: `python -m bench tfrecord`.

Both make the same records from the same COCO file with two processes each, by turns, so that a
machine that slows down favours neither; medians are compared. The time to import (TensorFlow: 10
seconds and more) is left out; what a whole command takes, imports and one time the work, stands
behind it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import IO, cast

from bench.images import CLASSES, repeated_images, save_image
from bench.workspace import ROOT
from rhymes.coco.files import CocoAnnotation, CocoImage, names_to_categories, save_coco

IMAGES = 2000
OBJECTS = 5
SIZE = 512
PROCESSES = 2
ROUNDS = 5
GOAL = 5.0
_TIMEOUT = 1200.0  # seconds

_OURS = f"""
from stages import tfrecord
def work():
    tfrecord.main(processes={PROCESSES})
"""
# The command's own `main`, called as absl calls it.
_PEER = """
import sys
from absl import flags
from official.vision.data import create_coco_tf_record
flags.FLAGS(sys.argv)
def work():
    create_coco_tf_record.main(None)
"""
# Works whenever it gets a line, and prints the seconds that it took.
_TIMED = """
import sys, time
print("seconds", 0, flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    work()
    print("seconds", time.perf_counter() - start, flush=True)
"""


def main() -> None:
    """Print one line with masks and one without."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_data(folder)
        for masks in (True, False):
            print(measure(folder, masks), flush=True)


def measure(folder: Path, masks: bool) -> str:
    """Let both work by turns; return a line."""
    setting = json.dumps(masks)
    (folder / "params.yaml").write_text(
        f"tfrecord: {{include_masks: {setting}, images_per_shard: 200}}\n", encoding="utf-8"
    )
    flags = [
        "--image_dir=data/images",
        "--object_annotations_file=data/coco/train.json",
        "--output_file_prefix=peer/train",
        f"--include_masks={setting}",
        "--num_shards=10",
        f"--num_processes={PROCESSES}",
    ]
    with timed(folder, _OURS) as ours, timed(folder, _PEER, *flags) as peer:
        for _ in range(ROUNDS):
            ours.work()
            peer.work()
    # Without masks there is little to do but to copy files.
    goal = f" (goal >= {GOAL:g}x)" if masks else ""
    speed, peer_speed = (IMAGES / median(each.seconds) for each in (ours, peer))
    return (
        f"tfrecord writing, {'with' if masks else 'without'} masks: {speed:,.0f} images/s, "
        f"Model Garden {peer_speed:,.0f} images/s -> {speed / peer_speed:.1f}x{goal}"
        f"; whole commands {ours.command:.1f} s and {peer.command:.1f} s -> "
        f"{peer.command / ours.command:.1f}x"
    )


class Timed:
    """A script in a process of its own, which works when told to."""

    def __init__(self, process: subprocess.Popen[str], errors: IO[bytes]) -> None:
        start = time.perf_counter()
        self._orders = cast("IO[str]", process.stdin)
        self._answers = cast("IO[str]", process.stdout)
        self._errors = errors
        self._next_answer()
        self._imports = time.perf_counter() - start
        self.seconds: list[float] = []

    @property
    def command(self) -> float:
        """Seconds of a command that does the work once."""
        return self._imports + median(self.seconds)

    def work(self) -> None:
        """Work once, and note the seconds."""
        self._orders.write("\n")
        self._orders.flush()
        self.seconds.append(self._next_answer())

    def _next_answer(self) -> float:
        for line in self._answers:
            if line.startswith("seconds "):
                return float(line.split()[1])
        self._errors.seek(0)
        sys.exit(f"bench.tfrecord: a run failed:\n{self._errors.read().decode()}")


@contextmanager
def timed(folder: Path, script: str, *arguments: str) -> Iterator[Timed]:
    """Start a script that defines `work`; wait until its imports are done."""
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            [sys.executable, "-c", script + _TIMED, *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        timer = threading.Timer(_TIMEOUT, process.kill)
        timer.start()
        try:
            yield Timed(process, errors)
        finally:
            timer.cancel()


def save_data(folder: Path) -> None:
    """Write images and their COCO files; val and test are empty."""
    images: list[CocoImage] = []
    annotations: list[CocoAnnotation] = []
    (folder / "data/images").mkdir(parents=True)
    for number, image in enumerate(repeated_images(IMAGES, SIZE, OBJECTS), start=1):
        name = save_image(folder / "data/images", image)
        images.append({"id": number, "file_name": name, "width": SIZE, "height": SIZE})
        annotations += [
            _ring_to_annotation(len(annotations) + index, number, class_number, ring)
            for index, (class_number, ring) in enumerate(image.objects, start=1)
        ]
    categories = names_to_categories(CLASSES)
    save_coco(folder / "data/coco/train.json", "bench", categories, images, annotations)
    for split in ("val", "test"):
        save_coco(folder / f"data/coco/{split}.json", "bench", categories, [], [])


def _ring_to_annotation(
    number: int, image: int, class_number: int, ring: list[list[float]]
) -> CocoAnnotation:
    (left, top), (right, bottom) = (
        [edge(axis) for axis in zip(*ring, strict=True)] for edge in (min, max)
    )
    return {
        "id": number,
        "image_id": image,
        "category_id": class_number + 1,
        "bbox": [left, top, right - left, bottom - top],
        "area": (right - left) * (bottom - top),
        "iscrowd": 0,
        "segmentation": [[coordinate for point in ring for coordinate in point]],
    }
