"""Prove that the pipeline gives the same bytes twice: `python -m tools.reproduce`.

    python -m tools.reproduce                                all that is listed under RUNS
    python -m tools.reproduce bccd3-retinanet                one of them
    python -m tools.reproduce --set train.steps=20           params.yaml as committed, with a change
    python -m tools.reproduce --pythons 3.11 3.13 --until tfrecord      the data, by two Pythons

Each run makes two fresh clones of the last commit, in surroundings that differ in whatever must not
matter (`tools.clones`), runs `dvc repro` in both, one after the other, and compares what the two
dvc.lock say, wholly. With --pythons the clones differ in the Python alone, each with what the lock
has for it. Where an output differs, the files in it that do are named, and the clones stay to be
looked at. Exit status 1 where anything differs.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rhymes.common.errors import InputError
from tools.clones import (
    ROOT,
    SURROUNDINGS,
    Clone,
    Surroundings,
    list_uncommitted,
    pythons_to_surroundings,
    set_params,
)
from tools.lock_comparison import (
    OUTS,
    differing_files,
    entries_to_summary,
    entries_to_table,
    locks_to_entries,
)

_DATASETS = ROOT.parent / "shared" / "datasets"
_NAMED_FILES = 10


@dataclass(frozen=True)
class Run:
    """What to reproduce.

    Attributes:
        changes: of params.yaml, `section.key` -> YAML.
        export: folder of a real export, if it is not the drawn one.
    """

    changes: Mapping[str, str]
    export: Path | None = None

    def to_changes(self) -> dict[str, str]:
        """All changes of params.yaml."""
        export = {"raw.export": str(self.export)} if self.export else {}
        return {**self.changes, **export}


@dataclass(frozen=True)
class Plan:
    """How to reproduce it.

    Attributes:
        surroundings: of the clones, at least two.
        until: the last stage that runs; None for all.
    """

    surroundings: Sequence[Surroundings] = SURROUNDINGS
    until: str | None = None


class Outcome(NamedTuple):
    """What came of a run: whether nothing speaks against the promise, and in words."""

    is_well: bool
    text: str


def _model(name: str) -> dict[str, str]:
    return {"train.model": name, "train.steps": "200"}


# The blood cells have boxes alone, so masks are learnt from another real export.
RUNS = {
    "sample-mask_rcnn": Run(_model("mask_rcnn")),
    "sample-retinanet": Run(_model("retinanet")),
    "bccd3-retinanet": Run(_model("retinanet"), _DATASETS / "bccd3"),
    "breadboard5-mask_rcnn": Run(_model("mask_rcnn"), _DATASETS / "breadboard5"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line names; return the exit status."""
    options = _parse(arguments)
    try:
        runs = _choose(options)
        if uncommitted := list_uncommitted(ROOT):
            print(
                f"Not in the clones, for it is not committed: {', '.join(uncommitted[:10])}"
                f"{' ...' if len(uncommitted) > 10 else ''}",
                file=sys.stderr,
            )
        with tempfile.TemporaryDirectory(prefix="rhymes-pythons-") as folder:
            made = pythons_to_surroundings(options.pythons, ROOT, Path(folder))
            plan = Plan(made or SURROUNDINGS, options.until)
            outcomes = {name: _reproduce_here(name, run, plan) for name, run in runs.items()}
    except InputError as error:
        print(f"reproduce: {error}", file=sys.stderr)
        return 1
    print()
    for name, outcome in outcomes.items():
        print(f"{name}: {outcome.text}")
    return int(not all(outcome.is_well for outcome in outcomes.values()))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m tools.reproduce", description=__doc__.split("\n")[0]
    )
    parser.add_argument("runs", nargs="*", metavar="RUN", help=f"of {', '.join(RUNS)}")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="changes of params.yaml"
    )
    parser.add_argument(
        "--pythons", nargs="+", default=[], metavar="PYTHON", help="at least two: 3.11, or a path"
    )
    parser.add_argument("--until", metavar="STAGE", help="the last stage that runs; all without it")
    options = parser.parse_args(arguments)
    if len(options.pythons) == 1:
        parser.error("--pythons: one Python is compared with none; name two")
    return options


