"""Stage `fetch`: an export's images -> data/images/, with its CSVs and an index -> data/export/.

Later stages read these alone, so a data version is whole even where the export lies outside the
repository or its URLs are gone. Downloads are kept in the main repository's
`.dvc/tmp/rhymes/downloads/`: an interrupted run goes on where it was. An image that changed behind
its URL is asked for again once that folder is deleted and DVC is told to run the stage again.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from pydantic import Field

from rhymes.common.errors import InputError
from rhymes.common.files import folder_written_aside
from rhymes.common.params import load_section, one_of, section
from rhymes.export.categories import load_categories
from rhymes.export.export_files import ExportFiles
from rhymes.export.export_folder import ExportFolder
from rhymes.export.fetched import (
    Fetched,
    Tolerance,
    changes_to_report,
    check_failures,
    load_sources,
    pages_to_report,
    save_failures,
    save_index,
)
from rhymes.export.fetching import FetchOptions, fetch_images
from rhymes.export.foreign_export import ANNOTATIONS, CATEGORIES, SPLITS, convert_foreign_export
from rhymes.export.formats import AUTO, RHYMES, FoundFormat, find_format, list_names
from rhymes.images.access import DownloadAccess, HostHeaders, text_to_proxy
from rhymes.images.download import DownloadLimits
from rhymes.images.fingerprint import create_fingerprints
from rhymes.images.images import PIXEL_LIMIT
from rhymes.versions.dvc import find_cache_folders
from rhymes.versions.scratch import scratch_folder
from stages.command import run_stage

IMAGES = Path("data/images")
EXPORT = Path("data/export")

# DVC does not run a stage again that ended well with the same export and parameters.
_ASK_AGAIN = "`dvc repro --single-item --force fetch` asks for them again, and for nothing else."

_FileName = Annotated[str, Field(pattern=r"^[^/\\]*[^/\\.][^/\\]*$")]
_Host = Annotated[str, Field(pattern=r"^(\[[0-9A-Fa-f:.]+\]|[^\s/:@\[\]]+)(:[0-9]{1,5})?$")]


@section
class RawParams:
    """Section `raw`: the export to train on."""

    export: Annotated[str, Field(min_length=1)]
    format: Annotated[str, one_of(list_names)]
    annotations: _FileName
    categories: _FileName


@section
class FetchParams:
    """Section `fetch`; params.yaml and docs/params.md say what each key does."""

    workers: Annotated[int, Field(ge=1, le=64)]
    timeout: Annotated[float, Field(gt=0, le=3600)]
    attempts: Annotated[int, Field(ge=1, le=20)]
    max_bytes: Annotated[int, Field(ge=1, le=2_000_000_000)]
    max_pixels: Annotated[int, Field(ge=1, le=PIXEL_LIMIT)]
    jpeg_quality: Annotated[int, Field(ge=1, le=100)]
    max_failed_fraction: Annotated[float, Field(ge=0, le=1)]
    max_unavailable_fraction: Annotated[float, Field(ge=0, le=1)]
    allowed_hosts: list[_Host]
    proxy: str | None
    headers: dict[_Host, dict[str, str]]


def main() -> None:
    """Fetch the export that `raw` names."""
    # Pillow warns of what is no fault here (a broken EXIF block) or comes back as an error.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    raw = load_section("raw", RawParams)
    params = load_section("fetch", FetchParams)
    csvs = find_csvs(raw, lambda: scratch_folder("fetch"))
    # Both are read whole before anything is downloaded, which may take hours.
    load_categories(csvs[CATEGORIES])
    sources = load_sources(csvs[ANNOTATIONS])
    with folder_written_aside(IMAGES) as images, folder_written_aside(EXPORT) as export:
        fingerprints = create_fingerprints(export / "fingerprints.npy", len(sources))
        options = params_to_options(params, Path(raw.export), scratch_folder("downloads"))
        fetched = fetch_images(sources, options, images, fingerprints)
        report_failures(fetched, len(sources), options.tolerance)
        if pages := pages_to_report(fetched):
            print(f"fetch: {pages}", file=sys.stderr)
        for name, path in csvs.items():
            (export / name).write_bytes(path.read_bytes())
        save_index(export / "index.csv", fetched)
    arrived = [each.image for each in fetched if each.image]
    print(
        f"fetch: {len(arrived)} of {len(sources)} images of {raw.export}, "
        f"{len({image.sha256 for image in arrived})} different images in {IMAGES}"
    )
    for line in changes_to_report(arrived):
        print(f"  {line}")


def find_csvs(raw: RawParams, scratch: Callable[[], Path]) -> dict[str, Path]:
    """Return the export's CSV files under the names that they get in data/export.

    The folder of another tool is converted first, into the folder that `scratch` gives. It is a
    Rhymes export where `raw.format` says so, or where the file is there that `raw.annotations`
    names.

    Raises:
        InputError: a file is missing, or the folder is of no format, several or another one.
    """
    root = Path(raw.export)
    ours = raw.format == RHYMES or (raw.format == AUTO and (root / raw.annotations).is_file())
    if not ours:
        folder = ExportFolder(root)
        found = find_format(folder, raw.format)
        if found is not None:
            return convert(folder, found, raw, scratch() / "converted")
    return {ANNOTATIONS: find_csv(raw, "annotations"), CATEGORIES: find_csv(raw, "categories")}


def convert(
    folder: ExportFolder, found: FoundFormat, raw: RawParams, converted: Path
) -> dict[str, Path]:
    """Convert another tool's export; say what it was taken for and what is left out."""
    with folder_written_aside(converted) as aside:
        made = convert_foreign_export(folder, found, raw.categories, aside)
    lines = [f"fetch: {raw.export} is taken for {found.reason}", *made.notes]
    if made.splits:
        told = ", ".join(f"{count} {split}" for split, count in made.splits.items())
        lines.append(
            f"the folder tells a split ({told}); to keep it: cp {EXPORT / SPLITS} data/{SPLITS}"
        )
    print("\n  ".join(lines))
    return {path.name: path for path in sorted(converted.glob("*.csv"))}


