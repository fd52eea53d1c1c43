"""What may be published: bytes that are committed, whole, verified, and through the gate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dulwich.objects import Commit
from dulwich.repo import Repo

from rhymes.common.errors import InputError
from rhymes.registry.tags import LOCK, MODEL, lock_to_model_md5
from rhymes.versions.dvc import (
    LockedStage,
    folder_to_md5,
    load_cache_folder,
    load_folder_files,
    object_path,
    text_to_lock,
    text_to_stages,
)
from rhymes.versions.git import load_blob, name_to_commit, open_repository, root_of
from rhymes.versions.model_folder import check_files, load_identity, load_manifest, name_to_version

EVALUATE, VERIFY, GATE = (Path(f"reports/{name}") for name in ("evaluate", "verify", "gate"))

_REPRO = "run `dvc repro` and commit dvc.lock"


@dataclass(frozen=True)
class Candidate:
    """The model in models/detector, at a commit whose dvc.lock leads to it.

    Attributes:
        version: TensorFlow Serving's integer.
        md5: DVC's, of models/detector.
        identity: SHA-256 of the version's manifest.
        revision: The commit, 40 hexadecimal digits.
        stages: What dvc.lock says of each stage.
    """

    version: int
    md5: str
    identity: str
    revision: str
    stages: Mapping[str, LockedStage]


@dataclass(frozen=True)
class Evidence:
    """What the stages found out about a candidate.

    Attributes:
        measured: reports/evaluate/model.json.
        metrics: reports/evaluate/metrics.json.
        verify: reports/verify/metrics.json.
        gate: reports/gate/gate.json.
    """

    measured: Mapping[str, Any]
    metrics: Mapping[str, Any]
    verify: Mapping[str, Any]
    gate: Mapping[str, Any]


def open_project(root: Path) -> Repo:
    """Open a repository of Git and DVC by its root; close it again.

    Raises:
        InputError: it is none, or `root` lies inside one.
    """
    if not (root / ".dvc").is_dir():
        raise InputError(f"{root.resolve()} has no .dvc; run this in the repository's root")
    return open_repository(root)


def load_candidate(repo: Repo) -> Candidate:
    """Check that the model lies in the working tree, the cache and the commit alike.

    Raises:
        InputError: it does not; the message says what to do.
    """
    root = root_of(repo)
    try:
        commit = name_to_commit(repo, "HEAD")
    except InputError:
        raise InputError("there is no commit yet; commit the project and dvc.lock first") from None
    text = _load_committed_lock(repo, commit)
    md5 = lock_to_model_md5(text_to_lock(text, str(LOCK)), "the working tree")
    folder = _find_folder(root / MODEL)
    if folder_to_md5(root / MODEL) != md5:
        raise InputError(
            f"{MODEL} holds other bytes than {LOCK} says; `dvc checkout {MODEL}` brings those back"
        )
    identity = load_identity(folder)
    check_files(folder, load_manifest(folder) or [])
    _check_cache(root, md5)
    revision = commit.id.decode("ascii")
    return Candidate(int(folder.name), md5, identity, revision, text_to_stages(text, str(LOCK)))


def load_evidence(root: Path, candidate: Candidate) -> Evidence:
    """Read what evaluate, verify and gate found out, and check that it is good.

    Raises:
        InputError: a stage has not run on these bytes, its report was changed, or it did not pass.
    """
    gate = _load_json(root / GATE / "gate.json")
    if gate.get("identity") == candidate.identity and gate.get("passed") is not True:
        reasons = "; ".join(map(str, gate.get("reasons") or [])) or "it gives no reason"
        raise InputError(f"{GATE}: version {candidate.version} did not pass the gate: {reasons}")
    for report in (EVALUATE, VERIFY, GATE):
        _check_report(root, report, candidate)
    measured = _load_json(root / EVALUATE / "model.json")
    for path, value in ((EVALUATE / "model.json", measured), (GATE / "gate.json", gate)):
        if value.get("identity") != candidate.identity:
            raise InputError(f"{path} is about another model; {_REPRO}")
    if gate.get("test_sha256") != measured.get("test_sha256"):
        raise InputError(f"{GATE} and {EVALUATE} are about two test splits; {_REPRO}")
    return Evidence(
        measured,
        _load_json(root / EVALUATE / "metrics.json"),
        _load_json(root / VERIFY / "metrics.json"),
        gate,
    )


def _load_committed_lock(repo: Repo, commit: Commit) -> bytes:
    try:
        text = (root_of(repo) / LOCK).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{LOCK} is not there; {_REPRO}") from None
    committed = load_blob(repo, commit, LOCK.as_posix())
    # Git may have changed the ends of lines.
    if committed is None or committed.splitlines() != text.splitlines():
        raise InputError(
            f"{LOCK} is not committed as it stands, and a tag leads to the bytes through it; "
            f"first: git add {LOCK} && git commit"
        )
    return text


def _find_folder(base: Path) -> Path:
    folders = [path for path in base.glob("*") if path.is_dir() and name_to_version(path.name)]
    if len(folders) != 1 or str(int(folders[0].name)) != folders[0].name:
        found = ", ".join(sorted(path.name for path in folders)) or "none"
        raise InputError(
            f"{base}: expected one folder of a version, such as 1, found {found}; `dvc checkout "
            f"{MODEL}` brings back the one that {LOCK} names, `dvc repro` makes it"
        )
    return folders[0]


def _check_cache(root: Path, md5: str) -> None:
    cache = load_cache_folder((root / ".dvc").resolve())
    for path, file_md5 in load_folder_files(cache, md5, str(MODEL)).items():
        if not object_path(cache, file_md5).is_file():
            raise InputError(
                f"{MODEL}/{path}: not in this machine's cache; `dvc commit` puts it in"
            )


def _check_report(root: Path, report: Path, candidate: Candidate) -> None:
    """A stage that failed is not in dvc.lock, so what is there, current and unchanged passed."""
    stage = candidate.stages.get(report.name)
    made = {path: md5 for each in candidate.stages.values() for path, md5 in each.outs.items()}
    if stage is None or any(made.get(path, md5) != md5 for path, md5 in stage.deps.items()):
        raise InputError(
            f"{report}: the stage {report.name} did not run to a good end on version "
            f"{candidate.version} as it is in {MODEL}; {_REPRO}"
        )
    if folder_to_md5(root / report) != stage.outs.get(report.as_posix()):
        raise InputError(
            f"{report} is not there, or not what the stage {report.name} wrote by {LOCK}; `dvc "
            f"checkout {report}` brings that back"
        )


def _load_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: not there; {_REPRO}") from None
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); {_REPRO}") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected a mapping; {_REPRO}")
    return value
