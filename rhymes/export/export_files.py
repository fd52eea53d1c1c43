"""Files that an export's CSV names by paths: found, held within the export's folder, read."""

from __future__ import annotations

import errno
import os
import re
import sys
import unicodedata
import urllib.parse
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from rhymes.common.errors import InputError, UnavailableError

# An object in a cache of DVC: of its version 3 and later, and of those before.
_CACHE_OBJECT = re.compile(r"(files/md5/)?[0-9a-f]{2}/[0-9a-f]{30}")

# RFC 3986, 3.1. Its 4.2 says the same of a relative path whose first segment has a colon: it has
# to be written ./a:b.jpg
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def is_url(image: str) -> bool:
    """Whether the image column's value names what lies elsewhere, not a file of the export."""
    return bool(_SCHEME.match(image.lstrip()))


class ExportFiles:
    """The folder of an export, for whoever reads what its CSV names.

    Several threads may share one.

    Args:
        folder: the CSV's folder; no file outside is read, through a symbolic link neither.
        caches: DVC's cache folders. The links that DVC itself makes (`cache.type: symlink`) lead
            to objects there, and are followed.
    """

    def __init__(self, folder: Path, caches: Iterable[Path] = ()) -> None:
        self._root = folder.resolve()
        self._caches = [Path(os.path.realpath(cache)) for cache in caches]
        self._names: dict[tuple[Path, Callable[[str], str]], dict[str, list[str]]] = {}

    def load(self, path: str, max_bytes: int) -> bytes:
        r"""Read a file.

        The path is taken as it stands: `%20` is no space, `\` no separator. Only an accent may be
        encoded in another way than in the file's name (Unicode's NFC and NFD), if one file alone
        has such a name. Errors name no path of this machine, because they become part of an output.

        Args:
            path: relative to the folder, with `/` between folders.
            max_bytes: of the file; of a larger one only so much is read that a check finds it
                larger.

        Raises:
            UnavailableError: the file is there but cannot be read.
            InputError: why the path is refused, or that there is no such file.
        """
        _check_path(path)
        try:
            # Path.resolve raises for a link to itself, until Python 3.13.
            file = Path(os.path.realpath(self._find(path)))
            is_cached = self._is_cached(file)
            if not (is_cached or file.is_relative_to(self._root)):
                raise InputError("a symbolic link that leads out of the export's folder is refused")
            # Also so that no FIFO is opened, which would wait for a writer, and no device.
            if not file.is_file():
                if is_cached and not file.exists():
                    raise UnavailableError("not in DVC's cache; `dvc pull` brings it")
                raise InputError(self._why_no_file(file, path))
            with file.open("rb") as opened:
                return opened.read(max_bytes + 1)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise InputError(f"no such file: {error.strerror}") from None
            raise UnavailableError(f"cannot be read: {error.strerror}") from None
        except UnicodeEncodeError:
            encoding = sys.getfilesystemencoding()
            raise UnavailableError(
                f"names of files are {encoding} here, by the locale; set PYTHONUTF8=1"
            ) from None

    def _is_cached(self, file: Path) -> bool:
        return any(
            file.is_relative_to(cache)
            and _CACHE_OBJECT.fullmatch(file.relative_to(cache).as_posix())
            for cache in self._caches
        )

    def _find(self, path: str) -> Path:
        """Return where the file is, or would be; accents may be encoded in another way."""
        direct = self._root / path
        if os.path.lexists(direct):
            return direct
        place = self._root
        for part in PurePosixPath(path).parts:
            found = [] if os.path.lexists(place / part) else self._like(place, part, _composed)
            if len(found) > 1:
                raise InputError(
                    f"no such file, but {len(found)} whose names differ from it in how Unicode "
                    "encodes their accents (NFC or NFD); leave one"
                )
            place = place / (found[0] if found else part)
        return place

    def _like(self, folder: Path, name: str, form: Callable[[str], str]) -> list[str]:
        """List what a folder of the export holds under a name that is equal in some form."""
        if (folder, form) not in self._names:
            listed: dict[str, list[str]] = {}
            if folder.is_dir() and Path(os.path.realpath(folder)).is_relative_to(self._root):
                for each in sorted(path.name for path in folder.iterdir()):
                    listed.setdefault(form(each), []).append(each)
            self._names[folder, form] = listed
        return self._names[folder, form].get(form(name), [])

    def _why_no_file(self, file: Path, path: str) -> str:
        try:
            file.stat()
            return "not a regular file"
        except OSError as error:
            if error.errno == errno.ELOOP:
                return "a symbolic link that leads to itself"
        if path != path.strip():
            return "no such file; the path begins or ends with a space"
        unescaped = urllib.parse.unquote(path)
        if unescaped != path and os.path.lexists(self._root / unescaped):
            return f"no such file; {unescaped!r} is there, of which this is the form in a URL"
        written = PurePosixPath(path)
        near = self._like(self._root / written.parent, written.name, _folded)
        if near:
            there = str(written.with_name(near[0]))
            return f"no such file; {there!r} is there: case and form of all letters count"
        return "no such file in the export's folder"


def _check_path(path: str) -> None:
    if "\0" in path:
        raise InputError("a NUL character in a path is refused")
    if "\\" in path:
        raise InputError("a backslash in a path is refused; write / between folders")
    if path.startswith("/"):
        raise InputError("an absolute path is refused; it must be relative to the CSV's folder")
    if ".." in PurePosixPath(path).parts:
        raise InputError("'..' in a path is refused; it must stay within the export's folder")


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    """Make names equal that only a computer tells apart: letter case, ligatures, wide forms."""
    return unicodedata.normalize("NFKC", name).casefold()
