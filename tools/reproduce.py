"""Prove that the pipeline gives the same bytes twice: `python -m tools.reproduce`.

    python -m tools.reproduce                                all that is listed under RUNS
    python -m tools.reproduce bccd3-retinanet                one of them
    python -m tools.reproduce --set train.steps=20           params.yaml as committed, with a change

Each run makes two fresh clones of the last commit, in surroundings that differ in whatever must not
matter (`tools.clones`), runs `dvc repro` in both, one after the other, and compares what the two
dvc.lock say, wholly. Where an output differs, the files in it that do are named, and the clones
stay to be looked at. Exit status 1 where anything differs.
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
from tools.clones import ROOT, SURROUNDINGS, Clone, list_uncommitted, set_params
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
        outcomes = {name: _reproduce_here(name, run) for name, run in runs.items()}
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
    return parser.parse_args(arguments)


def _choose(options: argparse.Namespace) -> dict[str, Run]:
    changes = texts_to_changes(options.set)
    if unknown := set(options.runs) - RUNS.keys():
        raise InputError(f"no run {', '.join(sorted(unknown))}; there are {', '.join(RUNS)}")
    if changes and not options.runs:
        return {"params.yaml": Run(changes)}
    chosen = {name: RUNS[name] for name in options.runs or RUNS}
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


def _reproduce_here(name: str, run: Run) -> Outcome:
    """Make the clones in a folder of their own, which stays where they differ."""
    if run.export and not run.export.is_dir():
        return Outcome(True, f"NOT RUN, for {run.export} is not here")
    folder = Path(tempfile.mkdtemp(prefix="rhymes-reproduce-"))
    start = time.monotonic()
    outcome = reproduce(ROOT, folder, run.to_changes(), name)
    minutes = (time.monotonic() - start) / 60
    if not outcome.is_well:
        return Outcome(False, f"{outcome.text}; the clones are in {folder}")
    shutil.rmtree(folder)
    return Outcome(True, f"{outcome.text}; the two clones took {minutes:.1f} minutes")


def reproduce(
    source: Path, folder: Path, changes: Mapping[str, str], name: str = "params.yaml"
) -> Outcome:
    """Run the pipeline in two clones; print the comparison.

    Args:
        source: the repository.
        folder: for the clones.
        changes: of params.yaml.
        name: of the run, for the reader.

    Raises:
        InputError: a clone could not be made, or its `dvc repro` failed.
    """
    clones = []
    for number, surroundings in enumerate(SURROUNDINGS, start=1):
        clone = Clone(source, folder, surroundings)
        set_params(clone.path, changes, source)
        print(f"\n=== {name}: clone {number} of {len(SURROUNDINGS)}, {clone.path}", flush=True)
        clone.repro()
        clones.append(clone)
    return compare(clones)


def compare(clones: Sequence[Clone]) -> Outcome:
    """Compare the dvc.lock of two clones; print a table, and files that differ."""
    locks = [clone.lock() for clone in clones]
    entries = locks_to_entries(*locks)
    print(f"\n{entries_to_table(entries)}")
    if locks[0] == locks[1]:
        return Outcome(True, f"all equal ({entries_to_summary(entries)})")
    for entry in entries:
        if entry.kind == OUTS and not entry.is_equal:
            files = differing_files(entry, [clone.cache for clone in clones])
            print(f"{entry.name}: {len(files)} files differ: {', '.join(files[:_NAMED_FILES])}")
    return Outcome(False, f"DIFFERENT ({entries_to_summary(entries)})")


if __name__ == "__main__":
    sys.exit(main())
