"""Stage `tfrecord`: COCO files and images -> shards and count.json in data/tfrecord/<split>/."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from tqdm import tqdm

from rhymes.coco.coco_index import load_coco_index
from rhymes.coco.shards import (
    MAX_PROCESSES,
    choose_masks,
    index_to_summary,
    plan_shards,
    save_shards,
)
from rhymes.common.files import save_json
from rhymes.common.params import load_section, section
from stages.command import run_stage

COCO = Path("data/coco")
IMAGES = Path("data/images")
TFRECORD = Path("data/tfrecord")
SPLITS = ("train", "val", "test")


@section
class TfrecordParams:
    """Section `tfrecord`."""

    include_masks: bool | Literal["auto"]
    images_per_shard: Annotated[int, Field(ge=1)]


def main(processes: int | None = None) -> None:
    """Write the shards of all splits, with as many processes as the machine has cores."""
    processes = processes or min(os.cpu_count() or 1, MAX_PROCESSES)
    params = load_section("tfrecord", TfrecordParams)
    indexes = {split: load_coco_index(COCO / f"{split}.json") for split in SPLITS}
    masks = choose_masks(params.include_masks, list(indexes.values()))
    polygons = sum(index.polygons for index in indexes.values())
    objects = sum(index.objects for index in indexes.values())
    choice = "written" if masks else "left out"
    print(f"masks are {choice}: {polygons} of {objects} objects have a polygon")
    empty_folders([TFRECORD / split for split in SPLITS])
    shards = (
        shard
        for split, index in indexes.items()
        for shard in plan_shards(index, IMAGES, TFRECORD / split, params.images_per_shard, masks)
    )
    total = sum(len(index.images) for index in indexes.values())
    with tqdm(desc="tfrecord", total=total, unit=" images", disable=None) as bar:
        for count in save_shards(shards, processes):
            bar.update(count)
    for split, index in indexes.items():
        summary = index_to_summary(index, params.images_per_shard, masks)
        save_json(TFRECORD / split / "count.json", summary)
        print(
            f"{split}: {summary['records']} images, {summary['objects']} objects, "
            f"{summary['shards']} shards"
        )


def empty_folders(folders: list[Path]) -> None:
    """Make new, empty folders: a shard of an earlier run would be read with the new ones."""
    for folder in folders:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)


if __name__ == "__main__":
    run_stage("tfrecord", main)
