"""A model base path that is filled while a server may be polling it.

A version is written aside, checked, and renamed into place, so that its number stands for all of it
or nothing; it goes by a rename too. What lies aside begins with a dot, which no server takes for a
version, and what a killed run left there goes with the next one.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from rhymes.common.errors import InputError
from rhymes.common.files import sync_folder
from rhymes.registry.provenance import PROVENANCE_FILE, version_to_provenance_path
from rhymes.registry.tags import MODEL
from rhymes.versions.dvc import folder_to_md5
from rhymes.versions.model_folder import name_to_version

_LOCK = ".fetch.lock"
_LEFT = re.compile(rf"\.[0-9]+\.({re.escape(PROVENANCE_FILE)}\.)?[0-9]+\.part", re.ASCII)
_WAIT_SECONDS = 600.0
_POLL_SECONDS = 0.2


class BasePath:
    """A base path that this process alone fills, for as long as `filled` holds it.

    Args:
        path: of the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def versions(self) -> list[int]:
        """List the versions that are there, ascending."""
        return sorted(self._folders())

    def load_md5(self, version: int) -> str:
        """Hash a version as DVC hashes a model's folder with this version alone in it."""
        return folder_to_md5(self._folders()[version], f"{version}/")

    def folder_aside(self, version: int) -> Path:
        """Make an empty folder on the same file system, for what becomes a version."""
        aside = self.path / f".{version}.{os.getpid()}.part"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        return aside

    def place(self, version: int, folder: Path) -> None:
        """Let a folder that was written aside be a version.

        Raises:
            OSError: the version is there meanwhile, or the disk is full.
        """
        _flush(folder)
        folder.rename(self.path / str(version))
        sync_folder(self.path)

    def remove(self, version: int) -> None:
        """Take a version away: at once for those who look, then its bytes."""
        aside = self.path / f".{version}.{os.getpid()}.part"
        self._folders()[version].rename(aside)
        version_to_provenance_path(self.path, version).unlink(missing_ok=True)
        _remove(aside)

    def _folders(self) -> dict[int, Path]:
        folders: dict[int, Path] = {}
        for folder in sorted(self.path.iterdir()):
            version = name_to_version(folder.name)
            if version is None or not folder.is_dir():
                continue
            if version in folders:
                raise InputError(
                    f"{folder} and {folders[version]} are one version for a server; move one away"
                )
            folders[version] = folder
        return folders

    def clean(self) -> None:
        """Remove what killed runs left."""
        for path in self.path.iterdir():
            if _LEFT.fullmatch(path.name):
                _remove(path)


@contextmanager
def filled(path: Path) -> Iterator[BasePath]:
    """Hold a base path against other processes that fill it; it is made if need be.

    Raises:
        InputError: it is an output of DVC, or another process holds it for too long.
    """
    check_no_output(path)
    path.mkdir(parents=True, exist_ok=True)
    # A lock of the system's, which ends with the process; where there is none, an error.
    lock = FileLock(path / _LOCK, fallback_to_soft=False, poll_interval=_POLL_SECONDS)
    with _acquired(lock, path):
        base = BasePath(path)
        base.clean()
        yield base


def check_no_output(path: Path) -> None:
    """Raise an `InputError` where DVC would empty a folder before the stage export runs."""
    resolved = path.resolve()
    for root in resolved.parents:
        if (root / ".dvc").is_dir() and resolved.is_relative_to(root / MODEL):
            raise InputError(
                f"{path} is where the stage export writes, and DVC empties it; give another folder"
            )


def _acquired(lock: BaseFileLock, path: Path) -> AbstractContextManager[object]:
    """Take a lock at once, or say that another fetch has it and wait."""
    try:
        return lock.acquire(blocking=False)
    except Timeout:
        print(f"fetch: waiting for another fetch into {path}", file=sys.stderr)
    try:
        return lock.acquire(timeout=_WAIT_SECONDS)
    except Timeout:
        raise InputError(
            f"{path}: another fetch has been filling it for {_WAIT_SECONDS:g} s; try again "
            "when that has ended"
        ) from None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _flush(folder: Path) -> None:
    """See to it that all files are on the disk before their folder gets its name."""
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(folder)
