"""Git revisions and the files in them, read by dulwich: no command, no lock, no checkout.

DVC keeps an experiment as a commit under refs/exps/<baseline>/<name>
(dvc/repo/experiments/refs.py).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from dulwich.errors import NotGitRepository, NotTreeError
from dulwich.object_store import tree_lookup_path
from dulwich.objects import Commit, ObjectID
from dulwich.objectspec import AmbiguousShortId, parse_commit
from dulwich.repo import Repo

from rhymes.common.errors import InputError

# Others below refs/exps are DVC's own: exec, stash, celery, applied.
_EXPERIMENT = re.compile(rb"refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/(.+)")

# Git's ~3 and ^ (gitrevisions): so many commits back, by first parents.
_STEPS_BACK = re.compile(r"~(\d*)|\^")
_STEPPED = re.compile(r"(.+?)((?:~\d*|\^)*)")


def open_repository(root: Path) -> Repo:
    """Open the Git repository of a working tree; close it again (it is a context manager).

    Raises:
        InputError: there is none.
    """
    try:
        return Repo(str(root))
    except NotGitRepository:
        raise InputError(
            f"{root.resolve()}: no Git repository; run this in the repository's root"
        ) from None


def name_to_commit(repo: Repo, name: str) -> Commit:
    """Find a commit by its tag, branch, remote branch, experiment, hash or `HEAD`; ~1 and ^ work.

    Raises:
        InputError: there is none of that name, or several experiments have it.
    """
    match = _STEPPED.fullmatch(name)
    if match is None:
        raise InputError("a revision needs a name")
    commit = _find_commit(repo, match[1])
    for step in _STEPS_BACK.finditer(match[2]):
        for _ in range(int(step[1] or 1)):
            if not commit.parents:
                raise InputError(f"{name}: the history of {match[1]} is not that long")
            try:
                commit = parse_commit(repo, commit.parents[0])
            except KeyError:
                raise InputError(f"{name}: this is a shallow clone, without that commit") from None
    return commit


def _find_commit(repo: Repo, name: str) -> Commit:
    try:
        return parse_commit(repo, name)
    except AmbiguousShortId:
        raise InputError(f"{name}: several commits begin so; write more digits") from None
    except (KeyError, ValueError):
        pass
    named = {
        sha for ref, sha in repo.refs.as_dict().items() if ref_to_name(ref) == ("experiment", name)
    }
    if len(named) > 1:
        hashes = ", ".join(sorted(sha.decode("ascii")[:7] for sha in named))
        raise InputError(f"{name}: several experiments have this name; take one's hash: {hashes}")
    commit = peel(repo, named.pop()) if named else None
    if commit is None:
        raise InputError(f"{name}: no branch, tag, experiment or commit of this repository")
    return commit


def ref_to_name(ref: bytes) -> tuple[str, str]:
    """Say what a ref is ("experiment", "branch", "tag") and its name; empty texts for others."""
    if match := _EXPERIMENT.fullmatch(ref):
        return "experiment", match[1].decode("utf-8", "replace")
    for prefix, kind in ((b"refs/heads/", "branch"), (b"refs/tags/", "tag")):
        if ref.startswith(prefix):
            return kind, ref[len(prefix) :].decode("utf-8", "replace")
    return "", ""


def peel(repo: Repo, sha: bytes) -> Commit | None:
    """Return the commit that a ref or an annotated tag is of."""
    try:
        found: Any = repo[ObjectID(sha)]
        while not isinstance(found, Commit):
            found = repo[found.object[1]]
    except (KeyError, AttributeError):
        return None
    return found


def load_blob(repo: Repo, commit: Commit, path: str) -> bytes | None:
    """Read a file as a commit has it; None where it has none."""
    try:
        _, sha = tree_lookup_path(repo.__getitem__, commit.tree, path.encode("utf-8"))
        return bytes(repo[sha].data)  # type: ignore[attr-defined]
    except (KeyError, AttributeError, NotTreeError):
        return None


def short_hash(commit: Commit) -> str:
    """The commit's first seven digits."""
    return commit.id.decode("ascii")[:7]
