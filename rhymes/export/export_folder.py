"""The folder that an annotation tool exported: its files, listed once, and images found by name."""

from __future__ import annotations

import json
import os
import posixpath
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException, ElementTree

from rhymes.common.errors import InputError
from rhymes.images.images import IMAGE_SUFFIXES, bytes_to_upright_size

_SPLITS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_WORDS = re.compile(r"[a-z]+")


class ExportFolder:
    """A folder and the files in it, at any depth.

    Names that begin with a dot are left out, and folders that are symbolic links. Paths are
    relative, with `/` between folders; letters with accents are the same however they are encoded,
    as macOS encodes them otherwise in names of files than tools do in their text.

    Attributes:
        root: The folder.
        files: All paths, sorted.
        known: The same as a set.
    """

    def __init__(self, root: Path) -> None:
        """List a folder's files.

        Raises:
            InputError: There is no such folder, or it cannot be read.
        """
        if not root.is_dir():
            raise InputError(f"{root}: no such folder; raw.export names the export's folder")
        self.root = root
        self.files = sorted(_walk(root))
        self.known = frozenset(self.files)
        self._paths = {_composed(path): path for path in self.files}
        self._json: tuple[str, Any] = ("", None)
        self._named: dict[str, list[str]] = {}
        for path in self._paths:
            self._named.setdefault(posixpath.basename(path), []).append(path)

    def with_suffix(self, *suffixes: str) -> list[str]:
        """Return the paths of files with one of some suffixes, in lower or upper case."""
        return [path for path in self.files if path.lower().endswith(suffixes)]

    def find_image(self, name: str, *bases: str) -> str:
        """Find the image that an annotation names.

        Tools name images by a path from where the annotations lie, from a folder beside them, or
        on the machine where they were drawn. So the path counts first, from each of `bases`, and
        then as much of its end as names one file alone.

        Args:
            name: As it stands in the annotation.
            bases: Folders to try first, the first being where the annotation lies.

        Returns:
            Its path; where there is none, the path from the first of `bases`, for the error that
            follows when it is fetched.

        Raises:
            InputError: Several files have this name.
        """
        wanted = _composed(served_path(name).replace("\\", "/"))
        for base in bases or ("",):
            path = posixpath.normpath(posixpath.join(base, wanted))
            if path in self._paths:
                return self._paths[path]
        if found := self._by_ending(wanted, bases[0] if bases else ""):
            return found
        return name if "://" in name else posixpath.join(bases[0] if bases else "", name)

    def find_by_stem(self, stem: str, *bases: str) -> str | None:
        """Find the image of a name without its suffix, in any of some folders."""
        for base in bases:
            for suffix in IMAGE_SUFFIXES:
                for written in (suffix, suffix.upper()):
                    path = posixpath.normpath(posixpath.join(base, _composed(stem) + written))
                    if path in self._paths:
                        return self._paths[path]
        return None

    def _by_ending(self, wanted: str, base: str) -> str | None:
        parts = [part for part in wanted.split("/") if part not in ("", ".", "..")]
        for start in range(len(parts)):
            ending = "/".join(parts[start:])
            found = [
                path for path in self._named.get(parts[-1], ()) if f"/{path}".endswith(f"/{ending}")
            ]
            # Of several those count that lie where the annotation does.
            near = [path for path in found if base and path.startswith(f"{base}/")]
            if len(one := near or found) == 1:
                return self._paths[one[0]]
            if one:
                raise InputError(
                    f"{self.root}: the image '{wanted}' may be any of {', '.join(one[:3])}; "
                    "name images by their path in the annotations, or give them different names"
                )
        return None

    def load_bytes(self, path: str) -> bytes:
        """Read a file.

        Raises:
            InputError: It cannot be read.
        """
        try:
            return (self.root / path).read_bytes()
        except OSError as error:
            raise InputError(f"{self.root / path}: cannot be read: {error.strerror}") from None

    def load_text(self, path: str) -> str:
        """Read a UTF-8 text, with or without a byte order mark.

        Raises:
            InputError: It cannot be read, or has another encoding.
        """
        try:
            return self.load_bytes(path).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise InputError(f"{self.root / path}: not UTF-8; save it as UTF-8") from None

    def load_json(self, path: str) -> Any:
        """Read a JSON file, not to be changed; NaN and Infinity are numbers here.

        Raises:
            InputError: It cannot be read, or is no JSON.
        """
        # The last one is kept, as a large file is asked for by each format and then read.
        if self._json[0] == path:
            return self._json[1]
        text = self.load_text(path)
        try:
            self._json = (path, json.loads(text))
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{self.root / path}: not JSON: {error}; mend it, or take it out of the folder"
            ) from None
        return self._json[1]

    def iterate_xml(self, path: str) -> Iterator[tuple[str, Element]]:
        """Yield ("start" or "end", element) of an XML file as it is read.

        A document type is refused: what it declares could name files of this machine, or grow
        without end.

        Raises:
            InputError: It cannot be read, or is no XML.
        """
        try:
            with (self.root / path).open("rb") as file:
                yield from ElementTree.iterparse(file, events=("start", "end"), forbid_dtd=True)
        except OSError as error:
            raise InputError(f"{self.root / path}: cannot be read: {error.strerror}") from None
        except ParseError as error:
            raise InputError(
                f"{self.root / path}: not XML: {error}; mend it, or take it out of the folder"
            ) from None
        except DefusedXmlException:
            raise InputError(
                f"{self.root / path}: a document type (<!DOCTYPE ...>) is refused; delete it"
            ) from None

    def with_xml_root(self, tag: str) -> list[str]:
        """Return the paths of XML files whose outermost element has a name."""
        return [path for path in self.with_suffix(".xml") if self._xml_root(path) == tag]

    def _xml_root(self, path: str) -> str:
        return next(element.tag for _, element in self.iterate_xml(path))

    def image_size(self, path: str) -> tuple[int, int] | None:
        """Read an image's width and height, upright; None where it is missing or no image."""
        file = self.root / path
        return bytes_to_upright_size(file.read_bytes()) if file.is_file() else None


def _walk(root: Path) -> Iterator[str]:
    def fail(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be read: {error.strerror}")

    for folder, folders, files in os.walk(root, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        base = Path(folder).relative_to(root)
        yield from (
            (base / name).as_posix()
            for name in files
            if not name.startswith(".") and _is_text(name)
        )


def _is_text(name: str) -> bool:
    """Whether a name is UTF-8: other bytes come as lone surrogates, which no CSV can hold."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _composed(path: str) -> str:
    return unicodedata.normalize("NFC", path)


def served_path(name: str) -> str:
    """Return the path of a file that Label Studio serves; of any other name the name itself.

    /data/local-files/?d=folder/a.jpg is the file of its own machine, /data/upload/1/a.jpg one that
    was uploaded to it; its COCO, VOC and YOLO exports name images so, too.
    """
    parts = urlsplit(name)
    if not parts.path.startswith("/data/"):
        return name
    return parse_qs(parts.query).get("d", [""])[0] or unquote(parts.path)


def path_to_split(path: str) -> str:
    """Return which split a path tells: by words of the file's name, else of its nearest folder.

    `annotations/instances_train2017.json` and `train/_annotations.coco.json` tell train. Empty
    where none or several are told.
    """
    for part in reversed(path.split("/")):
        told = {_SPLITS[word] for word in _WORDS.findall(part.lower()) if word in _SPLITS}
        if told:
            return told.pop() if len(told) == 1 else ""
    return ""
