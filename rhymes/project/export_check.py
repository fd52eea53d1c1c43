"""What the stages fetch and coco would make of an export, from all rows and a sample of the images.

The stages' own functions run in a temporary folder, so that what is said is what they would do. The
rows of the images in the sample are converted as the stage coco does. All rows are converted once
more for classes and splits, which need no image: there an image that was not looked at is as large
as coordinates may be, so that nothing lies outside.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rhymes.coco.conversion import convert_export
from rhymes.coco.conversion_counts import ConversionCounts
from rhymes.coco.splits import SPLITS
from rhymes.common.csv import load_columns, load_rows, rows_to_csv
from rhymes.common.errors import InputError
from rhymes.common.params import load_section
from rhymes.export.categories import load_categories
from rhymes.export.dialects import load_dialect
from rhymes.export.export_files import is_url
from rhymes.export.fetched import (
    Fetched,
    IndexedImage,
    Source,
    Tolerance,
    check_failures,
    load_sources,
    save_index,
)
from rhymes.export.fetching import FetchOptions, fetch_images
from rhymes.export.foreign_export import ANNOTATIONS, CATEGORIES
from rhymes.images.fingerprint import create_fingerprints
from stages import coco, fetch

INDEX = "index.csv"
_LARGEST = 1_000_000  # pixels, beyond which nothing is a coordinate
_REPORT = Path("data/coco/report.json, once the stage has run,")


@dataclass(frozen=True)
class SampleSize:
    """How many images are looked at: of those that are files, and of those that are downloaded."""

    files: int
    urls: int


@dataclass(frozen=True)
class ExportCheck:
    """What was found.

    Attributes:
        dialect: Of the annotations CSV.
        sources: Distinct images of the export.
        fetched: Those in the sample, in the order of the export.
        sample: The conversion of their rows; None where no object is left.
        rows: The conversion of all rows; None where no object is left.
        failures: Why a stage would fail, a sentence or more each.
        sample_files: Split -> COCO file, of `sample`.
        row_files: Split -> COCO file, of `rows`.
    """

    dialect: str
    sources: int
    fetched: Sequence[Fetched]
    sample: ConversionCounts | None
    rows: ConversionCounts | None
    failures: Sequence[str]
    sample_files: dict[str, Path]
    row_files: dict[str, Path]


def check_export(export: str, size: SampleSize, folder: Path) -> ExportCheck:
    """Check an export by the parameters of the checkout that is the current folder.

    Args:
        export: Its folder, relative to the checkout or absolute.
        size: Of the sample.
        folder: An empty folder, for everything that is written.

    Raises:
        InputError: The export or the parameters cannot be read: the stages would fail at once.
    """
    raw = replace(load_section("raw", fetch.RawParams), export=export)
    params = load_section("fetch", fetch.FetchParams)
    coco_params = load_section("coco", coco.CocoParams)
    csvs = fetch.find_csvs(raw, lambda: folder)
    load_categories(csvs[CATEGORIES])
    sources = load_sources(csvs[ANNOTATIONS])
    options = fetch.params_to_options(params, Path(export), folder / "downloads")
    chosen = choose_sample(sources, size)
    fingerprints = _create_fingerprints(folder / "sample", len(chosen))
    fetched = _fetch(chosen, options, folder / "images", fingerprints)
    # Those of images that were not looked at stay 0, as of a plain image, which is no copy.
    places = {each.image: place for place, each in enumerate(sources)}
    of_rows = _create_fingerprints(folder / "rows", len(sources))
    of_rows[[places[each.image] for each in chosen]] = fingerprints
    failures = list(_fetch_failures(fetched, options.tolerance))
    found: dict[str, ConversionCounts | None] = {}
    for name, images in (("sample", fetched), ("rows", _fill_up(sources, fetched))):
        part = folder / name
        _save_part(part / "export", csvs, images)
        try:
            counts = convert_export(
                part / "export", coco.PINS, part / "coco", coco.params_to_options(coco_params)
            )
        except InputError as error:
            failures.append(f"coco: {error}")
            found[name] = None
        else:
            failures += _coco_failures(counts, coco_params, is_sample=name == "sample")
            found[name] = counts
    return ExportCheck(
        dialect=load_dialect(csvs[ANNOTATIONS]).name,
        sources=len(sources),
        fetched=fetched,
        sample=found["sample"],
        rows=found["rows"],
        failures=list(dict.fromkeys(failures)),
        sample_files=_coco_files(folder / "sample"),
        row_files=_coco_files(folder / "rows"),
    )


def _coco_files(part: Path) -> dict[str, Path]:
    return {split: part / "coco" / f"{split}.json" for split in SPLITS}


def choose_sample(sources: Sequence[Source], size: SampleSize) -> list[Source]:
    """Choose images by the SHA-256 of their names: the same each time, from all over the export."""
    ranked = sorted(sources, key=lambda each: hashlib.sha256(each.image.encode()).digest())
    files = [each for each in ranked if not is_url(each.image)][: size.files]
    urls = [each for each in ranked if is_url(each.image)][: size.urls]
    chosen = {each.image for each in (*files, *urls)}
    return [each for each in sources if each.image in chosen]


def _create_fingerprints(part: Path, count: int) -> NDArray[np.uint8]:
    (part / "export").mkdir(parents=True)
    return create_fingerprints(part / "export/fingerprints.npy", count)


def _fetch(
    sources: Sequence[Source],
    options: FetchOptions,
    images: Path,
    fingerprints: NDArray[np.uint8],
) -> list[Fetched]:
    images.mkdir()
    options.downloads.mkdir()
    # One that fails says nothing about the next one.
    patient = replace(options, tolerance=Tolerance(1, 1))
    return fetch_images(sources, patient, images, fingerprints)


def _fill_up(sources: Iterable[Source], fetched: Sequence[Fetched]) -> list[Fetched]:
    """Give each image that was not looked at a content of its own, and the largest size."""
    known = {each.source.image: each for each in fetched}
    return [known.get(each.image) or Fetched(each, _unseen(each.image)) for each in sources]


def _unseen(name: str) -> IndexedImage:
    sha256 = hashlib.sha256(name.encode()).hexdigest()
    return IndexedImage(name, sha256, _LARGEST, _LARGEST, sha256, sha256, "unseen", 1)


def _save_part(folder: Path, csvs: dict[str, Path], chosen: Sequence[Fetched]) -> None:
    """Write an export of some images; their rows keep their numbers."""
    (folder / CATEGORIES).write_bytes(csvs[CATEGORIES].read_bytes())
    save_index(folder / INDEX, chosen)
    images = {each.source.image for each in chosen}
    column = load_dialect(csvs[ANNOTATIONS]).image_column
    with (folder / ANNOTATIONS).open("w", encoding="utf-8", newline="") as file:
        file.write(rows_to_csv([load_columns(csvs[ANNOTATIONS])]))
        written = 1
        for row in load_rows(csvs[ANNOTATIONS]):
            if row.cells[column] in images:
                # A blank line is passed over, and counts as a row.
                file.write("\n" * (row.number - written - 1))
                file.write(rows_to_csv([list(row.cells.values())]))
                written = row.number


def _fetch_failures(fetched: Sequence[Fetched], tolerance: Tolerance) -> Iterable[str]:
    try:
        check_failures(fetched, len(fetched), tolerance)
    except InputError as error:
        yield f"fetch, if the other images are like those in the sample: {error}"


def _coco_failures(
    counts: ConversionCounts, params: coco.CocoParams, *, is_sample: bool
) -> Iterable[str]:
    where = "coco, if the other rows are like the sample" if is_sample else "coco"
    try:
        counts.check_losses(params.max_dropped_fraction, _REPORT)
    except InputError as error:
        yield f"{where}: {error}"
    try:
        if is_sample:
            counts.check_plausible()
        elif counts.group_pattern:
            counts.group_pattern.check()
    except InputError as error:
        yield f"{where}: {error}"
