"""Publishing a version: checks, the bytes to the DVC remote, reports/published/, then the tag.

The tag comes last and at once: whoever sees it finds all that it promises, and what was killed
before it is finished by the same command again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dulwich.repo import Repo

from rhymes.common.errors import InputError
from rhymes.registry.candidate import (
    GATE,
    Candidate,
    load_candidate,
    load_evidence,
    open_project,
)
from rhymes.registry.commands import Git, run_dvc
from rhymes.registry.provenance import (
    provenance_to_message,
)
from rhymes.registry.reports import make_provenance, save_reports
from rhymes.registry.revision import Difference, compare_with_commit
from rhymes.registry.tags import (
    ARTIFACT,
    MODEL,
    Name,
    Tag,
    load_remote_names,
    load_tagged_md5,
    load_tags,
    of_version,
)
from rhymes.versions.dvc import folder_to_md5, load_default_remote
from rhymes.versions.git import find_branch, load_blob, name_to_commit, root_of
from rhymes.versions.published import PUBLISHED_FILE, load_published

_NEW_NUMBER = "raise export.version in params.yaml, run `dvc repro`, commit and publish that"


@dataclass(frozen=True)
class Outcome:
    """What publishing came to.

    Attributes:
        name: The tag's.
        is_new: Whether it was made now.
        branch: That is checked out; None where there is none.
        git_remote: To which branch and tag should be pushed; None where there is none.
        dvc_remote: To which the model was pushed; None where it was not.
        difference: Of the working tree from the commit; None where nothing was done.
        headline: Version and figures.
    """

    name: Name
    is_new: bool
    branch: str | None
    git_remote: str | None
    dvc_remote: str | None = None
    difference: Difference | None = None
    headline: str = ""


def publish(root: Path, *, is_offline: bool = False, is_measured_anew: bool = False) -> Outcome:
    """Register the version in models/detector, unless that is done already.

    Args:
        root: Of the repository.
        is_offline: Ask no Git remote for tags, and push nothing to the DVC remote.
        is_measured_anew: Register a version that is published already once more, as its next
            minor number, with today's reports.

    Raises:
        InputError: it may not be published; the message says why and what to do.
    """
    with open_project(root) as repo:
        return _publish(repo, is_offline=is_offline, is_measured_anew=is_measured_anew)


def _publish(repo: Repo, *, is_offline: bool, is_measured_anew: bool) -> Outcome:
    root = root_of(repo)
    git = Git(root)
    candidate = load_candidate(repo)
    branch = find_branch(repo)
    git_remote = find_git_remote(git, branch)
    tags = load_tags(repo)
    if git_remote is not None and not is_offline:
        check_remote_tags(git, git_remote, tags)
    name = choose_name(repo, tags, candidate, is_measured_anew)
    if any(tag.name == name for tag in tags):
        return Outcome(name, False, branch, git_remote)
    check_commit(tags, candidate)
    evidence = load_evidence(root, candidate)
    check_baseline(repo, candidate)
    git.run("var", "GIT_COMMITTER_IDENT")  # fails with Git's own advice where nobody is named
    difference = compare_with_commit(repo, candidate.revision, candidate.stages)
    values = make_provenance(name, candidate, evidence, difference)
    dvc_remote = None if is_offline else load_default_remote((root / ".dvc").resolve())
    if dvc_remote is not None:
        run_dvc(root, "push", str(MODEL))
    message = provenance_to_message(values)
    save_reports(root, name, evidence, values)
    # The message as it is: Git would take out what looks like a comment.
    tag = ("tag", "--annotate", "--cleanup=verbatim", "--file=-", str(name), candidate.revision)
    git.run(*tag, data=message)
    headline = message.partition("\n")[0]
    return Outcome(name, True, branch, git_remote, dvc_remote, difference, headline)


def find_git_remote(git: Git, branch: str | None) -> str | None:
    """Name the remote that a branch follows, else `origin`, else the only one; None without."""
    remotes = git.run("remote").split()
    own = "origin"
    if branch is not None:
        own = git.run("config", "--default", own, "--get", f"branch.{branch}.remote").strip()
    if own in remotes:
        return own
    return remotes[0] if len(remotes) == 1 else None


def check_remote_tags(git: Git, remote: str, tags: Sequence[Tag]) -> None:
    """Raise an `InputError` where the remote has published versions that are not known here."""
    try:
        names = load_remote_names(git, remote)
    except InputError as error:
        raise InputError(
            f"{error}\nWhat is published already cannot be asked; try again, or publish with "
            "--offline and push the tag later"
        ) from None
    if missing := sorted(names - {tag.name for tag in tags}):
        raise InputError(
            f"{remote} has the tag {missing[0]}, which is not here; first: "
            f"git fetch --tags {remote}"
        )


def choose_name(
    repo: Repo, tags: Sequence[Tag], candidate: Candidate, is_measured_anew: bool
) -> Name:
    """Name the tag of a candidate: one that there is, if it has the same bytes, or a new one.

    Raises:
        InputError: the version's number has been used for other bytes, or was withdrawn.
    """
    own = of_version(tags, candidate.version)
    for tag in own:
        md5 = load_tagged_md5(repo, tag)
        if md5 != candidate.md5:
            raise InputError(
                f"{ARTIFACT} {candidate.version} is published already with other bytes (tag "
                f"{tag.name}: {md5}, here: {candidate.md5}); {_NEW_NUMBER}"
            )
    if not own:
        return Name(candidate.version)
    if is_measured_anew:
        return Name(candidate.version, own[-1].name.minor + 1)
    valid = [tag.name for tag in own if not tag.is_withdrawn]
    if not valid:
        raise InputError(
            f"{ARTIFACT} {candidate.version} was withdrawn (tag {own[-1].name}!); {_NEW_NUMBER}, "
            "or publish the same bytes again with --measured-anew"
        )
    return valid[-1]


def check_commit(tags: Sequence[Tag], candidate: Candidate) -> None:
    """Raise an `InputError` where the commit has a tag already: GTO allows one an artifact."""
    for tag in tags:
        if tag.commit == candidate.revision:
            raise InputError(
                f"tag {tag.name} is of this commit already, and a commit has one; commit what was "
                "measured anew first"
            )


def check_baseline(repo: Repo, candidate: Candidate) -> None:
    """Check that the gate compared with what is published now, and that Git has that.

    What a killed run wrote of the candidate itself is let pass.

    Raises:
        InputError: the gate's result is about another baseline, or that would be lost.
    """
    root = root_of(repo)
    published = load_published(root / PUBLISHED_FILE)
    own = (candidate.version, candidate.identity)
    if published is not None and (published.version, published.identity) == own:
        return
    deps = candidate.stages[GATE.name].deps
    folder = PUBLISHED_FILE.parent
    if folder_to_md5(root / folder) != deps.get(folder.as_posix()):
        raise InputError(
            f"{folder} changed after the gate looked at it; run `dvc repro gate` and commit "
            "dvc.lock"
        )
    commit = name_to_commit(repo, candidate.revision)
    committed = load_blob(repo, commit, PUBLISHED_FILE.as_posix())
    if published is not None and committed != (root / PUBLISHED_FILE).read_bytes():
        raise InputError(
            f"{PUBLISHED_FILE} of {published.tag} is not committed and would be lost; first: "
            f"git add {folder} && git commit"
        )
