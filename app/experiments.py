"""Past experiments side by side, read from Git's objects and DVC's cache alone.

DVC keeps an experiment as a commit (`rhymes.versions.git`) with its own params.yaml and dvc.lock;
the metrics lie in the cache, by the hashes in that lock. No DVC is started and no lock taken, so
that a running experiment is neither waited for nor disturbed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
from dulwich.errors import NotGitRepository
from dulwich.objects import Commit
from dulwich.repo import Repo
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from app.repository import MissingFile
from rhymes.common.errors import InputError
from rhymes.common.params import flatten
from rhymes.metrics import catalogue
from rhymes.versions.dvc import Lock, load_cache_folder, load_output, text_to_lock
from rhymes.versions.git import load_blob, peel, ref_to_name, short_hash

METRICS = {"val": "reports/train/headline.json", "test": "reports/evaluate/headline.json"}
"""Which file has the metrics of a split, by the split's name in it; dvc.yaml lists them too."""

_MAX_PARAMS = 12


@dataclass(frozen=True)
class Experiment:
    """One revision of the repository, as far as it can be read.

    Attributes:
        name: Of the experiment, branch or tag; "workspace" for the files as they lie.
        kind: "workspace", "branch", "tag" or "experiment".
        revision: The commit's first seven digits; empty for the workspace.
        when: Of the commit; None for the workspace.
        params: By dotted name, such as "train.steps".
        metrics: By split and name, such as "test AP".
        problem: Why something is missing; empty where nothing is.
    """

    name: str
    kind: str
    revision: str
    when: datetime | None
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    problem: str = ""


def load_experiments(root: Path = Path()) -> list[Experiment]:
    """Read the workspace, every branch and tag that holds a dvc.lock, and all experiments.

    Returns:
        The workspace first, then the newest commits.

    Raises:
        MissingFile: there is no Git repository, as in the page's container.
    """
    try:
        with Repo(str(root)) as repo:
            cache = load_cache_folder((root / ".dvc").resolve())
            found = [_read_commit(repo, cache, *named) for named in _named_commits(repo)]
    except NotGitRepository:
        raise MissingFile(root / ".git", "git clone") from None
    committed = [each for each in found if each is not None]
    committed.sort(key=lambda each: (each.when, each.name), reverse=True)
    return [_read_workspace(root), *committed]


def experiments_to_table(experiments: list[Experiment]) -> pd.DataFrame:
    """One row an experiment: its metrics, and those parameters that differ between rows."""
    metrics = [
        f"{split} {name}"
        for split in reversed(METRICS)
        for name in _shown()
        if any(f"{split} {name}" in each.metrics for each in experiments)
    ]
    rows = [
        {
            "Name": each.name,
            "Kind": each.kind,
            "When (UTC)": each.when.strftime("%Y-%m-%d %H:%M") if each.when else "",
            **{name: each.metrics.get(name) for name in metrics},
            **{name: str(each.params.get(name, "")) for name in _differing(experiments)},
            "Revision": each.revision,
            "Missing": each.problem,
        }
        for each in experiments
    ]
    table = pd.DataFrame(rows)
    return table if any(each.problem for each in experiments) else table.drop(columns="Missing")


def _shown() -> list[str]:
    """Keys of the figures that are shown, as a stage's headline.json has them."""
    return [*(metric.key for metric in catalogue.metrics(is_headline=True)), "step"]


def _differing(experiments: list[Experiment]) -> list[str]:
    """Names of the parameters that tell the rows apart."""
    known = [each.params for each in experiments if each.params]
    names = sorted({name for params in known for name in params})
    differing = [name for name in names if len({repr(params.get(name)) for params in known}) > 1]
    return differing[:_MAX_PARAMS]


def _named_commits(repo: Repo) -> Iterator[tuple[str, str, Commit]]:
    """Name, kind and commit of everything that may be shown; a commit once for each kind."""
    for ref, sha in sorted(repo.refs.as_dict().items()):
        kind, name = ref_to_name(ref)
        if kind:
            commit = peel(repo, sha)
            if commit is not None:
                yield name, kind, commit


def _read_commit(
    repo: Repo, cache: Path, name: str, kind: str, commit: Commit
) -> Experiment | None:
    when = datetime.fromtimestamp(commit.commit_time, UTC)
    revision = short_hash(commit)
    params: dict[str, Any] = {}
    try:
        text = load_blob(repo, commit, "dvc.lock")
        if text is None:
            return None
        params = _text_to_params(load_blob(repo, commit, "params.yaml"))
        lock = _cached_lock(text)
        metrics, problem = _load_metrics(lock, cache)
    except InputError as error:
        metrics, problem = {}, str(error)
    return Experiment(name, kind, revision, when, params, metrics, problem)


@lru_cache(maxsize=1024)
def _cached_lock(text: bytes) -> Lock:
    return text_to_lock(text, "its dvc.lock")


def _read_workspace(root: Path) -> Experiment:
    """The files as they lie; a stage that runs at the moment has removed some."""
    metrics: dict[str, float] = {}
    problems: list[str] = []
    for split, path in METRICS.items():
        try:
            metrics |= _text_to_metrics((root / path).read_bytes(), split)
        except (OSError, ValueError):
            problems.append(f"{path}: not there at the moment")
    try:
        params = _text_to_params((root / "params.yaml").read_bytes())
    except OSError:
        params = {}
    return Experiment("workspace", "workspace", "", None, params, metrics, "; ".join(problems))


def _load_metrics(lock: Lock, cache: Path) -> tuple[dict[str, float], str]:
    metrics: dict[str, float] = {}
    problems: list[str] = []
    for split, path in METRICS.items():
        try:
            data = load_output(lock, cache, path)
            if data is None:
                problems.append(f"{path}: no stage had written it")
            else:
                metrics |= _text_to_metrics(data, split)
        except ValueError as error:  # an InputError is one
            problems.append(str(error))
    return metrics, "; ".join(problems)


def _text_to_metrics(text: bytes, split: str) -> dict[str, float]:
    value = json.loads(text)
    known = value.get(split) if isinstance(value, dict) else None
    if not isinstance(known, dict):
        return {}
    return {
        f"{split} {name}": float(known[name])
        for name in _shown()
        if isinstance(known.get(name), int | float)
    }


@lru_cache(maxsize=1024)
def _text_to_params(text: bytes | None) -> dict[str, Any]:
    try:
        value = YAML(typ="safe").load(text) if text else {}
    except (YAMLError, UnicodeDecodeError):
        return {}
    return dict(flatten(value)) if isinstance(value, dict) else {}
