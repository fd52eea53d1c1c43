"""Images as a split sees them: names, contents and classes, but no pixels."""

from __future__ import annotations

from dataclasses import dataclass

from rhymes.export.fetched import IndexedImage
from tests.support.export_csv import indexed_image

FRACTIONS = (0.7, 0.15, 0.15)


@dataclass(frozen=True)
class Image:
    """What `rhymes.coco.splits.SplitImage` asks for."""

    files: tuple[IndexedImage, ...]
    class_ids: tuple[int, ...] = (1,)


def image_of(*names: str, classes: tuple[int, ...] = (1,)) -> Image:
    """An image under several names, each with bytes of its own."""
    return Image(tuple(indexed_image(name, f"sha of {name}") for name in names), classes)
