"""The images to predict on: files and folders of a command line -> images with unique names.

A name that a camera, a user or a system gave may hold anything: accents, commas, line breaks, bytes
that are no text; and two folders may hold one name. Files are written, and named in the CSV, by
ASCII letters, digits, - and _ alone, so that they survive a ZIP archive, a spreadsheet and any
system; what a spreadsheet would take for a formula cannot come about.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from rhymes.common.errors import InputError
from rhymes.images.images import IMAGE_SUFFIXES

IMAGES = "images"
"""The folder beside the CSV for copies of images."""

_MAX_STEM_LENGTH = 80
_URL = re.compile(r"https?://[^\s/?#]+/(\S*[/=])?", re.IGNORECASE)


@dataclass(frozen=True)
class ListedImage:
    """An image to predict on.

    Attributes:
        path: Of the file.
        shown: The path as it was given, as text that can be printed.
        stem: Name of what is written about it, without suffix; unique whatever the case.
        image: What the CSV's image column says: a path relative to the CSV, or a URL.
        is_copied: Whether that path needs a copy of the file.
    """

    path: Path
    shown: str
    stem: str
    image: str
    is_copied: bool

    @property
    def file_name(self) -> str:
        """Bare name of the copy."""
        return self.stem + _safe_suffix(self.path)


@dataclass(frozen=True)
class Failure:
    """A file without a prediction, and why."""

    file: str
    reason: str


@dataclass
class ImageList:
    """What FILES name: images, what is known to fail, how many files of folders are no images.

    A file that is named twice counts once.
    """

    images: list[ListedImage] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    passed_over: int = 0


def path_to_text(path: Path) -> str:
    r"""Show a path: bytes that are no UTF-8, and what is no character to print, as \x escapes."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def paths_to_images(
    files: Sequence[Path], out: Path, image_url_prefix: str | None = None
) -> ImageList:
    """List images in the order of `files`; those of a folder sorted, its own before deeper ones.

    Args:
        files: Files and folders. In folders, files by `IMAGE_SUFFIXES`; names that begin with a
            dot, and links to folders, are passed by.
        out: The folder that will be written, resolved; where it lies in one of the folders it is
            left out.
        image_url_prefix: Where the images lie already: the CSV then holds this prefix with a
            image's path below its folder (its bare name where it was named itself).

    Raises:
        InputError: a file lies in `out`, the prefix is no URL, or two images have the same URL.
    """
    if image_url_prefix is not None and not _URL.fullmatch(image_url_prefix):
        raise InputError(
            f"--image-url-prefix {image_url_prefix!r}: expected an http(s) URL up to the / or = "
            "before the file names, such as https://cdn.example.org/images/"
        )
    listed = ImageList()
    names = _UniqueNames()
    seen: set[Path] = set()
    for path, relative in _expand(files, out, listed):
        resolved = _real(path)
        if resolved in seen:
            continue
        seen.add(resolved)
        if resolved.is_relative_to(out):
            raise InputError(
                f"{path_to_text(path)} lies in the folder to write, {path_to_text(out)}; "
                "name another --out"
            )
        listed.images.append(_path_to_image(path, relative, names, image_url_prefix))
    if image_url_prefix is not None:
        _check_urls(listed.images)
    return listed


def names_to_images(names: Iterable[str]) -> list[ListedImage]:
    """List images whose bytes came without a file, by the names that their users gave."""
    unique = _UniqueNames()
    return [_path_to_image(Path(name), Path(name), unique, None) for name in names]


def _path_to_image(
    path: Path, relative: Path, names: _UniqueNames, prefix: str | None
) -> ListedImage:
    stem = names.add(_safe_stem(path))
    if prefix is None:
        image = f"{IMAGES}/{stem}{_safe_suffix(path)}"
    else:
        image = prefix + "/".join(quote(os.fsencode(part)) for part in relative.parts)
    return ListedImage(path, path_to_text(path), stem, image, is_copied=prefix is None)


def _check_urls(images: Iterable[ListedImage]) -> None:
    by_url: dict[str, ListedImage] = {}
    for image in images:
        other = by_url.setdefault(image.image, image)
        if other is not image:
            raise InputError(
                f"{other.shown} and {image.shown} would both be {image.image}; "
                "name the folder above them, or predict on them one after the other"
            )


def _expand(files: Sequence[Path], out: Path, listed: ImageList) -> Iterator[tuple[Path, Path]]:
    """Yield each file with its path below the folder that was named."""
    for file in files:
        if not os.path.isdir(file):  # noqa: PTH112  (Path.is_dir raises for a path that is too long)
            yield file, Path(file.name)
            continue
        empty, before = True, len(listed.failures)
        for path in _walk(file, out, listed):
            empty = False
            yield path, path.relative_to(file)
        if empty and len(listed.failures) == before:
            reason = f"no image in this folder (known by {', '.join(sorted(IMAGE_SUFFIXES))})"
            listed.failures.append(Failure(path_to_text(file), reason))


def _walk(folder: Path, out: Path, listed: ImageList) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        shown = path_to_text(Path(error.filename or folder))
        listed.failures.append(Failure(shown, f"cannot be read: {error.strerror}"))

    for root, folders, names in os.walk(folder, onerror=fail):
        inside = Path(root)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and _real(inside / name) != out
        )
        for name in sorted(names):
            path = inside / name
            if name.startswith("."):
                continue
            if path.suffix.lower() in IMAGE_SUFFIXES:
                yield path
            else:
                listed.passed_over += 1


def _real(path: Path) -> Path:
    # Path.resolve raises for a link to itself.
    return Path(os.path.realpath(path))


def load_image(path: Path, max_bytes: int) -> bytes:
    """Read a file; of one that is larger than `max_bytes` only so much that a check finds it so.

    Raises:
        InputError: it cannot be read, with the reason.
    """
    try:
        # A FIFO would block, a device would never end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError("not a regular file")
        with path.open("rb") as file:
            return file.read(max_bytes + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}") from None


def _safe_stem(path: Path) -> str:
    # Accents fall off their letters; of other scripts nothing is left.
    letters = unicodedata.normalize("NFKD", path.stem).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_-]+", "_", letters)[:_MAX_STEM_LENGTH].strip("-_") or "image"


def _safe_suffix(path: Path) -> str:
    return path.suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,5}", path.suffix, re.ASCII) else ""


class _UniqueNames:
    """Numbers a name that was taken before: tray, tray-2, tray-3."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._last: dict[str, int] = {}

    def add(self, name: str) -> str:
        # Some systems take a.jpg and A.jpg for one file.
        key = unique = name.lower()
        while unique in self._taken:
            self._last[key] = self._last.get(key, 1) + 1
            unique = f"{key}-{self._last[key]}"
        self._taken.add(unique)
        return name + unique[len(key) :]
