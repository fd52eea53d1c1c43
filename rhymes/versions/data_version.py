"""A data version by its name -> its COCO files, wherever they lie: a folder, or DVC's cache.

A version is what the stage `coco` wrote: a COCO file a split and report.json. A commit names it by
the hashes in its dvc.lock; the cache keeps the bytes, so that nothing is checked out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rhymes.coco.splits import SPLITS
from rhymes.common.errors import InputError
from rhymes.versions.dvc import (
    Lock,
    find_output,
    load_cache_folder,
    not_in_cache,
    object_path,
    text_to_lock,
)
from rhymes.versions.git import load_blob, name_to_commit, open_repository, short_hash

COCO = "data/coco"
WORKSPACE = "workspace"
"""Names the files as they lie; DVC calls them so as well."""

_REPORT = "report.json"


@dataclass(frozen=True)
class DataVersion:
    """Where a data version lies.

    Attributes:
        name: As it was asked for, with the commit's hash.
        files: Split -> its COCO file.
        report: What the conversion counted (conversion_report.py); None where there is none.
    """

    name: str
    files: Mapping[str, Path]
    report: Mapping[str, Any] | None


def find_data_version(name: str, root: Path = Path()) -> DataVersion:
    """Find a data version.

    Args:
        name: A folder with the COCO files, or with `data/coco` in it; or `workspace`; or else a
            revision of the repository, see `name_to_commit`.
        root: The repository's root.

    Raises:
        InputError: There is no such folder or revision, a file is missing, or the cache does not
            hold it.
    """
    folder = root if name == WORKSPACE else root / name
    for coco in (folder / COCO, folder):
        if name != "" and (coco / f"{SPLITS[0]}.json").is_file():
            return _folder_to_version(name, coco)
    if name == WORKSPACE:
        raise InputError(f"{folder / COCO}: no COCO files; `dvc repro coco` writes them")
    try:
        return _find_revision(name, root)
    except InputError as error:
        if not folder.is_dir():
            raise
        raise InputError(
            f"{folder}: neither {COCO}/{SPLITS[0]}.json nor {SPLITS[0]}.json lies there, and as a "
            f"revision it does not do: {error}"
        ) from None


def _folder_to_version(name: str, folder: Path) -> DataVersion:
    files = {split: folder / f"{split}.json" for split in SPLITS}
    for path in files.values():
        if not path.is_file():
            raise InputError(f"{path}: not found; a data version has {', '.join(SPLITS)}")
    return DataVersion(name, files, _load_report(folder / _REPORT))


def _find_revision(name: str, root: Path) -> DataVersion:
    with open_repository(root) as repo:
        commit = name_to_commit(repo, name)
        text = load_blob(repo, commit, "dvc.lock")
        shown = name if commit.id.startswith(name.encode()) else f"{name} ({short_hash(commit)})"
    if text is None:
        raise InputError(
            f"{shown}: its commit has no dvc.lock: commit the file after `dvc repro`, so that the "
            "commit names its data"
        )
    lock = text_to_lock(text, f"{shown}: dvc.lock")
    cache = load_cache_folder((root / ".dvc").resolve())
    try:
        files = {split: _cached(lock, cache, f"{COCO}/{split}.json") for split in SPLITS}
        report = _cached(lock, cache, f"{COCO}/{_REPORT}")
    except InputError as error:
        raise InputError(f"{shown}: {error}") from None
    return DataVersion(shown, files, _load_report(report))


def _cached(lock: Lock, cache: Path, path: str) -> Path:
    md5 = find_output(lock, cache, path)
    if md5 is None:
        raise InputError(f"its dvc.lock has no {path}: the stage coco had not run")
    found = object_path(cache, md5)
    if not found.is_file():
        raise not_in_cache(path)
    return found


def _load_report(path: Path) -> Mapping[str, Any] | None:
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected a mapping, as the stage coco writes it")
    return value
