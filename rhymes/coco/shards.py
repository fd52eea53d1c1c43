"""Shards of TFRecords from COCO files and their images, written by several processes.

A process is told which images a shard holds and reads, draws and writes them one by one, so memory
does not grow with the data. What a shard holds depends on the COCO file and on the number of
images in a shard alone: any number of processes writes the same bytes.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import re
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from math import ceil
from multiprocessing.connection import wait
from pathlib import Path
from typing import Literal

from rhymes.coco.coco_index import CocoIndex
from rhymes.coco.tfrecord import coco_to_features, features_to_example, load_tfrecord, save_tfrecord
from rhymes.common.errors import InputError
from rhymes.common.files import written_aside

# The disk sets the pace beyond this many, and each costs some 60 MB.
MAX_PROCESSES = 8

_IMAGE_NAME = re.compile(r"[0-9a-f]{64}\.jpg")


@dataclass(frozen=True, eq=False)
class Shard:
    """One file to write.

    Attributes:
        path: The file.
        index: Its images and their annotations.
        images: The folder of the images, named <SHA-256 of the bytes>.jpg.
        masks: Whether each object gets a mask.
    """

    path: Path
    index: CocoIndex
    images: Path
    masks: bool


def choose_masks(setting: bool | Literal["auto"], indexes: Sequence[CocoIndex]) -> bool:
    """Decide whether records hold masks: for all objects of all splits, or for none.

    Model Garden matches masks to boxes by their index in the record, so a record where one object
    lacks its mask would give the others a wrong one; and Mask R-CNN, which alone reads masks,
    needs one for each object. `auto` takes masks where every object has a polygon.

    Raises:
        InputError: the setting is true, but there are objects without a polygon.
    """
    objects = sum(index.objects for index in indexes)
    without = objects - sum(index.polygons for index in indexes)
    if setting is True and without:
        raise InputError(
            f"tfrecord.include_masks is true, but {without} of {objects} objects have no polygon; "
            "set it to auto or false"
        )
    if setting == "auto":
        return objects > 0 and without == 0
    return setting


def number_of_shards(index: CocoIndex, images_per_shard: int) -> int:
    """As few as hold all images of a split; 0 for none."""
    return ceil(len(index.images) / images_per_shard)


def index_to_summary(index: CocoIndex, images_per_shard: int, masks: bool) -> dict[str, int | bool]:
    """Say what a split's shards hold, for those who read them."""
    return {
        "records": len(index.images),
        "objects": index.objects,
        "most_objects": index.most_objects,
        "shards": number_of_shards(index, images_per_shard),
        "masks": masks,
    }


def plan_shards(
    index: CocoIndex, images: Path, folder: Path, images_per_shard: int, masks: bool
) -> Iterator[Shard]:
    """Deal a split's images out to its shards: with n shards, shard i gets every n-th from i on.

    Neighbours in the export are often of one class; dealt out, they do not end up in one shard.
    The shards are called <folder's name>-00000-of-00003.tfrecord and so on.

    Args:
        index: The split.
        images: The folder of its images.
        folder: Where the shards belong; its name is the split's.
        images_per_shard: As many at most, and as equal as can be.
        masks: Whether each object gets a mask.
    """
    count = number_of_shards(index, images_per_shard)
    for number in range(count):
        path = folder / f"{folder.name}-{number:05d}-of-{count:05d}.tfrecord"
        yield Shard(path, index.part(number, count), images, masks)


def save_shards(shards: Iterable[Shard], processes: int) -> Iterator[int]:
    """Write shards; yield the number of records of each as soon as it is written.

    Raises:
        InputError: as `save_shard`; or a process was killed. Shards that other processes are
            writing are finished first.
    """
    if processes == 1:
        yield from map(save_shard, shards)
        return
    # The platform's own way to start processes. On Linux that is a fork, which spares 0.8 s of
    # imports; it is safe while TensorFlow with its threads is not loaded here.
    executor = ProcessPoolExecutor(processes, initializer=_prepare_process)
    pending: deque[Future[int]] = deque()
    try:
        for shard in shards:
            if len(pending) == 2 * processes:
                yield pending.popleft().result()
            pending.append(executor.submit(save_shard, shard))
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool:
        raise InputError(
            "a process that was writing shards was killed, as happens when memory runs out; "
            "free some and start again"
        ) from None
    finally:
        executor.shutdown(cancel_futures=True)


def save_shard(shard: Shard) -> int:
    """Write one shard aside, read it back, and rename it; return its number of records.

    Raises:
        InputError: an image is missing or changed, an annotation cannot be used, or what was read
            back is not what was written. No file is left behind.
        OSError: it cannot be written.
    """
    with written_aside(shard.path) as aside:
        count = save_tfrecord(aside, _shard_to_examples(shard))
        check_tfrecord(aside, count)
    return count


def check_tfrecord(path: Path, expected: int) -> None:
    """Read a file through.

    Raises:
        InputError: it is damaged or has not the expected number of records.
    """
    count = sum(1 for _ in load_tfrecord(path))
    if count != expected:
        raise InputError(f"{path}: {count} records were read back, {expected} were written")


def _shard_to_examples(shard: Shard) -> Iterator[bytes]:
    for image, objects in shard.index.load_records():
        try:
            jpeg = load_image(shard.images, image["file_name"])
            features = coco_to_features(
                image,
                objects,
                shard.index.categories,
                jpeg,
                sha256=image["file_name"].removesuffix(".jpg"),
                masks=shard.masks,
            )
        except InputError as error:
            raise InputError(f"{shard.index.path}: image {image['id']}: {error}") from None
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{shard.index.path}: image {image['id']}: a key is missing or has a wrong type: "
                f"{error!r}"
            ) from None
        yield features_to_example(features)


def load_image(folder: Path, name: str) -> bytes:
    """Read an image and make sure that it is the one that was fetched.

    Raises:
        InputError: the name is not <SHA-256>.jpg, the file is missing, or has other bytes.
    """
    if not _IMAGE_NAME.fullmatch(name):
        raise InputError(f"file_name {name!r} is not <SHA-256>.jpg")
    path = folder / name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} could not be read: {error.strerror}; `dvc repro fetch` brings it back"
        ) from None
    if (found := hashlib.sha256(data).hexdigest()) != path.stem:
        raise InputError(
            f"{path} was changed: the SHA-256 of its bytes is {found}; `dvc repro fetch` mends it"
        )
    return data


def _prepare_process() -> None:
    """Let the parent decide about interrupts, and end when it has ended, however it did."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
