"""dvc.lock -> which bytes an output had, and where the cache keeps them; without DVC.

The format is DVC's schema 2.0 (dvc/schema.py): stages by name, each with deps, params and outs, an
out with its md5. A folder's md5 ends in `.dir` and is that of a JSON list of its files, md5 and
relpath; the cache keeps what has an md5 under files/md5/<two digits>/<the others>.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from formats.errors import InputError

_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")


@dataclass(frozen=True)
class Lock:
    """What a dvc.lock says of the outputs.

    Attributes:
        outs: Path of an output -> its md5, with `.dir` for a folder.
    """

    outs: Mapping[str, str]


def text_to_lock(text: str | bytes, where: str) -> Lock:
    """Read a dvc.lock.

    Args:
        text: Its content.
        where: What to call it in errors.

    Raises:
        InputError: it is no dvc.lock of schema 2.0.
    """
    try:
        # Every scalar as text: ten times as fast, and no hash is taken for a number.
        value = yaml.load(text, yaml.CBaseLoader)  # noqa: S506 - a loader of text alone
        outs = {
            str(out["path"]): str(out["md5"])
            for stage in value["stages"].values()
            for out in stage.get("outs", [])
            if "md5" in out
        }
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{where}: not a dvc.lock of schema 2.0 ({type(error).__name__})"
        ) from None
    for path, md5 in outs.items():
        if not _MD5.fullmatch(md5):
            raise InputError(f"{where}: {path} has the md5 {md5!r}, which is none")
    return Lock(outs)


def load_output(lock: Lock, cache: Path, path: str) -> bytes | None:
    """Read a file of an output, or an output that is a file, from the cache.

    Args:
        lock: That names the output.
        cache: DVC's cache folder.
        path: Of the file, relative to the repository, by `/`.

    Returns:
        Its bytes; None where the lock has no such output, or the folder no such file.

    Raises:
        InputError: the cache does not hold it, or what it holds is broken.
    """
    wanted = PurePosixPath(path)
    for out, md5 in lock.outs.items():
        if out == path and not md5.endswith(".dir"):
            return _load_object(cache, md5, path)
        if md5.endswith(".dir") and wanted.is_relative_to(out):
            inside = wanted.relative_to(out).as_posix()
            found = load_folder(cache, md5, out).get(inside)
            return None if found is None else _load_object(cache, found, path)
    return None


def load_folder(cache: Path, md5: str, path: str) -> dict[str, str]:
    """Read the list of a folder's files from the cache.

    Args:
        cache: DVC's cache folder.
        md5: Of the folder, with `.dir`.
        path: Of the folder, for errors.

    Returns:
        Path within the folder, by `/` -> md5.

    Raises:
        InputError: the cache does not hold it, or what it holds is broken.
    """
    data = _load_object(cache, md5, path)
    try:
        entries: list[dict[str, Any]] = json.loads(data)
        files = {str(entry["relpath"]): str(entry["md5"]) for entry in entries}
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: the cache's list of its files ({md5}) is broken") from None
    if strange := next((each for each in files.values() if not _MD5.fullmatch(each)), None):
        raise InputError(f"{path}: the cache's list of its files has the md5 {strange!r}")
    return files


def _load_object(cache: Path, md5: str, path: str) -> bytes:
    try:
        return (cache / "files" / "md5" / md5[:2] / md5[2:]).read_bytes()
    except OSError:
        raise InputError(
            f"{path}: not in this machine's cache; dvc fetch --all-commits gets it from a remote"
        ) from None
