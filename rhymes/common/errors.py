"""The error of every border: what is wrong, where, and what to do about it."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping


class InputError(ValueError):
    """Input (a file, a row, a parameter, an image) that cannot be used.

    The message is written for the person who runs the command: it names the file, row or key,
    says what was found and what to do. Stages print it without a traceback.
    """


class UnavailableError(InputError):
    """Input that could not be had now, and may be there at the next try.

    No connection, silence, a server that says it is busy, a disk that cannot be read: none of it
    says anything about the input itself, so nobody may take it for the last word.
    """


_PERMISSIONS = "its permissions forbid it; `ls -ld` shows its owner, who can change them by chmod"
_CURES: Mapping[int, str] = {
    errno.EACCES: _PERMISSIONS,
    errno.EPERM: _PERMISSIONS,
    errno.EROFS: "mount it for writing, or work elsewhere",
    errno.ENOSPC: "make room there, and run it again",
    errno.EDQUOT: "make room within your quota, and run it again",
    errno.EFBIG: "the file system or `ulimit -f` allows no file of this size",
    errno.EMFILE: "allow more by `ulimit -n 4096`, and run it again",
    errno.ENFILE: "other programs have them open; end some, and run it again",
    errno.ENAMETOOLONG: "give it a shorter name, or work in a folder with a shorter path",
    errno.ENOENT: "it is gone, or was never there",
    errno.EISDIR: "a folder lies where a file belongs; move it away",
    errno.ENOTDIR: "a file lies where a folder belongs; move it away",
    errno.EEXIST: "move away what lies there, or name another place",
    errno.ENOTEMPTY: "another program writes there; end it, and run it again",
    errno.EBUSY: "another program or a mount uses it; end that, and run it again",
    errno.EIO: "the disk or its connection fails; the system's log says more (dmesg)",
    errno.ESTALE: "the network drive has lost it; mount it anew",
    errno.ENOMEM: "end other programs, or take a machine with more memory",
}


def error_to_text(error: InputError | OSError) -> str:
    """Say of an error what is wrong, where, and what to do about it: a sentence or more.

    Of an operating system's error these are the path, its own words, and a cure.
    """
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    paths = [os.fsdecode(each) for each in (error.filename, error.filename2) if _is_path(each)]
    where = f"{' -> '.join(paths)}: " if paths else ""
    cure = _CURES.get(error.errno)
    return f"{where}{error.strerror}" + (f"; {cure}" if cure else "")


def _is_path(name: object) -> bool:
    return isinstance(name, str | bytes | os.PathLike)
