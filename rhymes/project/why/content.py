"""Hashes of two moments -> what differs inside: files of a folder, lines of a text, images."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dulwich.objects import Commit
from dulwich.repo import Repo

from rhymes.coco.files import source_to_name
from rhymes.common.errors import InputError
from rhymes.export.fetched import load_image_index
from rhymes.project.why.pipeline import Pipeline, is_below
from rhymes.versions.dvc import (
    Lock,
    files_to_md5,
    find_output,
    load_folder_files,
    object_path,
)
from rhymes.versions.git import load_blob

_INDEX = "data/export/index.csv"
_NAMED = 3
_MAX_TEXT_LENGTH = 50_000_000
_SHA256_DIGITS = 64
_SHOWN_DIGITS = 12


class Contents:
    """What had a hash: looked for in DVC's cache, among the files as they lie, and in Git.

    Args:
        root: The repository's root.
        cache_folder: DVC's cache.
        pipeline: The files as they lie.
        repo: The Git repository.
        commits: Whose files may be meant.
    """

    def __init__(
        self,
        root: Path,
        cache_folder: Path,
        pipeline: Pipeline,
        repo: Repo,
        commits: Sequence[Commit],
    ) -> None:
        self._root = root
        self._cache = cache_folder
        self._pipeline = pipeline
        self._repo = repo
        self._commits = commits
        self._names: dict[Path, dict[str, str]] = {}

    def is_cached(self, md5: str) -> bool:
        """Whether DVC's cache has what had a hash; of a folder, the list of its files."""
        return object_path(self._cache, md5).is_file()

    def folder(self, path: str, md5: str, outs: Mapping[str, str]) -> Mapping[str, str] | None:
        """List a folder's files, path -> md5; None where nothing knows them any more.

        Args:
            path: Of the folder.
            md5: Of the folder.
            outs: Of the lock that names it; it may lie in one of them.
        """
        lying = self._pipeline.folders.get(path)
        if lying is not None and files_to_md5(lying) == md5:
            return lying
        whole = [(path, md5), *((out, found) for out, found in outs.items() if is_below(path, out))]
        for name, found in whole:
            try:
                files = load_folder_files(self._cache, found, name)
            except InputError:
                continue
            inside = f"{path[len(name) + 1 :]}/" if path != name else ""
            files = {k.removeprefix(inside): v for k, v in files.items() if k.startswith(inside)}
            if files_to_md5(files) == md5:
                return files
        return None

    def text(self, path: str, md5: str) -> str | None:
        """Read a text file; None where it is no text, too long, or nowhere any more."""
        for data in self._candidates(path, md5):
            if hashlib.md5(data, usedforsecurity=False).hexdigest() == md5:
                try:
                    return data.decode("utf-8")
                except UnicodeDecodeError:
                    return None
        return None

    def _candidates(self, path: str, md5: str) -> Iterator[bytes]:
        for file in (object_path(self._cache, md5), self._root / path):
            if file.is_file() and file.stat().st_size <= _MAX_TEXT_LENGTH:
                yield file.read_bytes()
        for commit in self._commits:
            if (data := load_blob(self._repo, commit, path)) is not None:
                yield data

    def image_names(self, outs: Mapping[str, str]) -> Mapping[str, str]:
        """SHA-256 of an image -> its name in the export, then and now.

        Args:
            outs: Of the lock that names the index of then.
        """
        paths = [self._root / _INDEX]
        try:
            if md5 := find_output(Lock(outs), self._cache, _INDEX):
                paths.append(object_path(self._cache, md5))
        except InputError:
            pass  # the cache does not have it: then hashes have to do
        names: dict[str, str] = {}
        for path in paths:
            if path not in self._names:
                self._names[path] = _load_names(path)
            names |= self._names[path]
        return names


def _load_names(index: Path) -> dict[str, str]:
    try:
        images = load_image_index(index).values()
    except InputError:
        return {}
    # Of several names of the same bytes the first is the image's own in the COCO files.
    return {image.sha256: source_to_name(image.source) for image in reversed([*images]) if image}


def count_lines(old: str, new: str) -> str:
    """Say how many lines came and went, in whatever order: "+12 -3 lines"."""
    before, after = Counter(old.splitlines()), Counter(new.splitlines())
    return f"+{(after - before).total()} -{(before - after).total()} lines"


def compare_folders(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, list[str]]:
    """Sort the files of a folder into added, removed and changed."""
    both = sorted(old.keys() & new.keys())
    found = {
        "added": sorted(new.keys() - old.keys()),
        "removed": sorted(old.keys() - new.keys()),
        "changed": [name for name in both if old[name] != new[name]],
    }
    return {kind: names for kind, names in found.items() if names}


def name_files(files: Sequence[str], names: Mapping[str, str]) -> str:
    """List the first files; of an image named by its hash also its name in the export.

    Args:
        files: At least one.
        names: SHA-256 -> name in the export.
    """
    shown = []
    for file in files[:_NAMED]:
        stem, dot, ending = file.rpartition(".")
        short = f"{stem[:_SHOWN_DIGITS]}...{dot}{ending}" if len(stem) == _SHA256_DIGITS else file
        shown.append(f"{names[stem]} = {short}" if stem in names else short)
    more = ", ..." if len(files) > _NAMED else ""
    return ", ".join(shown) + more
