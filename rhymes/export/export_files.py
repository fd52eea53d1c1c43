"""The files of an export that its CSV names by a path: read only where they cannot lead outside."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from rhymes.common.errors import InputError


def load_export_file(folder: Path, path: str, max_bytes: int) -> bytes:
    r"""Read a file that a CSV names relative to its own folder.

    The path is taken as it stands: `%20` is no space, `\` no separator. Errors name no path of
    this machine, because they become part of an output.

    Args:
        folder: the CSV's folder; no file outside is read, through a symbolic link neither.
        path: relative, with `/` between folders.
        max_bytes: of the file; of a larger one only so much is read that a check finds it larger.

    Raises:
        InputError: why the path is refused, or the file cannot be read.
    """
    _check_path(path)
    root = folder.resolve()
    try:
        file = (root / path).resolve()
        if not file.is_relative_to(root):
            raise InputError("a symbolic link that leads out of the export's folder is refused")
        # Also so that no FIFO is opened, which would wait for a writer, and no device.
        if not file.is_file():
            raise InputError(_why_no_file(file, path))
        with file.open("rb") as opened:
            return opened.read(max_bytes + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}") from None
    except RuntimeError:
        raise InputError("a symbolic link that leads to itself") from None


def _check_path(path: str) -> None:
    if "\0" in path:
        raise InputError("a NUL character in a path is refused")
    if "\\" in path:
        raise InputError("a backslash in a path is refused; write / between folders")
    if path.startswith("/"):
        raise InputError("an absolute path is refused; it must be relative to the CSV's folder")
    if ".." in PurePosixPath(path).parts:
        raise InputError("'..' in a path is refused; it must stay within the export's folder")


def _why_no_file(file: Path, path: str) -> str:
    if file.exists():
        return "not a regular file"
    if path != path.strip():
        return "no such file; the path begins or ends with a space"
    return "no such file in the export's folder"
