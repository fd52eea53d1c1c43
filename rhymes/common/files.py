"""Writing files: aside first, then renamed, so that a reader never sees half of one."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20
_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG})


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Give errors of the disk the name of what is written: the system names no file that is open.

    Args:
        path: also for a file beside it, under which it is written first.
    """
    try:
        yield
    except OSError as error:
        beside = str(path.with_name(f".{path.name}."))
        if error.errno in _DISK_ERRORS and error.filename is None:
            error.filename = str(path)
        elif isinstance(error.filename, str) and error.filename.startswith(beside):
            error.filename, error.filename2 = str(path), None
        raise


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` when the block ends without error.

    The file is flushed to the disk before the rename. After an error nothing is left behind and
    an older `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Files starting with a dot are ignored by those who list the folder meanwhile.
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with named_errors(path):
            yield aside
            with aside.open("rb") as file:
                os.fsync(file.fileno())
            aside.replace(path)
    finally:
        with suppress(OSError):  # what made it fail is what is told
            aside.unlink(missing_ok=True)


@contextmanager
def folder_written_aside(path: Path) -> Iterator[Path]:
    """Give a new, empty folder beside `path`; it replaces `path` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}.*.part"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with named_errors(path):
            aside.mkdir()
            yield aside
            shutil.rmtree(path, ignore_errors=True)
            aside.replace(path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def save_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, aside and renamed."""
    with written_aside(path) as aside:
        aside.write_bytes(data)


def sync_folder(folder: Path) -> None:
    """Flush a folder's list of names to the disk, so that a rename in it outlives a power loss."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, aside and renamed; line ends stay as they are."""
    save_bytes(path, text.encode("utf-8"))


def save_json(path: Path, value: Any) -> None:
    """Write `value` as JSON: the same bytes for the same value, NaN refused, UTF-8 unescaped."""
    save_text(path, json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1) + "\n")


def file_to_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
