"""COCO results of a test split -> what is published of them, and back for another test split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rhymes.coco.files import Coco
from rhymes.common.errors import InputError
from rhymes.versions.published import PUBLISHED_FILE, Found, Published, PublishedImage


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
    of_images: dict[int, dict[str, list[Found]]] = {image["id"]: {} for image in test["images"]}
    for result in results:
        x, y, width, height = result["bbox"]
        mask = result.get("segmentation")
        found = Found(result["score"], (x, y, width, height), mask["counts"] if mask else None)
        of_image = of_images[result["image_id"]]
        of_image.setdefault(names[result["category_id"]], []).append(found)
    # The same picture may stand twice in a split; the same was found in it.
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
