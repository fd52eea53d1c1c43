"""Git's commits, tags and the files in them, read by dulwich: no command, no lock, no checkout.

DVC keeps an experiment as a commit under refs/exps/<baseline>/<name>
(dvc/repo/experiments/refs.py).
"""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any, cast

from dulwich.errors import NotGitRepository, NotTreeError
from dulwich.object_store import iter_tree_contents, tree_lookup_path
from dulwich.objects import S_ISGITLINK, Blob, Commit, ObjectID, Tag
from dulwich.objectspec import AmbiguousShortId, parse_commit
from dulwich.refs import HEADREF, LOCAL_TAG_PREFIX, Ref
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
    """Read a file as a commit has it; None where it has none.

    Raises:
        InputError: it is not in this clone.
    """
    try:
        mode, sha = tree_lookup_path(repo.__getitem__, commit.tree, path.encode("utf-8"))
    except (KeyError, NotTreeError):
        return None
    is_file = not stat.S_ISDIR(mode) and not S_ISGITLINK(mode)
    return load_content(repo, sha) if is_file else None


def load_tree(repo: Repo, commit: Commit) -> dict[str, ObjectID]:
    """List all files of a commit: path -> name of the blob."""
    entries = iter_tree_contents(repo.object_store, commit.tree)
    return {
        entry.path.decode("utf-8", "replace"): entry.sha
        for entry in entries
        if not S_ISGITLINK(entry.mode)
    }


def load_content(repo: Repo, sha: ObjectID) -> bytes:
    """Read a blob by its name.

    Raises:
        InputError: it is not in this clone.
    """
    try:
        return bytes(cast("Blob", repo[sha]).data)
    except KeyError:
        raise InputError(
            f"{root_of(repo).resolve()}: Git's object {sha.decode('ascii')} is not in this clone; "
            "in a partial one, `git fetch --refetch --no-filter` brings all"
        ) from None


def load_tag_names(repo: Repo) -> dict[str, ObjectID]:
    """List all tags: name -> what the ref is of, the tag object of an annotated one."""
    refs = repo.refs.as_dict(Ref(LOCAL_TAG_PREFIX))
    return {name.decode("utf-8", "replace"): sha for name, sha in refs.items()}


def load_message(repo: Repo, sha: ObjectID) -> str:
    """The message of an annotated tag; empty for a lightweight one."""
    try:
        tag = repo[sha]
    except KeyError:
        return ""
    return (tag.message or b"").decode("utf-8", "replace") if isinstance(tag, Tag) else ""


def find_branch(repo: Repo) -> str | None:
    """Name the branch that is checked out; None where none is."""
    head = repo.refs.read_ref(HEADREF) or b""
    kind, name = ref_to_name(head.removeprefix(b"ref: ").strip())
    return name if kind == "branch" else None


def root_of(repo: Repo) -> Path:
    """The root of the working tree, as it was opened."""
    return Path(repo.path)


def short_hash(commit: Commit) -> str:
    """The commit's first seven digits."""
    return commit.id.decode("ascii")[:7]
