"""Say why a stage ran again, or would run at the next `dvc repro`: `make why train`.

    rhymes why train               since the last commit, and what has not run yet
    rhymes why train --since v1    since a tag, branch, experiment or commit
    rhymes why                     all stages, each with its own reasons

It compares dvc.lock of that commit with dvc.lock as it lies, and that one with the files as they
lie, and names the parameter, module, file or image. It takes no lock: a stage may run meanwhile.
Of the training it also says where Python or a library is another one than it ran with.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from dulwich.objects import Commit
from dulwich.repo import Repo

from rhymes.common.arguments import command_parser
from rhymes.common.errors import InputError
from rhymes.project.checkout import check_checkout
from rhymes.project.why.content import Contents
from rhymes.project.why.environment import compare_trainings, compare_with_here
from rhymes.project.why.pipeline import load_pipeline
from rhymes.project.why.story import Moments, Stages, Story
from rhymes.versions.dvc import LockedStage, load_cache_folder, text_to_stages
from rhymes.versions.git import load_blob, name_to_commit, open_repository, short_hash

LOCK = "dvc.lock"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the reasons; return the exit code."""
    options = _parse(arguments)
    check_checkout(Path())
    for line in explain(Path(), options.stage, options.since):
        print(line)
    return 0


def explain(root: Path, stage: str | None, since: str) -> Iterator[str]:
    """Yield the lines of the answer.

    Args:
        root: The repository's root.
        stage: Its name; None for all.
        since: The revision whose dvc.lock is compared with the one that lies there.

    Raises:
        InputError: There is no such stage or revision, or a file cannot be read.
    """
    pipeline = load_pipeline(root)
    if stage is not None and stage not in pipeline.stages:
        raise InputError(f"no stage {stage} in dvc.yaml; it has {', '.join(pipeline.stages)}")
    lying = _load_lock(root)
    with open_repository(root) as repo:
        commit = name_to_commit(repo, since)
        contents = Contents(
            root, load_cache_folder((root / ".dvc").resolve()), pipeline, repo,
            [commit, name_to_commit(repo, "HEAD")],
        )  # fmt: skip
        committed = _load_committed(repo, commit)
        named = f"{since} ({short_hash(commit)})"
        past = Story(Moments(committed or {}, lying, is_planned=False), pipeline, contents)
        plan = Story(Moments(lying, pipeline.stages, is_planned=True), pipeline, contents)
        if committed is None:
            yield f"{named} has no {LOCK}: what ran before it is not known. Commit it after a run."
        for name in [stage] if stage else pipeline.stages:
            if committed is not None:
                yield from _tell_past(name, named, committed, lying, past)
                if name in committed and name in lying:
                    for line in compare_trainings(committed[name], lying[name], contents):
                        yield f"  - {line}"
            yield from _tell_plan(name, plan)
            yield from compare_with_here(pipeline.stages[name], contents)


def _tell_past(name: str, since: str, old: Stages, new: Stages, story: Story) -> Iterator[str]:
    if name not in new:
        return
    if name not in old:
        yield f"{name} ran for the first time since {since}."
    elif reasons := story.tell(name):
        yield f"{name} ran again since {since}:"
        yield from (f"  {line}" for line in reasons)
    else:
        yield f"{name} has had no reason to run since {since}."


def _tell_plan(name: str, story: Story) -> Iterator[str]:
    if reasons := story.tell(name):
        condition = (
            "" if story.has_own_reasons(name) else ", if a stage before it writes other data"
        )
        yield f"{name} would run at the next `dvc repro`{condition}:"
        yield from (f"  {line}" for line in reasons)
    else:
        yield f"{name} is up to date."


def _load_lock(root: Path) -> dict[str, LockedStage]:
    try:
        text = (root / LOCK).read_bytes()
    except FileNotFoundError:
        return {}
    return text_to_stages(text, LOCK)


def _load_committed(repo: Repo, commit: Commit) -> dict[str, LockedStage] | None:
    text = load_blob(repo, commit, LOCK)
    return None if text is None else text_to_stages(text, f"{LOCK} of {short_hash(commit)}")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser("why", *__doc__.split("\n\n", 1))
    parser.add_argument("stage", nargs="?", help="name of a stage in dvc.yaml; all without it")
    parser.add_argument("--since", default="HEAD", help="a revision (%(default)s)")
    return parser.parse_args(arguments)
