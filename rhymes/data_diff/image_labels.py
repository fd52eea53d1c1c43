"""The labels of all images of a data version, read from its COCO files in little memory."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from tqdm import tqdm

from rhymes.coco.coco_index import load_coco_index
from rhymes.coco.files import CocoAnnotation, CocoImage, image_to_sources, source_to_name
from rhymes.common.errors import InputError


@dataclass(frozen=True, slots=True, eq=False)
class ImageLabels:
    """An image of a data version and its objects: some 500 bytes, and 48 an object.

    Attributes:
        file_name: Its file's bare name, which is the SHA-256 of its bytes.
        source: Its name in the export; that of its file where the COCO file has none.
        split: "train", "val" or "test".
        width: Pixels.
        height: Pixels.
        boxes: float64 [n, 4]: xmin, ymin, xmax, ymax in pixels.
        outlines: int64 [n]: a checksum of each object's polygons, 0 for a box.
        class_ids: int32 [n]: the version's own numbers.
        other_sources: Further names of it in the export.
    """

    file_name: str
    source: str
    split: str
    width: int
    height: int
    boxes: NDArray[np.float64]
    outlines: NDArray[np.int64]
    class_ids: NDArray[np.int32]
    other_sources: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.class_ids)

    @property
    def sources(self) -> tuple[str, ...]:
        """All its names in the export."""
        return (self.source, *self.other_sources)

    @property
    def name(self) -> str:
        """What a person calls the image."""
        return source_to_name(self.source)


@dataclass(frozen=True, eq=False)
class VersionLabels:
    """All of a data version.

    Attributes:
        names: Class names by id.
        images: In the order of the splits and of their files.
    """

    names: Mapping[int, str]
    images: Sequence[ImageLabels]


def load_labels(files: Mapping[str, Path], title: str) -> VersionLabels:
    """Read a COCO file a split; a progress bar tells how far it is.

    Args:
        files: Split -> file.
        title: What to call the version in errors and beside the bar.

    Raises:
        InputError: A file is not COCO, or the splits differ in their classes.
    """
    names: dict[int, str] = {}
    images: list[ImageLabels] = []
    try:
        for split, path in files.items():
            index = load_coco_index(path)
            if names and index.categories != names:
                raise InputError(f"{path}: other categories than those of the splits before it")
            names = index.categories
            bar = tqdm(
                index.load_records(), f"{title}: {split}", len(index.images), unit=" images",
                disable=None, leave=False,
            )  # fmt: skip
            images += [_record_to_labels(split, *record) for record in bar]
    except (KeyError, TypeError, ValueError) as error:
        problem = error if isinstance(error, InputError) else f"not COCO: {error!r}"
        raise InputError(f"{title}: {problem}") from None
    return VersionLabels(names, images)


def _record_to_labels(
    split: str, image: CocoImage, annotations: Sequence[CocoAnnotation]
) -> ImageLabels:
    boxes = np.array([a["bbox"] for a in annotations], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    source, *others = image_to_sources(image)
    return ImageLabels(
        image["file_name"],
        source,
        split,
        image["width"],
        image["height"],
        boxes,
        np.array([_checksum(a.get("segmentation")) for a in annotations], np.int64),
        np.array([a["category_id"] for a in annotations], np.int32),
        tuple(others),
    )


def _checksum(segmentation: Any) -> int:
    return zlib.crc32(orjson.dumps(segmentation)) if segmentation else 0
