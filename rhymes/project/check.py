"""Say in seconds what the pipeline would make of an export: `rhymes check EXPORT`.

    rhymes check ~/my-export                 a folder, as raw.export names it
    rhymes check data/raw --images 1000      look at more of its images
    rhymes check data/raw --data HEAD        and compare it with a data version

It reads all rows and a sample of the images by the settings of params.yaml, and changes nothing:
neither files of the checkout nor what is kept of downloads. The exit code is 1 where a stage would
fail.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rhymes.coco.conversion_counts import ConversionCounts
from rhymes.coco.splits import SPLITS
from rhymes.common.arguments import command_parser, positive
from rhymes.common.text import count_to_text
from rhymes.data_diff.distributions import MIN_IMAGES, Distributions, compare_distributions
from rhymes.data_diff.image_labels import VersionLabels, load_labels
from rhymes.export.annotations import ITEM_REASONS, ROW_REASONS, Reason
from rhymes.project.checkout import check_checkout
from rhymes.project.export_check import ExportCheck, SampleSize, check_export
from rhymes.versions.data_version import find_data_version

IMAGES, URLS = 100, 10
_LISTED = 10

# What is known of the images in the sample alone; all else stands in the cells.
_OF_SAMPLE = (Reason.IMAGE_FAILED, Reason.OUTSIDE_IMAGE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what would happen; return the exit code."""
    options = _parse(arguments)
    check_checkout(Path())
    old = None
    if options.data:
        version = find_data_version(options.data)
        old = load_labels(version.files, version.name)
    with tempfile.TemporaryDirectory(prefix="rhymes-check-") as name:
        size = SampleSize(options.images, options.urls)
        check = check_export(options.export, size, Path(name))
        for line in check_to_lines(check):
            print(line)
        if old is not None:
            print(f"\nAgainst {options.data}:")
            for line in _compare(check, old):
                print(f"  {line}")
    return 1 if check.failures else 0


def check_to_lines(check: ExportCheck) -> Iterator[str]:
    """Yield the report."""
    yield f"{count_to_text(check.sources, 'image')} in the dialect {check.dialect}."
    yield from _sample_lines(check)
    if check.rows is not None:
        yield from _row_lines(check.rows)
        yield from _split_lines(check.rows)
    warnings = dict.fromkeys(
        [
            *(check.sample.odd_coordinates if check.sample else ()),
            *_without_coordinates(check.rows),
        ]
    )
    if warnings:
        yield "\nTo look at:"
        yield from (f"  - {warning}" for warning in warnings)
    if check.failures:
        yield "\nThis would fail:"
        yield from (f"  - {failure}" for failure in check.failures)
    else:
        yield "\nNothing found that would make fetch or coco fail."


def _sample_lines(check: ExportCheck) -> Iterator[str]:
    failed = [each for each in check.fetched if each.error]
    count = len(check.fetched)
    what = "All were looked at" if count == check.sources else f"{count} of them were looked at"
    yield f"{what}, chosen by the SHA-256 of their names: {count - len(failed)} can be read."
    for each in failed[:_LISTED]:
        yield f"  row {each.source.rows[0]}: {each.source.image}: {each.error}"
    if len(failed) > _LISTED:
        yield f"  ... and {len(failed) - _LISTED} more"
    images = [each.image for each in check.fetched if each.image]
    if images:
        turned = sum(image.is_turned for image in images)
        again = sum(image.is_reencoded for image in images)
        yield f"  {turned} are turned by EXIF, {again} would be encoded anew as upright RGB JPEGs."
    if check.sample is not None:
        counts = check.sample
        yield (
            f"Their {count_to_text(counts.items_read, 'object')}: {counts.items_kept} kept, "
            f"{counts.items_clipped} of these cut at the image's edge."
        )
        yield from counts.reason_lines(_OF_SAMPLE)


def _row_lines(counts: ConversionCounts) -> Iterator[str]:
    yield f"\n{counts.rows_read} rows of {count_to_text(counts.items_read, 'object')}."
    reasons = [each for each in (*ROW_REASONS, *ITEM_REASONS) if each not in _OF_SAMPLE]
    lines = list(counts.reason_lines(reasons))
    if lines:
        yield "Left out, as their cells alone say:"
        yield from lines
    yield f"{count_to_text(len(counts.names), 'class', 'classes')} (objects in {_slashed(SPLITS)}):"
    for number, name in enumerate(counts.names, start=1):
        yield f"  {name}: {_slashed(counts.classes[split][number] for split in SPLITS)}"
    if labels := counts.unknown_labels.most_common(_LISTED):
        listed = ", ".join(f"'{label}' ({number})" for label, number in labels)
        yield f"Labels that are no class: {listed}."


def _split_lines(counts: ConversionCounts) -> Iterator[str]:
    sizes = counts.sizes()
    yield f"\nSplits of {count_to_text(sum(sizes.groups.values()), 'group')} of images:"
    for split in SPLITS:
        yield (
            f"  {split}: {count_to_text(sizes.images[split], 'image')}, "
            f"{sizes.achieved(split):.1%} (asked {sizes.asked[split]:.1%}), "
            f"{count_to_text(sizes.groups[split], 'group')}"
        )


def _without_coordinates(counts: ConversionCounts | None) -> list[str]:
    """Return warnings but for those about coordinates: not all images' sizes are known."""
    if counts is None:
        return []
    return [each for each in counts.warnings if each not in counts.odd_coordinates]


def _slashed(values: Iterable[object]) -> str:
    return " / ".join(map(str, values))


def _compare(check: ExportCheck, old: VersionLabels) -> Iterator[str]:
    """Yield how sizes and classes differ from another data version."""
    if check.sample is None or check.rows is None:
        yield "nothing to compare, as no object is left"
        return
    sample = load_labels(check.sample_files, "sample")
    rows = load_labels(check.row_files, "rows")
    found = Distributions(
        compare_distributions(old, sample).size, compare_distributions(old, rows).shares
    )
    if found.size is None:
        yield f"sizes are not compared: that needs {MIN_IMAGES} images with objects in both"
    else:
        size = found.size
        yield (
            f"objects are {size.value:.2f} times as large in their images "
            f"(95% interval {size.low:.2f} to {size.high:.2f})"
        )
    sentences = list(found.findings())
    yield from sentences or ["neither sizes nor the mix of classes is far from that version's"]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    description, epilog = (__doc__ or "").split("\n\n", 1)
    parser = command_parser("check", description, epilog)
    parser.add_argument("export", metavar="EXPORT", help="the export's folder")
    parser.add_argument(
        "--images",
        type=positive,
        default=IMAGES,
        help=f"how many image files to look at ({IMAGES})",
    )
    parser.add_argument(
        "--urls", type=positive, default=URLS, help=f"how many images to download ({URLS})"
    )
    parser.add_argument(
        "--data",
        metavar="A",
        help="a data version to compare with: a folder, tag, branch, experiment or commit",
    )
    return parser.parse_args(arguments)
