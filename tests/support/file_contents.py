"""What files hold, to compare: hashes of bytes, and a folder as a mapping."""

from __future__ import annotations

import hashlib
from pathlib import Path


def bytes_to_sha256(data: bytes) -> str:
    """The SHA-256 in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def folder_to_bytes(folder: Path) -> dict[str, bytes]:
    """The bytes of every file below a folder, by its path in it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
