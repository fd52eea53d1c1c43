"""Rows of one image are merged, whatever its names: a URL signed twice, http and https, copies.

An export that lists an image under two names, each with some of its objects, would otherwise teach
with each half that the other half is background.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rhymes.coco.export_images import ExportImage
from rhymes.coco.joining import join_by_names

_LISTED = 5


def merge_images(images: Sequence[ExportImage]) -> list[ExportImage]:
    """Merge images of equal pixels, equal original bytes or equal bytes of the file.

    The first one names the image, and its file is used; the objects of all rows are its own.

    Args:
        images: each has one name, in order of first appearance.

    Returns:
        The images, in that order; `images` is not to be used any more.
    """
    return [
        _merge([images[index] for index in indices])
        for indices in join_by_names(_hashes(image) for image in images)
    ]


def _hashes(image: ExportImage) -> set[str]:
    return {sha256 for file in image.files for sha256 in file.content_hashes}


def _merge(images: Sequence[ExportImage]) -> ExportImage:
    first, *others = images
    for other in others:
        first.files += other.files
        first.rows += other.rows
        first.class_ids += other.class_ids
        first.broken |= other.broken
    if others:
        first.rows = tuple(sorted(first.rows))
        first.class_ids = tuple(sorted(set(first.class_ids)))
    return first


def merging_to_report(images: Sequence[ExportImage]) -> dict[str, object]:
    """Return what report.json says of merged images: how many, their names, the first of them."""
    merged = [image.sources for image in images if len(image.files) > 1]
    return {
        "images": len(merged),
        "names": sum(map(len, merged)),
        "examples": [list(sources) for sources in merged[:_LISTED]],
    }


def merging_warnings(images: Sequence[ExportImage]) -> Iterator[str]:
    """Say how many images were merged, with examples."""
    merged = [image.sources for image in images if len(image.files) > 1]
    if not merged:
        return
    names = sum(map(len, merged))
    examples = "; ".join(" = ".join(sources[:3]) for sources in merged[:_LISTED])
    more = f"; and {len(merged) - _LISTED} more" if len(merged) > _LISTED else ""
    what = "image stands" if len(merged) == 1 else "images stand"
    yield (
        f"{len(merged)} {what} under {names} names, of equal pixels or bytes; the rows of all "
        f"names are merged, and the first name stays: {examples}{more}."
    )
