"""Write a version of the data, or predictions, in another format: `rhymes convert SOURCE`.

    rhymes convert workspace --to coco -o for-cvat      instances, as CVAT and Label Studio import
    rhymes convert data-march --to yolo -o yolo         for Ultralytics
    rhymes convert predictions --to rhymes -o export    an export, to train on or to correct

SOURCE is a folder that `rhymes predict` wrote, or a data version as `rhymes diff` takes it: a
folder with COCO files, `workspace`, or a tag, branch, experiment or commit. Images get the names
that they have in the export. FOLDER must not exist, or be empty; it is written aside and renamed.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from rhymes.common.arguments import command_parser
from rhymes.common.errors import InputError
from rhymes.common.files import folder_written_aside
from rhymes.common.text import count_to_text
from rhymes.convert.labelled_data import LabelledData, load_labelled_data
from rhymes.convert.writers import WRITERS, has_outlines


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert; return the exit code."""
    options = _parse(arguments)
    data = load_labelled_data(options.source, options.images)
    convert(data, options.to, options.out, copies_images=not options.no_images)
    images = sum(map(len, data.splits.values()))
    objects = count_to_text(sum(1 for _ in data.objects()), "object")
    print(f"convert: {count_to_text(images, 'image')}, {objects} of {data.name} -> {options.out}")
    if note := _what_is_lost(data, options.to):
        print(f"  {note}")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser("convert", *__doc__.split("\n\n", 1))
    parser.add_argument("source", metavar="SOURCE", help="a data version, or a predict folder")
    parser.add_argument("--to", required=True, choices=tuple(WRITERS), help="the format")
    parser.add_argument("-o", "--out", required=True, type=Path, metavar="FOLDER")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--images", type=Path, metavar="FOLDER",
        help="where the images lie (default: images/ of predictions, data/images of a version)",
    )  # fmt: skip
    which.add_argument("--no-images", action="store_true", help="write annotations alone")
    return parser.parse_args(arguments)


def convert(data: LabelledData, to: str, out: Path, *, copies_images: bool) -> None:
    """Write `data` in the format `to` into a new folder.

    Raises:
        InputError: `out` is there and holds something, or an image is missing.
        OSError: it cannot be written.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise InputError(f"-o {out}: is there already; name another folder, or remove it")
    total = sum(map(len, data.splits.values()))
    with folder_written_aside(out) as aside:
        copies = WRITERS[to](data, aside)
        for file, path in tqdm(copies, total=total, desc=to, unit=" images", disable=None):
            if not copies_images:
                continue
            if not file.is_file():
                raise InputError(
                    f"{file}: no such image; name the folder of the images by --images, check them "
                    "out (`dvc checkout data/images`), or write annotations alone by --no-images"
                )
            (aside / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, aside / path)


def _what_is_lost(data: LabelledData, to: str) -> str:
    """Say what the format does not hold of the data; empty where it holds all."""
    outlined = sum(bool(each.rings) for each in data.objects())
    if to == "yolo" and outlined and not has_outlines(data):
        return f"{count_to_text(outlined, 'outline')} written as boxes, for others have none"
    if to == "yolo" and any(each.score is not None for each in data.objects()):
        return "scores are left out: a YOLO label has none"
    return ""
