"""The CSV files of an export, as annotators have them: items, cells and rows."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rhymes.export.fetched import Fetched, IndexedImage, Source, save_index
from rhymes.images.fingerprint import create_fingerprints


def box(data: Any = (10, 20, 30, 40), label: Any = "RBC", **changes: Any) -> dict[str, Any]:
    """An item of the boxes dialect; `changes` replace its keys."""
    item = {"type": "boundingBox", "data": data, "errors": [], "category": "Annotation"}
    return item | {"attributes": {"label": label}} | changes


def polygon(
    data: Any = ((10, 10), (30, 10), (30, 20)), label: Any = "RBC", **changes: Any
) -> dict[str, Any]:
    """An item of the polygons dialect; `changes` replace its keys."""
    return {"type": "polygon", "data": data, "category": label} | changes


def cell(*items: Any) -> str:
    """The JSON of an `output_content` cell."""
    return json.dumps({"identifications": items})


def write_csv(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    """Write rows of cells, into a folder that is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def indexed_image(
    source: str, sha256: str, size: tuple[int, int] = (100, 80), **changes: Any
) -> IndexedImage:
    """A fetched JPEG whose bytes were kept; `changes` replace its attributes."""
    image = IndexedImage(source, sha256, *size, sha256, sha256, "JPEG", 1)
    return image._replace(**changes)


def write_index(path: Path, images: Iterable[IndexedImage | str]) -> None:
    """Write an index.csv; a text is a source that failed. All fingerprints beside it are plain."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = list(images)
    create_fingerprints(path.with_name("fingerprints.npy"), len(images))
    save_index(
        path,
        [
            Fetched(Source(image, ()), error="404")
            if isinstance(image, str)
            else Fetched(Source(image.source, ()), image)
            for image in images
        ],
    )
