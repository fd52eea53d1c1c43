"""Whether a commit holds what the model was made of: what is recorded as dirty, and why."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dulwich.objects import Commit
from dulwich.repo import Repo
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from rhymes.registry.commands import Git
from rhymes.registry.provenance import PROVENANCE_FILE
from rhymes.versions.dvc import LockedStage, files_to_md5
from rhymes.versions.git import load_blob, load_content, load_tree, name_to_commit, root_of
from rhymes.versions.published import PUBLISHED_FILE

OWN_FILES = (PUBLISHED_FILE, PUBLISHED_FILE.with_name(PROVENANCE_FILE))
"""What publishing writes into the working tree."""

_PARAMS = "params.yaml"


@dataclass(frozen=True)
class Difference:
    """How a working tree and its outputs differ from a commit.

    Attributes:
        uncommitted: Tracked files with changes; what publishing writes is left out.
        not_as_committed: Dependencies and parameter sections of dvc.lock's stages that the commit
            has otherwise, or not at all: from the commit alone the outputs cannot be made again.
        untracked: Other files that Git does not know.
    """

    uncommitted: tuple[str, ...]
    not_as_committed: tuple[str, ...]
    untracked: tuple[str, ...]

    @property
    def is_dirty(self) -> bool:
        """Whether it matters; as for Git, an untracked file that nothing depends on does not."""
        return bool(self.uncommitted or self.not_as_committed)


def compare_with_commit(repo: Repo, revision: str, stages: Mapping[str, LockedStage]) -> Difference:
    """Find what differs.

    Raises:
        InputError: Git failed.
    """
    own = {path.as_posix() for path in OWN_FILES}
    # Only Git's own command knows its filters, as of ends of lines, and what is ignored.
    git = Git(root_of(repo))
    changed = git.list_paths("diff", "--name-only", "--no-renames", "-z", revision)
    untracked = git.list_paths("ls-files", "--others", "--exclude-standard", "-z")
    return Difference(
        tuple(path for path in changed if path not in own),
        tuple(_list_differing(repo, name_to_commit(repo, revision), stages)),
        tuple(path for path in untracked if path not in own),
    )


def _list_differing(repo: Repo, commit: Commit, stages: Mapping[str, LockedStage]) -> list[str]:
    made = {path for stage in stages.values() for path in stage.outs}
    deps = {
        path: md5
        for stage in stages.values()
        for path, md5 in stage.deps.items()
        if not _is_below(path, made)
    }
    committed = _load_md5s(repo, commit, deps)
    differing = [path for path, md5 in sorted(deps.items()) if committed.get(path) != md5]
    params = _text_to_mapping(load_blob(repo, commit, _PARAMS))
    sections = {
        section: values for stage in stages.values() for section, values in stage.params.items()
    }
    return differing + [
        f"{_PARAMS}:{section}"
        for section, values in sorted(sections.items())
        if params.get(section) != values
    ]


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _load_md5s(repo: Repo, commit: Commit, paths: Iterable[str]) -> dict[str, str]:
    """DVC's md5 of files and folders as a commit has them, also of those that DVC tracks."""
    tree = load_tree(repo, commit)
    wanted = {
        path: {name: sha for name, sha in tree.items() if _is_below(name, [path])}
        or ({f"{path}.dvc": tree[f"{path}.dvc"]} if f"{path}.dvc" in tree else {})
        for path in paths
    }
    found = {}
    for path, files in wanted.items():
        if path in files:
            found[path] = _md5(load_content(repo, files[path]))
        elif f"{path}.dvc" in files:
            found[path] = _tracked_to_md5(load_content(repo, files[f"{path}.dvc"]))
        elif files:
            inside = {
                name[len(path) + 1 :]: _md5(load_content(repo, sha)) for name, sha in files.items()
            }
            found[path] = files_to_md5(inside)
    return found


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _tracked_to_md5(text: bytes) -> str:
    """The hash in a .dvc file (dvc/schema.py: one output); empty where there is none."""
    outs = _text_to_mapping(text).get("outs")
    is_one = isinstance(outs, list) and len(outs) == 1 and isinstance(outs[0], dict)
    return str(outs[0].get("md5", "")) if is_one and outs else ""


def _text_to_mapping(text: bytes | None) -> dict[str, Any]:
    try:
        value = YAML(typ="safe", pure=True).load(text) if text else {}
    except (YAMLError, UnicodeDecodeError):
        return {}
    return value if isinstance(value, dict) else {}