def find_csv(raw: RawParams, key: str) -> Path:
    """Return the path of the CSV file that `raw.<key>` names in `raw.export`.

    Raises:
        InputError: there is no such folder or file, with the CSV files that are there.
    """
    folder = Path(raw.export)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; raw.export names the export's folder")
    path = folder / str(getattr(raw, key))
    if not path.is_file():
        there = ", ".join(sorted(each.name for each in folder.glob("*.csv"))) or "none"
        raise InputError(
            f"{path}: no such file; raw.{key} names the {key} CSV in raw.export "
            f"(CSV files there: {there})"
        )
    return path


def params_to_options(params: FetchParams, export: Path, downloads: Path) -> FetchOptions:
    """Gather what `fetch_images` needs; downloads are kept in the folder `downloads`."""
    limits = DownloadLimits(
        timeout=params.timeout,
        attempts=params.attempts,
        max_bytes=params.max_bytes,
        allowed_hosts=tuple(params.allowed_hosts),
    )
    return FetchOptions(
        files=ExportFiles(export, find_cache_folders(Path(".dvc"), export)),
        downloads=downloads,
        limits=limits,
        access=DownloadAccess(text_to_proxy(params.proxy), HostHeaders(params.headers)),
        max_pixels=params.max_pixels,
        jpeg_quality=params.jpeg_quality,
        workers=params.workers,
        tolerance=Tolerance(params.max_failed_fraction, params.max_unavailable_fraction),
    )


def report_failures(fetched: list[Fetched], total: int, tolerance: Tolerance) -> None:
    """Print what failed; the whole list goes to the scratch folder.

    Raises:
        InputError: more of `total` failed than is tolerated.
    """
    path = scratch_folder("fetch") / "failed.csv"
    save_failures(path, fetched)
    where = f"All failures: {path}."
    try:
        report = check_failures(fetched, total, tolerance)
    except InputError as error:
        raise InputError(
            f"{error}\n{where} What was downloaded is kept: run it again, and only the rest is "
            "asked for."
        ) from None
    if report:
        print(f"fetch: {report}\n{where} {_ASK_AGAIN}", file=sys.stderr)


if __name__ == "__main__":
    run_stage("fetch", main)
