"""How near the held-out images are to those that training sees: the closest pairs, drawn.

The distance is that of rhymes/images/copy_distance.py, an integer that anyone can recompute with
`rhymes copies --distance ONE OTHER`. It is measured for the pairs that are worth it: of each image
of val and test the most similar one of train, of these the most similar five hundred.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from rhymes.coco.splits import SPLITS
from rhymes.common.errors import InputError
from rhymes.common.files import written_aside
from rhymes.common.markdown import rows_to_table
from rhymes.common.text import count_to_text
from rhymes.images.copy_distance import CUTOFF, FAR, fingerprints_to_distance
from rhymes.images.fingerprint import Fingerprints
from rhymes.images.neighbours import NeighbourSearch

HELD_OUT = ("val", "test")

_MEASURED = 500  # pairs of a split with train
_SHOWN = 10
_SIDE = 240  # pixels of an image on the sheet
_MARGIN = 18


class ClosePair(NamedTuple):
    """An image of a held-out split and one of train.

    Attributes:
        held_out: position of the one.
        trained: position of the other.
        distance: of the two.
    """

    held_out: int
    trained: int
    distance: int


def find_closest_pairs(
    fingerprints: Fingerprints, splits: Sequence[int]
) -> dict[str, list[ClosePair]]:
    """Find, for val and test, the pairs with train that are nearest to being copies.

    Args:
        fingerprints: of the images.
        splits: each image's position in `SPLITS`.

    Returns:
        By split, the nearest first, at most ten; none where a split or train is empty, or images
        have no contrast.
    """
    of_split = [[i for i, split in enumerate(splits) if split == number] for number in range(3)]
    trained = of_split[SPLITS.index("train")]
    search = NeighbourSearch(_Chosen(fingerprints, trained))
    return {
        split: _closest(fingerprints, search, of_split[SPLITS.index(split)], trained)
        for split in HELD_OUT
    }


def _closest(
    fingerprints: Fingerprints,
    search: NeighbourSearch,
    held_out: Sequence[int],
    trained: Sequence[int],
) -> list[ClosePair]:
    near = search.find(_Chosen(fingerprints, held_out), 1, 0)
    found = np.flatnonzero(near.index[:, 0] >= 0)
    # Position breaks ties, so that every machine measures the same pairs.
    most = found[np.lexsort((found, -near.similarity[found, 0]))][:_MEASURED]
    pairs = [
        ClosePair(one, other, fingerprints_to_distance(fingerprints[one], fingerprints[other]))
        for one, other in (
            (held_out[place], trained[near.index[place, 0]]) for place in most.tolist()
        )
    ]
    shown = sorted((pair for pair in pairs if pair.distance < FAR), key=lambda pair: pair[::-1])
    return shown[:_SHOWN]


class _Chosen:
    """Some of many fingerprints."""

    def __init__(self, fingerprints: Fingerprints, chosen: Sequence[int]) -> None:
        self._fingerprints = fingerprints
        self._chosen = chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, key: Any, /) -> Any:
        if not isinstance(key, slice):
            return self._fingerprints[self._chosen[key]]
        return np.stack([self._fingerprints[place] for place in self._chosen[key]])


def leakage_to_report(
    pairs: dict[str, list[ClosePair]], names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return what report.json says: by split the nearest distance to train, and the pairs."""
    return {
        split: {
            "nearest_distance": found[0].distance if found else None,
            "cutoff": CUTOFF,
            "closest": [
                {
                    split: names[pair.held_out],
                    "train": names[pair.trained],
                    "distance": pair.distance,
                }
                for pair in found
            ],
        }
        for split, found in pairs.items()
    }


def leakage_to_warnings(report: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield a sentence for each split that has copies of images of train."""
    for split, found in report.items():
        near = [pair for pair in found["closest"] if pair["distance"] <= CUTOFF]
        if near:
            count = count_to_text(
                len(near), f"image of {split} looks", f"images of {split} (or more) look"
            )
            yield (
                f"{count} like a copy of one of train (distance up to {CUTOFF}), such as "
                f"{near[0][split]} and {near[0]['train']}; figures of {split} are too good. See "
                "closest_pairs.png, and join them in data/groups.csv."
            )


def leakage_to_lines(report: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield a sentence for each held-out split: its nearest distance to train."""
    for split, found in report.items():
        if found["nearest_distance"] is not None:
            pair = found["closest"][0]
            yield (
                f"Nearest distance between {split} and train: {found['nearest_distance']} "
                f"(copies: up to {found['cutoff']}), of {pair[split]} and {pair['train']}."
            )


def closest_to_table(report: dict[str, dict[str, Any]]) -> str:
    """Return a table of the closest pairs."""
    rows = [
        (split, pair["distance"], pair[split], pair["train"])
        for split, found in report.items()
        for pair in found["closest"]
    ]
    return rows_to_table(("split", "distance", "its image", "image of train"), rows)


def save_closest_pairs(
    path: Path, images: Path, pairs: dict[str, list[ClosePair]], files: Sequence[str]
) -> None:
    """Draw the closest pairs, the held-out image left, a column for each split: a PNG.

    Args:
        path: of the PNG.
        images: the folder with the images.
        pairs: from `find_closest_pairs`, at least one.
        files: names of the images' files.

    Raises:
        InputError: an image cannot be read.
    """
    width, height = 2 * _SIDE, _SIDE + _MARGIN
    columns = [(split, found) for split, found in pairs.items() if found]
    rows = max(len(found) for _, found in columns)
    sheet = Image.new("RGB", (len(columns) * width, rows * height), "white")
    draw = ImageDraw.Draw(sheet)
    for column, (split, found) in enumerate(columns):
        for row, pair in enumerate(found):
            left, top = column * width, row * height
            draw.text((left + 4, top + 2), f"{split}, train: distance {pair.distance}", "black")
            for place, image in enumerate((pair.held_out, pair.trained)):
                small = _load_small(images / files[image])
                sheet.paste(small, (left + place * _SIDE, top + _MARGIN))
    with written_aside(path) as aside:
        sheet.save(aside, "PNG")


def _load_small(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            small = image.convert("RGB")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error}); run the stage fetch again") from None
    factor = max(small.size) // _SIDE
    small = small.reduce(factor) if factor > 1 else small
    small.thumbnail((_SIDE - 2, _SIDE - 2), Image.Resampling.NEAREST)
    return small
