"""Peak memory of the stages coco and tfrecord on 20,000 images against 2,000.

`python -m bench memory`. Each stage runs as a command of its own; its peak is the sum of the peaks
of its processes, as Linux counts them (resident memory, so pages that processes share count more
than once).
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.images import CLASSES, BenchImage, repeated_images, save_image
from bench.workspace import ROOT
from rhymes.export.fetched import INDEX_COLUMNS
from rhymes.images.fingerprint import create_fingerprints

COUNTS = (2_000, 20_000)
STAGES = ("coco", "tfrecord")
OBJECTS = 14
SIZE = 96
GOAL = 1.3
_PAUSE = 0.02  # seconds between two looks at a stage
_TIMEOUT = 3600.0  # seconds


def main() -> None:
    """Print a line for each stage, and one for the peak of both."""
    if not Path("/proc/self/status").exists():
        sys.exit("bench.memory: reads Linux's /proc, which this system does not have")
    peaks = [measure(count) for count in COUNTS]
    for stage in STAGES:
        print(_line(f"memory, {stage}", [peak[stage] for peak in peaks]))
    print(_line("memory, coco + tfrecord", [max(peak.values()) for peak in peaks], GOAL))


def _line(name: str, peaks: list[int], goal: float | None = None) -> str:
    small, large = (peak / 2**20 for peak in peaks)
    return (
        f"{name}: {COUNTS[1]:,} images {large:,.0f} MiB, {COUNTS[0]:,} images {small:,.0f} MiB -> "
        f"{large / small:.2f}x{f' (goal <= {goal:g}x)' if goal else ''}"
    )


def measure(count: int) -> dict[str, int]:
    """Run the stages on a new data set; return the peak of each in bytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_export(folder, count)
        return {stage: peak_memory(folder, stage) for stage in STAGES}


def save_export(folder: Path, count: int) -> None:
    """Write what the stage `fetch` leaves, and the parameters of the repository."""
    for sub in ("data/export", "data/images"):
        (folder / sub).mkdir(parents=True)
    (folder / "data/splits.csv").write_text("group,split\n", encoding="utf-8")
    (folder / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    export = folder / "data/export"
    # Of images that have nothing in common: those repeated here would all be copies.
    fingerprints = create_fingerprints(export / "fingerprints.npy", count)
    generator = np.random.default_rng(1)
    for number in range(count):
        fingerprints[number] = generator.integers(0, 256, fingerprints.shape[1:], np.uint8)
    categories = "\n".join(["category_image", *CLASSES])
    (export / "categories.csv").write_text(categories + "\n", encoding="utf-8")
    with (
        (export / "annotations.csv").open("w", encoding="utf-8", newline="") as annotations_file,
        (export / "index.csv").open("w", encoding="utf-8", newline="") as index_file,
    ):
        annotations, index = csv.writer(annotations_file), csv.writer(index_file)
        annotations.writerow(["image_url", "output_content"])
        index.writerow(INDEX_COLUMNS)
        for number, image in enumerate(repeated_images(count, SIZE, OBJECTS)):
            save_image(folder / "data/images", image)
            url = f"https://cdn.example/{number}.jpg"
            annotations.writerow([url, json.dumps(_objects(image))])
            index.writerow(
                [url, image.sha256, SIZE, SIZE, image.sha256, image.sha256, "JPEG", 1, ""]
            )


def _objects(image: BenchImage) -> dict[str, object]:
    return {
        "identifications": [
            {"type": "polygon", "data": ring, "errors": [], "category": CLASSES[number]}
            for number, ring in image.objects
        ]
    }


def peak_memory(folder: Path, stage: str) -> int:
    """Run a stage; return the sum of its processes' peaks in bytes."""
    peaks: dict[int, int] = {}
    deadline = time.monotonic() + _TIMEOUT
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(
            [sys.executable, "-m", f"stages.{stage}"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=output,
        ) as process,
    ):
        while process.poll() is None:
            _note_peaks(process.pid, peaks)
            if time.monotonic() > deadline:
                process.kill()
                sys.exit(f"bench.memory: stage {stage} took more than {_TIMEOUT:g} s")
            time.sleep(_PAUSE)
        if process.returncode:
            output.seek(0)
            sys.exit(f"bench.memory: stage {stage} failed:\n{output.read().decode()}")
    return sum(peaks.values())


def _note_peaks(pid: int, peaks: dict[int, int]) -> None:
    """Ask Linux for the peak so far of each process of a tree; what has ended keeps its last."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        children = [
            int(child)
            for listed in Path(f"/proc/{pid}/task").glob("*/children")
            for child in listed.read_text(encoding="utf-8").split()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return  # it ended just now
    if found := re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE):
        peaks[pid] = int(found[1]) * 1024
    for child in children:
        _note_peaks(child, peaks)
