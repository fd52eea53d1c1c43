"""What the published model found in its test images: reports/published/detections.json.

The contract between `rhymes.registry.publish`, which writes it, and the stage `gate`, which
compares a candidate with it. It is kept in Git, so it is small, and the same detections give the
same bytes:

    {"version": 1,
    "tag": "detector@v1.0.0",
    "identity": "<SHA-256 of the version's manifest>",
    "test_sha256": "<SHA-256 of data/coco/test.json>",
    "classes": ["apple", "pear"],
    "images": [
    {"file_name": "<SHA-256>.jpg", "width": 320, "height": 240,
     "detections": {"pear": [[0.93, 10.5, 20.0, 64.25, 32.0, "<counts of the RLE>"]]}}
    ]}

A line is an image, in the order of file names, which are named by content: Git shows and merges
what changed, and an image keeps its line when ids and splits change. A detection is its score,
COCO's bbox (x, y, width, height in pixels) and, of a model with masks, COCO's compressed RLE
without its size. Classes have names, as ids change with the export.

Nothing is rounded or left out: of 475 detections with masks, two decimals less in the boxes save
5 % of Git's compressed bytes, and low scores are part of AP. With masks a detection takes 250
bytes (125 in Git, which compresses), without 55 (23 in Git): 55 images with 100 boxes each are
300 kB, 120 kB in Git.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rhymes.coco.files import Coco
from rhymes.common.errors import InputError
from rhymes.common.files import save_text
from rhymes.detections.masks import check_rle

PUBLISHED_FILE = Path("reports/published/detections.json")

_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEYS = ("version", "tag", "identity", "test_sha256", "classes", "images")
_MAX_SIDE = 2**15


@dataclass(frozen=True)
class PublishedDetection:
    """One detection.

    Attributes:
        score: 0 to 1.
        bbox: COCO's x, y, width, height in pixels.
        counts: Of its mask's compressed RLE; None of a model without masks.
    """

    score: float
    bbox: tuple[float, float, float, float]
    counts: str | None = None


@dataclass(frozen=True)
class PublishedImage:
    """A test image.

    Attributes:
        width: In pixels, upright.
        height: In pixels, upright.
        detections: By class name, in the order of the results.
    """

    width: int
    height: int
    detections: Mapping[str, tuple[PublishedDetection, ...]]


@dataclass(frozen=True)
class Published:
    """A published version and what it found.

    Attributes:
        version: TensorFlow Serving's integer.
        tag: The Git tag, such as `detector@v1.0.0`.
        identity: SHA-256 of the version's manifest (`rhymes.versions.model_folder.load_identity`).
        test_sha256: SHA-256 of the test split that it was measured on.
        classes: Names of all classes that it knows, in the order of their ids.
        images: By file name; all test images, those without a detection too.
    """

    version: int
    tag: str
    identity: str
    test_sha256: str
    classes: tuple[str, ...]
    images: Mapping[str, PublishedImage]


def save_published(path: Path, published: Published) -> None:
    """Write the file, an image a line; aside and renamed."""
    lines = [f'"{key}": {_json(getattr(published, key))}' for key in _KEYS[:-1]]
    images = ",\n".join(
        _json(
            {
                "file_name": name,
                "width": image.width,
                "height": image.height,
                "detections": {
                    class_name: [_found_to_list(found) for found in of_class]
                    for class_name, of_class in image.detections.items()
                },
            }
        )
        for name, image in published.images.items()
    )
    text = ",\n".join([*lines, f'"images": [\n{images}\n]' if images else '"images": []'])
    save_text(path, f"{{{text}}}\n")


def _found_to_list(found: PublishedDetection) -> list[float | str]:
    return [found.score, *found.bbox, *([] if found.counts is None else [found.counts])]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def load_published(path: Path = PUBLISHED_FILE) -> Published | None:
    """Read the file; None where nothing is published.

    Raises:
        InputError: naming the image and what is wrong.
    """
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise _broken(path, f"not JSON ({error})") from None
    if not isinstance(value, dict) or sorted(value) != sorted(_KEYS):
        raise _broken(path, f"expected a mapping of {', '.join(_KEYS)}")
    if problem := next(_head_problems(value), None):
        raise _broken(path, problem)
    images = {}
    for number, image in enumerate(value["images"], start=1):
        try:
            name, read = _value_to_image(image, frozenset(value["classes"]))
            if name in images:
                raise ValueError(f"{name!r} stands twice")
        except (KeyError, TypeError, ValueError) as error:
            raise _broken(path, f"image {number}: {error}") from None
        images[name] = read
    masks = {
        found.counts is None
        for image in images.values()
        for of_class in image.detections.values()
        for found in of_class
    }
    if len(masks) > 1:
        raise _broken(path, "some detections have a mask and some have none")
    head = {key: value[key] for key in _KEYS[:4]}
    return Published(**head, classes=tuple(value["classes"]), images=images)


def _broken(path: Path, problem: str) -> InputError:
    return InputError(f"{path}: {problem}; `git restore {path}` brings back the committed file")


def _head_problems(value: Mapping[str, Any]) -> Iterator[str]:
    if type(value["version"]) is not int or value["version"] < 1:
        yield f"version {value['version']!r} is no number from 1"
    if not isinstance(value["tag"], str) or not value["tag"]:
        yield f"tag {value['tag']!r} is no text"
    for key in ("identity", "test_sha256"):
        if not isinstance(value[key], str) or not _SHA256.fullmatch(value[key]):
            yield f"{key} {value[key]!r} is no SHA-256"
    names = value["classes"]
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        yield "classes is no list of names"
    elif len(set(names)) < len(names):
        yield "a class stands twice"
    if not isinstance(value["images"], list):
        yield "images is no list"


def _value_to_image(value: Any, classes: frozenset[str]) -> tuple[str, PublishedImage]:
    name, width, height, detections = (
        value[key] for key in ("file_name", "width", "height", "detections")
    )
    if not isinstance(name, str) or not isinstance(detections, dict):
        raise TypeError("expected file_name, width, height and detections by class")
    for side in (width, height):
        if type(side) is not int or not 0 < side <= _MAX_SIDE:
            raise ValueError(f"{name}: {width!r} x {height!r} is no size")
    if unknown := sorted(set(detections) - classes):
        raise ValueError(f"{name}: {unknown[0]!r} is not among the classes")
    found = {
        class_name: tuple(_value_to_found(each, width, height) for each in of_class)
        for class_name, of_class in detections.items()
    }
    return name, PublishedImage(width, height, found)


def _value_to_found(value: Any, width: int, height: int) -> PublishedDetection:
    if not isinstance(value, list) or len(value) not in (5, 6):
        raise TypeError(f"detection {str(value)[:80]}: expected score, x, y, width, height, mask")
    for number in value[:5]:
        if type(number) not in (int, float) or not math.isfinite(number):
            raise TypeError(f"detection {str(value)[:80]}: {number!r} is no number")
    score, x, y, columns, rows = value[:5]
    if not 0 <= score <= 1 or min(columns, rows) < 0:
        raise ValueError(f"detection {str(value)[:80]}: expected a score of 0 to 1 and a box")
    counts = value[5] if len(value) == 6 else None
    if counts is not None:
        if not isinstance(counts, str):
            raise TypeError(f"detection {str(value)[:80]}: its mask is no text")
        check_rle(counts, width, height)
    return PublishedDetection(score, (x, y, columns, rows), counts)


def results_to_published(
    test: Coco, results: Sequence[Mapping[str, Any]], measured: Mapping[str, Any], tag: str
) -> Published:
    """Gather what an evaluation found.

    Args:
        test: The test split.
        results: COCO results on it, reports/evaluate/detections.json.
        measured: `version`, `identity` and `test_sha256`, reports/evaluate/model.json.
        tag: Under which the version is published.
    """
    names = {category["id"]: category["name"] for category in test["categories"]}
    of_images: dict[int, dict[str, list[PublishedDetection]]] = {
        image["id"]: {} for image in test["images"]
    }
    for result in results:
        x, y, width, height = result["bbox"]
        mask = result.get("segmentation")
        found = PublishedDetection(
            result["score"], (x, y, width, height), mask["counts"] if mask else None
        )
        of_image = of_images[result["image_id"]]
        of_image.setdefault(names[result["category_id"]], []).append(found)
    # The same image may stand twice in a split; the same was found in it.
    images = {
        image["file_name"]: PublishedImage(
            image["width"],
            image["height"],
            {name: tuple(found) for name, found in sorted(of_images[image["id"]].items())},
        )
        for image in test["images"]
    }
    return Published(
        version=measured["version"],
        tag=tag,
        identity=measured["identity"],
        test_sha256=measured["test_sha256"],
        classes=tuple(names[number] for number in sorted(names)),
        images=dict(sorted(images.items())),
    )


def published_to_results(published: Published, test: Coco) -> list[dict[str, Any]]:
    """Make COCO results for a test split, of the images and classes that both have.

    Raises:
        InputError: an image has another size in the split.
    """
    ids = {category["name"]: category["id"] for category in test["categories"]}
    results = []
    for image in test["images"]:
        known = published.images.get(image["file_name"])
        if known is None:
            continue
        if (known.width, known.height) != (image["width"], image["height"]):
            raise InputError(
                f"{PUBLISHED_FILE}: {image['file_name']} has {known.width} x {known.height} "
                f"pixels, but {image['width']} x {image['height']} in the test split; "
                f"`git restore {PUBLISHED_FILE}` brings back the committed file"
            )
        size = [image["height"], image["width"]]
        for name, of_class in known.detections.items():
            if name not in ids:
                continue
            for found in of_class:
                result: dict[str, Any] = {
                    "image_id": image["id"],
                    "category_id": ids[name],
                    "bbox": list(found.bbox),
                    "score": found.score,
                }
                if found.counts is not None:
                    result["segmentation"] = {"size": size, "counts": found.counts}
                results.append(result)
    return results