def _choose(options: argparse.Namespace) -> dict[str, Run]:
    changes = texts_to_changes(options.set)
    if unknown := set(options.runs) - RUNS.keys():
        raise InputError(f"no run {', '.join(sorted(unknown))}; there are {', '.join(RUNS)}")
    if changes and not options.runs:
        return {"params.yaml": Run(changes)}
    names = options.runs or RUNS
    if options.pythons and not options.runs:
        # The data alone is compared as a rule, and it is the same for each model.
        names = {RUNS[name].export: name for name in reversed(RUNS)}.values()
    chosen = {name: RUNS[name] for name in names}
    return {name: Run({**run.changes, **changes}, run.export) for name, run in chosen.items()}


def texts_to_changes(texts: Sequence[str]) -> dict[str, str]:
    """Split `section.key=value`.

    Raises:
        InputError: it has no `=`.
    """
    changes = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text}: expected section.key=value")
        changes[key] = value
    return changes


def _reproduce_here(name: str, run: Run, plan: Plan) -> Outcome:
    """Make the clones in a folder of their own, which stays where they differ."""
    if run.export and not run.export.is_dir():
        return Outcome(True, f"NOT RUN, for {run.export} is not here")
    folder = Path(tempfile.mkdtemp(prefix="rhymes-reproduce-"))
    start = time.monotonic()
    outcome = reproduce(ROOT, folder, run.to_changes(), name, plan)
    minutes = (time.monotonic() - start) / 60
    if not outcome.is_well:
        return Outcome(False, f"{outcome.text}; the clones are in {folder}")
    shutil.rmtree(folder)
    return Outcome(True, f"{outcome.text}; the clones took {minutes:.1f} minutes")


def reproduce(
    source: Path,
    folder: Path,
    changes: Mapping[str, str],
    name: str = "params.yaml",
    plan: Plan = Plan(),
) -> Outcome:
    """Run the pipeline in clones; print the comparison.

    Args:
        source: the repository.
        folder: for the clones.
        changes: of params.yaml.
        name: of the run, for the reader.
        plan: the clones, and how far they run.

    Raises:
        InputError: a clone could not be made, or its `dvc repro` failed.
    """
    clones = []
    for number, surroundings in enumerate(plan.surroundings, start=1):
        clone = Clone(source, folder, surroundings)
        set_params(clone.path, changes, source)
        print(f"\n=== {name}: clone {number} of {len(plan.surroundings)}, {clone.path}", flush=True)
        clone.repro(*filter(None, [plan.until]))
        clones.append(clone)
    return compare(clones)


def compare(clones: Sequence[Clone]) -> Outcome:
    """Compare each clone's dvc.lock with the first one's; print a table, and files that differ."""
    first, *others = clones
    outcomes = [_compare_two(first, other) for other in others]
    texts = dict.fromkeys(outcome.text for outcome in outcomes)
    return Outcome(all(outcome.is_well for outcome in outcomes), "; ".join(texts))


def _compare_two(first: Clone, second: Clone) -> Outcome:
    locks = first.lock(), second.lock()
    entries = locks_to_entries(*locks)
    print(f"\n{first.path.name} | {second.path.name}\n{entries_to_table(entries)}")
    if locks[0] == locks[1]:
        return Outcome(True, f"all equal ({entries_to_summary(entries)})")
    for entry in entries:
        if entry.kind == OUTS and not entry.is_equal:
            files = differing_files(entry, [first.cache, second.cache])
            print(f"{entry.name}: {len(files)} files differ: {', '.join(files[:_NAMED_FILES])}")
    return Outcome(False, f"DIFFERENT ({entries_to_summary(entries)})")


if __name__ == "__main__":
    sys.exit(main())
