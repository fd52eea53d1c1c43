"""Stage `sample`: draw an export of cafeteria trays, so that a fresh clone has one to run on.

python -m stages.sample   (about 20 s on 2 cores) -> data/sample/, in the polygons dialect: 240
images with some 900 dishes of eight classes, the same bytes for the same parameters.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

from pydantic import Field
from tqdm import tqdm

from rhymes.common.csv import rows_to_csv, save_rows
from rhymes.common.files import folder_written_aside, save_text
from rhymes.common.params import load_section, section
from rhymes.sample.menu import DISHES
from rhymes.sample.outlines import Polygon
from rhymes.sample.scene import draw_image
from stages.command import run_stage

SAMPLE = Path("data/sample")
_JPEG_QUALITY = 88
_WORTH_PROCESSES = 16  # with fewer images, starting processes takes longer than drawing

Dishes = list[tuple[str, Polygon]]


@section
class SampleParams:
    """The section `sample` of params.yaml."""

    seed: Annotated[int, Field(ge=0)]
    images: Annotated[int, Field(ge=1, le=100_000)]
    size: Annotated[int, Field(ge=64, le=2048)]


def main() -> None:
    """Draw the sample that the section `sample` describes."""
    params = load_section("sample", SampleParams)
    with folder_written_aside(SAMPLE) as folder:
        save_sample(folder, params, processes=os.cpu_count() or 1)
    print(f"sample: {params.images} trays with {len(DISHES)} kinds of dishes in {SAMPLE}")


def save_sample(folder: Path, params: SampleParams, processes: int) -> None:
    """Write annotations.csv, categories.csv and images/ into an existing folder.

    The bytes do not depend on the number of processes, and image k not on how many there are.
    """
    (folder / "images").mkdir()
    save = partial(save_image, folder, params.seed, params.size)
    numbers = range(1, params.images + 1)
    bar = partial(tqdm, total=params.images, unit="image", desc="sample", disable=None)
    if processes == 1 or params.images < _WORTH_PROCESSES:
        drawn = list(bar(map(save, numbers)))
    else:
        # Not forked: the parent may have threads, whose locks a fork would copy in any state.
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            drawn = list(bar(pool.map(save, numbers, chunksize=4)))
    save_text(folder / "annotations.csv", dishes_to_csv(drawn))
    save_rows(folder / "categories.csv", ["category_image"], names_to_rows())


def save_image(folder: Path, seed: int, size: int, number: int) -> tuple[str, Dishes]:
    """Draw one image into `folder`; return its path relative to it, and its dishes."""
    image = draw_image(seed, number, size)
    name = f"images/tray_{number:04d}.jpg"
    image.image.save(folder / name, quality=_JPEG_QUALITY)
    return name, image.dishes


def dishes_to_csv(drawn: Iterable[tuple[str, Dishes]]) -> str:
    """Return the annotations CSV, polygons dialect, of (image path, dishes) pairs."""
    rows = ([name, json.dumps(dishes_to_cell(dishes))] for name, dishes in drawn)
    return rows_to_csv([["image_url", "output_content"], *rows])


def dishes_to_cell(dishes: Dishes) -> dict[str, object]:
    """Return the content of an annotation cell."""
    items = [{"type": "polygon", "data": ring, "category": name} for name, ring in dishes]
    return {"identifications": items}


def names_to_rows() -> list[list[str]]:
    """Return the rows of the categories CSV: the dishes' names in alphabetical order."""
    return [[name] for name in sorted(dish.name for dish in DISHES)]


if __name__ == "__main__":
    run_stage("sample", main)
