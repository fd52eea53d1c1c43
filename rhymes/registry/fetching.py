"""Published versions -> a model base path."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rhymes.common.errors import InputError
from rhymes.common.files import save_text
from rhymes.registry.base_path import BasePath, filled
from rhymes.registry.model_bytes import save_version
from rhymes.registry.provenance import provenance_to_text, version_to_provenance_path
from rhymes.registry.published_versions import PublishedVersion, Registry, opened
from rhymes.registry.tags import ARTIFACT
from rhymes.versions.git import root_of


@dataclass
class Outcome:
    """What fetching came to.

    Attributes:
        fetched: Versions that came.
        present: Versions that were there already, with the same bytes.
        removed: Versions that went.
        problems: Why other versions that have a tag may not be served.
    """

    fetched: list[int] = field(default_factory=list)
    present: list[int] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def fetch(
    repository: str, path: Path, *, numbers: Sequence[int], newest: int, is_only: bool
) -> Outcome:
    """Put published versions into a base path; nothing that is there is replaced.

    Args:
        repository: In which they are published: a folder, or a URL of Git's.
        path: The base path; it is made if need be.
        numbers: Which versions; where it is empty, the newest.
        newest: How many of them.
        is_only: Take all other versions away, once those that are asked for are there.

    Raises:
        InputError: a version is not published, its bytes are not to be had, or others lie there
            under its number.
        OSError: the base path cannot be written.
    """
    with opened(repository) as repo, filled(path) as base:
        registry = Registry(repo)
        wanted = registry.choose(numbers) if numbers else registry.newest(newest)
        md5s = {number: base.load_md5(number) for number in base.versions()}
        for version in wanted:
            _check_present(base, version, md5s.get(version.number))
        others = sorted(set(md5s) - {version.number for version in wanted}) if is_only else []
        for number in others:
            _check_removable(base, registry, number, md5s[number])
        outcome = Outcome(problems=[] if numbers else list(registry.problems.values()))
        for version in wanted:
            if version.number in md5s:
                outcome.present.append(version.number)
                _save_provenance(base, version)
            else:
                _place(root_of(repo), base, version)
                outcome.fetched.append(version.number)
        for number in others:
            base.remove(number)
            outcome.removed.append(number)
    return outcome


def _check_present(base: BasePath, version: PublishedVersion, md5: str | None) -> None:
    if md5 not in (None, version.provenance.md5):
        folder = base.path / str(version.number)
        raise InputError(
            f"{folder}: other bytes than {version.tag.name} has; move it away first, for nothing "
            "is replaced here"
        )


def _check_removable(base: BasePath, registry: Registry, number: int, md5: str) -> None:
    if not registry.is_known(number, md5):
        raise InputError(
            f"{base.path / str(number)}: no tag of {ARTIFACT} {number} leads to its bytes, so they "
            "could not be brought back; move it away yourself"
        )


def _place(root: Path, base: BasePath, version: PublishedVersion) -> None:
    aside = base.folder_aside(version.number)
    try:
        folder = save_version(root, version, aside)
        _save_provenance(base, version)
        base.place(version.number, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _save_provenance(base: BasePath, version: PublishedVersion) -> None:
    save_text(
        version_to_provenance_path(base.path, version.number),
        provenance_to_text(version.provenance.values),
    )
