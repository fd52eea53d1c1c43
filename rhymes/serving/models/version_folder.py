"""Completeness of a version's folder: a copy that is under way is not loaded.

A folder with a manifest is whole when every file is what the manifest says. Of one without, it is
all that can be asked that it has a `saved_model.pb` and stands still for a while.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import grpc

from rhymes.common.errors import InputError
from rhymes.versions.model_folder import MANIFEST_FILE, check_files, load_manifest
from rhymes.wire.errors import WireError

STILL_POLLS = 3
"""Polls that must find the same before a folder is taken to stand still."""

# A file that was written a moment ago may be written again with the same time stamp.
_STAMP_SECONDS = 1.0
_SAVED_MODEL = "saved_model.pb"
_OWN_FOLDERS = {"variables", "assets"}


@dataclass(frozen=True)
class FileStamp:
    """What changes whenever a file does.

    Attributes:
        path: inside the folder, with "/".
        size: in bytes.
        modified_ns: time of the last change of its bytes, in nanoseconds since 1970.
        changed_ns: likewise, of the file or of what the system notes about it.
        inode: its number in the file system.
    """

    path: str
    size: int
    modified_ns: int
    changed_ns: int
    inode: int


Fingerprint = tuple[FileStamp, ...]


@dataclass(frozen=True)
class CompleteFolder:
    """A folder that may be loaded.

    Attributes:
        identity: SHA-256 of the manifest, or without one of names, sizes and times.
        fingerprint: of the files that were found whole.
    """

    identity: str
    fingerprint: Fingerprint


@dataclass(frozen=True)
class IncompleteFolder:
    """A folder that may not be loaded.

    Attributes:
        error: why; None as long as the folder changes, when it may yet become whole.
    """

    error: WireError | None = None


class FolderWatch:
    """A version's folder, looked at once a poll.

    A file's hash is taken again only when its stamp has changed.

    Args:
        folder: the version's folder; it may vanish and come back.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._last: Fingerprint | str | None = None
        self._still = 0
        self._checked: tuple[Fingerprint, str | InputError] | None = None

    def poll(self) -> CompleteFolder | IncompleteFolder:
        """Look at the folder; a call is one of the polls that it must stand still for."""
        try:
            fingerprint = folder_to_fingerprint(self.folder)
        except OSError as error:
            reason = f"{self.folder} could not be read: {error}"
            is_still = self._count_still(reason)
            return IncompleteFolder(
                WireError(grpc.StatusCode.UNAVAILABLE, reason) if is_still else None
            )
        is_still = self._count_still(fingerprint)
        names = {stamp.path for stamp in fingerprint}
        if _SAVED_MODEL not in names:
            return IncompleteFolder(no_saved_model(self.folder) if is_still else None)
        if MANIFEST_FILE.as_posix() not in names:
            return (
                CompleteFolder(_stamps_to_identity(fingerprint), fingerprint)
                if is_still
                else IncompleteFolder()
            )
        found = self._check(fingerprint)
        if isinstance(found, str):
            return CompleteFolder(found, fingerprint)
        if not is_still:
            return IncompleteFolder()
        return IncompleteFolder(WireError(grpc.StatusCode.DATA_LOSS, str(found)))

    def holds(self, whole: CompleteFolder) -> bool:
        """Tell whether the folder still is what was found whole, bytes for bytes."""
        try:
            fingerprint = folder_to_fingerprint(self.folder)
            if fingerprint == whole.fingerprint:
                return True
            return (
                any(stamp.path == MANIFEST_FILE.as_posix() for stamp in fingerprint)
                and _check_manifest(self.folder, fingerprint) == whole.identity
            )
        except (OSError, InputError):
            return False

    def _count_still(self, found: Fingerprint | str) -> bool:
        self._still = self._still + 1 if found == self._last else 1
        self._last = found
        return self._still >= STILL_POLLS

    def _check(self, fingerprint: Fingerprint) -> str | InputError:
        """The manifest's identity, or what in the folder is otherwise than it says."""
        if self._checked is not None and self._checked[0] == fingerprint:
            return self._checked[1]
        found: str | InputError
        try:
            found = _check_manifest(self.folder, fingerprint)
            is_same = folder_to_fingerprint(self.folder) == fingerprint
        except InputError as error:
            found, is_same = error, True
        except OSError as error:
            return InputError(f"{self.folder}: {error}")
        if not is_same:
            return InputError(f"{self.folder}: it changed while it was read")
        # Stamps and the clock may come from two machines: a stamp in the future is not trusted.
        newest = max(max(stamp.modified_ns, stamp.changed_ns) for stamp in fingerprint)
        if time.time_ns() - newest > _STAMP_SECONDS * 1e9:
            self._checked = (fingerprint, found)
        return found


def folder_to_fingerprint(folder: Path) -> Fingerprint:
    """Stamp every file in a folder, in the order of their paths; links are followed.

    Raises:
        OSError: the folder cannot be listed, or a file vanished meanwhile.
    """
    return tuple(sorted(_stamp_files(folder, ""), key=lambda stamp: stamp.path))


def _stamp_files(
    folder: Path, prefix: str, above: frozenset[int] = frozenset()
) -> Iterator[FileStamp]:
    inside = above | {folder.stat().st_ino}
    with os.scandir(folder) as entries:
        for entry in entries:
            found = entry.stat()
            if entry.is_file():
                yield FileStamp(
                    prefix + entry.name,
                    found.st_size,
                    found.st_mtime_ns,
                    found.st_ctime_ns,
                    found.st_ino,
                )
            # A link to a folder above would never end.
            elif entry.is_dir() and found.st_ino not in inside:
                yield from _stamp_files(folder / entry.name, f"{prefix}{entry.name}/", inside)


def _check_manifest(folder: Path, fingerprint: Fingerprint) -> str:
    """Compare the files with the manifest; return its SHA-256.

    Raises:
        InputError: a file differs, is missing, or is one of the SavedModel's without being listed.
        OSError: a file vanished meanwhile.
    """
    data = (folder / MANIFEST_FILE).read_bytes()
    entries = load_manifest(folder) or []
    listed = {entry["path"] for entry in entries}
    for stamp in fingerprint:
        path = PurePosixPath(stamp.path)
        is_own = stamp.path == _SAVED_MODEL or path.parts[0] in _OWN_FOLDERS
        if is_own and stamp.path not in listed:
            raise InputError(
                f"{folder / path}: the manifest does not name it, so it is of another export; "
                "remove it or export anew"
            )
    check_files(folder, entries)
    return hashlib.sha256(data).hexdigest()


def _stamps_to_identity(fingerprint: Fingerprint) -> str:
    known = [(stamp.path, stamp.size, stamp.modified_ns) for stamp in fingerprint]
    return hashlib.sha256(repr(known).encode()).hexdigest()


def no_saved_model(folder: Path) -> WireError:
    """Make TensorFlow's error of a folder without a SavedModel (cc/saved_model/reader.cc)."""
    return WireError(
        grpc.StatusCode.NOT_FOUND,
        f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {folder}. "
        "Check that the directory exists and that you have the right permissions for accessing it.",
    )
