"""Names of commits -> commits, in a repository that Git itself made."""

from __future__ import annotations

from pathlib import Path

import pytest

from rhymes.common.errors import InputError
from rhymes.versions.git import (
    find_branch,
    load_blob,
    load_content,
    load_message,
    load_tag_names,
    load_tree,
    name_to_commit,
    open_repository,
)
from tests.support.export_project import run

EXPERIMENT = "refs/exps/ab/cdef0123456789abcdef0123456789abcdef01"


def git(folder: Path, *command: str) -> str:
    return run(folder, "git", *command).strip()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three commits with their number in a file; names of several kinds."""
    folder = tmp_path_factory.mktemp("revisions")
    git(folder, "init", "-q", "-b", "main")
    (folder / "sub").mkdir()
    for number in "123":
        (folder / "sub/é").write_text(number)
        git(folder, "add", ".")
        git(folder, "commit", "-qm", number)
    git(folder, "tag", "-a", "detector@v1.0.0", "-m", "annotated", "HEAD~1")
    git(folder, "tag", "light", "HEAD~2")
    git(folder, "branch", "feature/a-b")
    git(folder, "update-ref", "refs/remotes/origin/main", "HEAD~1")
    git(folder, "update-ref", f"{EXPERIMENT}/some-name", "HEAD~2")
    git(folder, "update-ref", f"{EXPERIMENT}/twice", "HEAD~2")
    git(folder, "update-ref", f"{EXPERIMENT.replace('ab/c', 'ab/d')}/twice", "HEAD~1")
    return folder


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("HEAD", b"3"), ("HEAD~1", b"2"), ("HEAD~2", b"1"), ("HEAD^", b"2"), ("HEAD^^", b"1"),
        ("HEAD~^", b"1"), ("HEAD~0", b"3"), ("main", b"3"), ("main~1", b"2"),
        ("feature/a-b", b"3"), ("origin/main", b"2"), ("detector@v1.0.0", b"2"),
        ("detector@v1.0.0^", b"1"), ("light", b"1"), ("some-name", b"1"),
        ("refs/tags/light", b"1"),
    ],
)  # fmt: skip
def test_names_are_found(made: Path, name: str, number: bytes) -> None:
    with open_repository(made) as repo:
        commit = name_to_commit(repo, name)
        assert load_blob(repo, commit, "sub/é") == number
        assert commit.id.decode() == git(made, "rev-parse", f"{commit.id.decode()}^0")


@pytest.mark.parametrize("digits", [4, 7, 12, 40])
def test_hashes_are_found(made: Path, digits: int) -> None:
    full = git(made, "rev-parse", "HEAD~1")
    with open_repository(made) as repo:
        assert name_to_commit(repo, full[:digits]).id.decode() == full


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "no branch, tag, experiment or commit"),
        ("", "needs a name"),
        ("HEAD~3", "is not that long"),
        ("twice", "several experiments have this name; take one's hash"),
        ("1234567", "no branch, tag"),
        ("../x", "no branch, tag"),
    ],
)
def test_what_is_no_revision_is_said(made: Path, name: str, message: str) -> None:
    with open_repository(made) as repo, pytest.raises(InputError, match=message):
        name_to_commit(repo, name)


def test_what_a_commit_does_not_have_is_none(made: Path) -> None:
    with open_repository(made) as repo:
        commit = name_to_commit(repo, "HEAD")
        assert load_blob(repo, commit, "missing") is None
        assert load_blob(repo, commit, "sub") is None
        assert load_blob(repo, commit, "sub/é/more") is None


def test_no_repository_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no Git repository"):
        open_repository(tmp_path)


def test_the_tree_is_that_of_git(made: Path) -> None:
    with open_repository(made) as repo:
        tree = load_tree(repo, name_to_commit(repo, "HEAD"))
        assert {path: load_content(repo, sha) for path, sha in tree.items()} == {"sub/é": b"3"}
    assert git(made, "rev-parse", "HEAD:sub/é") == tree["sub/é"].decode()


def test_tags_have_their_messages(made: Path) -> None:
    with open_repository(made) as repo:
        tags = load_tag_names(repo)
        messages = {name: load_message(repo, sha) for name, sha in tags.items()}
    assert messages == {"detector@v1.0.0": "annotated\n", "light": ""}


def test_the_branch_is_named_and_a_lone_commit_has_none(made: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(made), str(clone))
    git(clone, "checkout", "-q", "-b", "a/b")
    with open_repository(clone) as repo:
        assert find_branch(repo) == "a/b"
    git(clone, "checkout", "-q", "--detach")
    with open_repository(clone) as repo:
        assert find_branch(repo) is None


def test_what_a_partial_clone_lacks_is_said_with_the_cure(made: Path, tmp_path: Path) -> None:
    git(made, "config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--filter=blob:none", made.as_uri(), str(clone))
    with open_repository(clone) as repo, pytest.raises(InputError) as caught:
        load_blob(repo, name_to_commit(repo, "light"), "sub/é")
    assert "not in this clone" in str(caught.value)
    git(clone, *str(caught.value).split("`")[1].split()[1:])
    with open_repository(clone) as repo:
        assert load_blob(repo, name_to_commit(repo, "light"), "sub/é") == b"1"
