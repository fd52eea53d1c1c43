"""A version's folder as TensorFlow Serving has it: <model base path>/<integer>/, a SavedModel.

Beside the SavedModel's own files (`saved_model.pb`, `fingerprint.pb`, `variables/`, `assets/`) it
holds in `assets.extra/` the warm-up requests that TensorFlow Serving replays, and our manifest: a
list of all other files, by which a reader knows that the folder is whole.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rhymes.common.errors import InputError
from rhymes.common.files import file_to_sha256, save_json

WARMUP_FILE = Path("assets.extra/tf_serving_warmup_requests")
MANIFEST_FILE = Path("assets.extra/manifest.json")
_VERSION_LIMIT = 2**63


def save_manifest(folder: Path) -> None:
    """List every other file of a version's folder: path, size in bytes, SHA-256."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [
        {
            "path": path.relative_to(folder).as_posix(),
            "size": path.stat().st_size,
            "sha256": file_to_sha256(path),
        }
        for path in paths
        if path != folder / MANIFEST_FILE
    ]
    save_json(folder / MANIFEST_FILE, {"files": files})


def load_identity(folder: Path) -> str:
    """Tell a version's bytes from others under the same number: SHA-256 of its manifest.

    A server of ours sends it with its answers.

    Raises:
        InputError: the folder has no manifest.
    """
    try:
        return file_to_sha256(folder / MANIFEST_FILE)
    except FileNotFoundError:
        raise InputError(f"{folder / MANIFEST_FILE}: missing; export the model anew") from None


def load_manifest(folder: Path) -> list[dict[str, Any]] | None:
    """Read a folder's manifest: path, size and sha256 of each file; None where there is none.

    Raises:
        InputError: it is no manifest, or names a file outside the folder.
    """
    path = folder / MANIFEST_FILE
    try:
        files = json.loads(path.read_bytes())["files"]
        for entry in files:
            _check_entry(entry)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a manifest of files, sizes and hashes ({error!r})") from None
    return list(files)


def _check_entry(entry: dict[str, Any]) -> None:
    relative = Path(entry["path"])
    if relative.is_absolute() or ".." in relative.parts:
        raise ValueError(f"{entry['path']!r} lies outside the folder")
    if not isinstance(entry["size"], int) or not isinstance(entry["sha256"], str):
        raise TypeError(f"{entry['path']!r}: expected a size and a hash")


def check_files(folder: Path, files: list[dict[str, Any]]) -> None:
    """Compare a folder's files with its manifest's entries, sizes first.

    Raises:
        InputError: naming the first file that is missing or differs.
    """
    for entry in files:
        path = folder / entry["path"]
        if not path.is_file():
            raise InputError(f"{path}: missing, but the manifest names it")
        if path.stat().st_size != entry["size"]:
            raise InputError(
                f"{path}: {path.stat().st_size:,} bytes, but {entry['size']:,} by the manifest"
            )
    for entry in files:
        if file_to_sha256(folder / entry["path"]) != entry["sha256"]:
            raise InputError(f"{folder / entry['path']}: other bytes than the manifest says")


def name_to_version(name: str) -> int | None:
    """Read a folder's name as TensorFlow Serving does; None where it is no version.

    Decimal digits alone, leading zeros allowed ("00000123" is 123), below 2**63.
    """
    if not (name.isascii() and name.isdecimal()):
        return None
    version = int(name)
    return version if version < _VERSION_LIMIT else None
