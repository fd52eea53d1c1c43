"""Git tags by GTO's convention: `detector@v2.0.0` says that version 2 is published.

The major number is TensorFlow Serving's integer; minor numbers count records of the same bytes.
GTO (https://github.com/iterative/gto, gto/constants.py) takes a version back by the same tag with
`!` behind it. Of all other tags, `detector@v2.0.0-rc1` and other people's, nothing is read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dulwich.objects import ObjectID
from dulwich.repo import Repo

from rhymes.common.errors import InputError
from rhymes.registry.commands import REMOTE_SECONDS, Git
from rhymes.versions.dvc import Lock, text_to_lock
from rhymes.versions.git import load_blob, load_message, load_tag_names, name_to_commit, peel
from rhymes.versions.model_folder import name_to_version

ARTIFACT = "detector"
"""The artifact's name in dvc.yaml, and what tags begin with."""

MODEL = Path("models/detector")
"""Its path, an output of DVC: a folder with one version's folder in it."""

LOCK = Path("dvc.lock")

_NUMBER = r"(0|[1-9][0-9]{0,18})"
_TAG = re.compile(rf"{ARTIFACT}@v{_NUMBER}\.{_NUMBER}\.{_NUMBER}(!(?:#[0-9]+)?)?", re.ASCII)


@dataclass(frozen=True, order=True)
class Name:
    """A tag's name.

    Attributes:
        version: TensorFlow Serving's integer.
        minor: Counts records of the same bytes.
        patch: Not used by us.
    """

    version: int
    minor: int = 0
    patch: int = 0

    def __str__(self) -> str:
        return f"{ARTIFACT}@v{self.version}.{self.minor}.{self.patch}"


@dataclass(frozen=True)
class Tag:
    """A tag that registers a version.

    Attributes:
        name: Of the tag.
        commit: That it is of, 40 hexadecimal digits; None where it is of something else.
        message: Of an annotated tag; empty for a lightweight one.
        is_withdrawn: Whether another tag takes it back.
    """

    name: Name
    commit: str | None
    message: str
    is_withdrawn: bool


def text_to_name(text: str) -> tuple[Name, bool] | None:
    """Read a tag's name and whether it takes a version back; None for a tag of another kind."""
    match = _TAG.fullmatch(text)
    if match is None or not name_to_version(match[1]):
        return None
    return Name(*map(int, match.group(1, 2, 3))), match[4] is not None


def load_tags(repo: Repo) -> list[Tag]:
    """Read the tags that register versions, the lowest first."""
    names: dict[Name, ObjectID] = {}
    withdrawn = set()
    for text, sha in load_tag_names(repo).items():
        read = text_to_name(text)
        if read is not None and read[1]:
            withdrawn.add(read[0])
        elif read is not None:
            names[read[0]] = sha
    return [
        Tag(name, _load_commit(repo, sha), load_message(repo, sha), name in withdrawn)
        for name, sha in sorted(names.items())
    ]


def load_remote_names(git: Git, remote: str) -> set[Name]:
    """Ask a Git remote which versions its tags register.

    Raises:
        InputError: it did not answer.
    """
    listed = git.run(
        "ls-remote", "--tags", "--", remote, f"refs/tags/{ARTIFACT}@*", seconds=REMOTE_SECONDS
    )
    texts = (line.partition("\trefs/tags/")[2].removesuffix("^{}") for line in listed.splitlines())
    return {read[0] for text in texts if (read := text_to_name(text))}


def load_tagged_md5(repo: Repo, tag: Tag) -> str:
    """Return the model's md5 in the dvc.lock of the commit that a tag is of.

    Raises:
        InputError: there is none, or it is broken.
    """
    text = tag.commit and load_blob(repo, name_to_commit(repo, tag.commit), LOCK.as_posix())
    if not text:
        raise InputError(f"tag {tag.name}: it is of no commit with a {LOCK}")
    where = f"tag {tag.name}"
    return lock_to_model_md5(text_to_lock(text, f"{where}: {LOCK}"), where)


def lock_to_model_md5(lock: Lock, where: str) -> str:
    """Return the md5 of the model's folder.

    Raises:
        InputError: the lock has none.
    """
    md5 = lock.outs.get(MODEL.as_posix())
    if md5 is None or not md5.endswith(".dir"):
        raise InputError(f"{where}: {LOCK} has no folder {MODEL}")
    return md5


def of_version(tags: Sequence[Tag], version: int) -> list[Tag]:
    """Choose the tags of a version, the lowest first."""
    return [tag for tag in tags if tag.name.version == version]


def _load_commit(repo: Repo, sha: ObjectID) -> str | None:
    commit = peel(repo, sha)
    return None if commit is None else commit.id.decode("ascii")
