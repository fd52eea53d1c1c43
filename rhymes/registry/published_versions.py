"""Which versions are published, as the tags of a repository say."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dulwich.repo import Repo

from rhymes.common.errors import InputError
from rhymes.registry.commands import TRANSFER_SECONDS, Git
from rhymes.registry.provenance import Provenance, tag_to_provenance
from rhymes.registry.tags import (
    ARTIFACT,
    Tag,
    load_tagged_md5,
    load_tags,
    of_version,
)
from rhymes.versions.git import open_repository, root_of

_HINT = "git fetch --tags brings those of others"


@dataclass(frozen=True)
class PublishedVersion:
    """A version that may be served.

    Attributes:
        tag: The latest that registers it.
        provenance: What its message says.
    """

    tag: Tag
    provenance: Provenance

    @property
    def number(self) -> int:
        """TensorFlow Serving's integer."""
        return self.tag.name.version


class Registry:
    """The published versions of a repository.

    Args:
        repo: the repository; it stays open while it is asked.

    Attributes:
        problems: Version -> why it may not be served, though it has a tag.
    """

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._tags = load_tags(repo)
        self._versions: dict[int, PublishedVersion] = {}
        self.problems: dict[int, str] = {}
        for number in sorted({tag.name.version for tag in self._tags}):
            try:
                self._versions[number] = _read_version(repo, of_version(self._tags, number))
            except InputError as error:
                self.problems[number] = str(error)

    def all(self) -> list[PublishedVersion]:
        """List them, ascending."""
        return [self._versions[number] for number in sorted(self._versions)]

    def newest(self, count: int) -> list[PublishedVersion]:
        """Choose the highest versions, at most `count`, ascending.

        Raises:
            InputError: there is none.
        """
        if not self._versions:
            reasons = "".join(f"{problem}\n" for problem in self.problems.values())
            raise InputError(
                f"{reasons}{root_of(self._repo).resolve()} has no published version; "
                f"`rhymes publish` makes one, {_HINT}"
            )
        return self.all()[-count:]

    def choose(self, numbers: Sequence[int]) -> list[PublishedVersion]:
        """Choose versions by number, ascending.

        Raises:
            InputError: one is not published, or was withdrawn.
        """
        for number in numbers:
            if number in self.problems:
                raise InputError(self.problems[number])
            if number not in self._versions:
                known = ", ".join(map(str, sorted(self._versions))) or "none"
                raise InputError(
                    f"{ARTIFACT} {number} is not published in {root_of(self._repo).resolve()} "
                    f"(published: {known}); {_HINT}"
                )
        return [self._versions[number] for number in sorted(set(numbers))]

    def is_known(self, number: int, md5: str) -> bool:
        """Tell whether a tag, even of a version that was withdrawn, leads to these bytes."""
        for tag in of_version(self._tags, number):
            try:
                if load_tagged_md5(self._repo, tag) == md5:
                    return True
            except InputError:
                continue
        return False


@contextmanager
def opened(repository: str) -> Iterator[Repo]:
    """Open a repository of Git and DVC: a folder in place, a URL as a temporary clone.

    Raises:
        InputError: it is neither.
    """
    if (Path(repository) / ".dvc").is_dir():
        with open_repository(Path(repository)) as repo:
            yield repo
        return
    with tempfile.TemporaryDirectory(prefix="rhymes-fetch-") as folder:
        clone = Path(folder) / "clone"
        # Git would look for a relative path in the temporary folder.
        source = str(Path(repository).resolve()) if Path(repository).is_dir() else repository
        command = ("clone", "--quiet", "--", source, str(clone))
        Git(Path(folder)).run(*command, seconds=TRANSFER_SECONDS)
        if not (clone / ".dvc").is_dir():
            raise InputError(f"{repository} is no repository of DVC")
        with open_repository(clone) as repo:
            yield repo


def _read_version(repo: Repo, tags: Sequence[Tag]) -> PublishedVersion:
    """Read a version from all of its tags, the lowest first.

    Raises:
        InputError: it was withdrawn, its tags contradict each other, or none is ours.
    """
    number = tags[-1].name.version
    valid = [tag for tag in tags if not tag.is_withdrawn]
    if not valid:
        raise InputError(f"{ARTIFACT} {number} was withdrawn by the tag {tags[-1].name}!")
    md5s = {str(tag.name): load_tagged_md5(repo, tag) for tag in valid}
    if len(set(md5s.values())) > 1:
        listed = ", ".join(f"{name}: {md5}" for name, md5 in md5s.items())
        raise InputError(f"{ARTIFACT} {number} has tags of different bytes ({listed})")
    annotated = [tag for tag in valid if tag.message] or valid
    found = PublishedVersion(annotated[-1], tag_to_provenance(annotated[-1]))
    name = str(found.tag.name)
    if found.provenance.md5 != md5s[name]:
        raise InputError(
            f"tag {name}: its message is about the bytes {found.provenance.md5}, but it is of a "
            f"commit whose dvc.lock has {md5s[name]}; it was moved"
        )
    return found
