"""The repository's files as the page reads them: what stages wrote, or a word on what is missing.

Paths are relative to the current folder, as in the stages. A stage that runs again removes its
outputs first, so that any file may be missing at any moment; nothing here waits or locks. What was
read is kept until the file changes.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from rhymes.coco.files import CocoAnnotation, CocoImage, load_coco
from rhymes.common.errors import InputError
from rhymes.common.files import file_to_sha256

COCO, IMAGES = Path("data/coco"), Path("data/images")
CONVERSION, LOCK = COCO / "report.json", Path("dvc.lock")
TRAINING, EVALUATION, GATE, VERIFICATION = (
    Path(f"reports/{name}") for name in ("train", "evaluate", "gate", "verify")
)
MAKE = "make repro"

# Columns of text in the stages' tables: a class named "NA", "null" or "001" is a class.
_TEXT = ("actual", "class", "error", "group", "image", "kind", "predicted", "split")

Stamp = tuple[int, int, int]


class MissingFile(Exception):  # noqa: N818 - says what is the case, as FileNotFoundError's words do
    """A file that some command makes is not there.

    Attributes:
        path: Of the file.
        command: What makes it.
    """

    def __init__(self, path: Path, command: str = MAKE) -> None:
        super().__init__(f"{path} is not there; {command} makes it")
        self.path = path
        self.command = command


@dataclass(frozen=True, eq=False)
class Split:
    """A split's images and their ground truth.

    Attributes:
        name: "train", "val" or "test".
        names: Class names by id, from 1.
        images: By id, in the file's order.
        annotations: Of each image that has some, by image id.
    """

    name: str
    names: dict[int, str]
    images: dict[int, CocoImage]
    annotations: dict[int, list[CocoAnnotation]]

    def ground_truth(self, image_id: int) -> list[CocoAnnotation]:
        """The annotations of an image; none for one without objects."""
        return self.annotations.get(image_id, [])


def load_json(path: Path) -> Any:
    """Read a JSON file; what it returns is shared and must not be changed.

    Raises:
        MissingFile: it is not there.
        InputError: it is no JSON.
    """
    return _load_json(str(path), _stamp(path))


def load_table(path: Path) -> pd.DataFrame:
    """Read a CSV or TSV with a header: numbers, but class names stay text whatever they look like.

    Raises:
        MissingFile: it is not there.
        InputError: it is no such table.
    """
    return _load_table(str(path), _stamp(path))


def load_split(name: str) -> Split:
    """Read a split's COCO file.

    Raises:
        MissingFile: it is not there.
        InputError: it is not COCO.
    """
    path = COCO / f"{name}.json"
    return _load_split(str(path), _stamp(path), name)


def load_digest(path: Path) -> str:
    """SHA-256 of a file, taken anew when the file has changed.

    Raises:
        MissingFile: it is not there.
    """
    return _load_digest(str(path), _stamp(path))


def load_image(image: CocoImage) -> bytes:
    """Read the file of an image of a split.

    Raises:
        MissingFile: it is not there.
    """
    return load_bytes(IMAGES / image["file_name"])


def load_bytes(path: Path) -> bytes:
    """Read a file as it is.

    Raises:
        MissingFile: it is not there.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise MissingFile(path) from None


def _stamp(path: Path) -> Stamp:
    """What changes when a file is replaced."""
    try:
        stat = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFile(path) from None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


@st.cache_resource(show_spinner=False, max_entries=32)
def _load_json(path: str, stamp: Stamp) -> Any:  # noqa: ARG001 - part of the key
    try:
        return json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise MissingFile(Path(path)) from None
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); {MAKE} writes it anew") from None


@st.cache_data(show_spinner=False, max_entries=64, max_size="64MB")
def _load_table(path: str, stamp: Stamp) -> pd.DataFrame:  # noqa: ARG001 - part of the key
    separator = "\t" if path.endswith(".tsv") else ","
    try:
        table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise MissingFile(Path(path)) from None
    except ValueError as error:
        raise InputError(f"{path}: not a table ({error}); {MAKE} writes it anew") from None
    for column in table.columns.difference(list(_TEXT)):
        table[column] = pd.to_numeric(table[column], errors="coerce")
    return table


@st.cache_data(show_spinner=False, max_entries=32)
def _load_digest(path: str, stamp: Stamp) -> str:  # noqa: ARG001 - part of the key
    try:
        return file_to_sha256(Path(path))
    except FileNotFoundError:
        raise MissingFile(Path(path)) from None


@st.cache_resource(show_spinner=False, max_entries=3)
def _load_split(path: str, stamp: Stamp, name: str) -> Split:  # noqa: ARG001 - part of the key
    coco = load_coco(Path(path))
    annotations: dict[int, list[CocoAnnotation]] = defaultdict(list)
    for annotation in coco["annotations"]:
        annotations[annotation["image_id"]].append(annotation)
    return Split(
        name,
        {category["id"]: category["name"] for category in coco["categories"]},
        {image["id"]: image for image in coco["images"]},
        dict(annotations),
    )
