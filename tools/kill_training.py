"""Prove that a killed training goes on and ends in the same bytes: `python -m tools.kill_training`.

    python -m tools.kill_training                         200 steps on the drawn sample
    python -m tools.kill_training --seed 7 --set train.model=retinanet

Three fresh clones of the last commit (`tools.clones`) train by DVC:
    1. undisturbed
    2. killed at three random steps, and once while a checkpoint is written; each time
       `dvc repro` is started again
    3. the same by `dvc exp run --temp`, whose folder is another one each time; killed once
Killed means SIGKILL to DVC and all that it started, at once. Then what the three dvc.lock say of
the training is compared, and the progress must be gone from `.dvc/tmp/rhymes/training`. Exit status
1 where anything is not as it should be.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rhymes.common.errors import InputError
from rhymes.detector.resuming import load_progress
from tools.clones import LOCK, ROOT, SURROUNDINGS, Clone, Surroundings, set_params
from tools.killing import Kill, at_step, in_writing, run_killed
from tools.lock_comparison import entries_to_table, locks_to_entries
from tools.reproduce import texts_to_changes

Start = tuple[Sequence[str], Kill | None]
"""A command that trains, and when it is killed; None lets it come to its end."""

_STAGE = "train"
_STEPS = "200"
_EXPERIMENT_PARTS = 5  # refs/exps/<2 digits>/<38 digits>/<name>
_REPRO = ["dvc", "repro", _STAGE]
_TEMP = ["dvc", "exp", "run", "--temp", _STAGE]


def main(arguments: Sequence[str] | None = None) -> int:
    """Train undisturbed and killed; return the exit status."""
    options = _parse(arguments)
    folder = Path(tempfile.mkdtemp(prefix="rhymes-kill-"))
    print(f"seed {options.seed}; clones in {folder}")
    try:
        changes = {"train.steps": _STEPS} | texts_to_changes(options.set)
        problems = _run(folder, changes, random.Random(options.seed))  # noqa: S311 - no secret
    except InputError as error:
        problems = [str(error)]
    for problem in problems:
        print(f"kill_training: {problem}", file=sys.stderr)
    if not problems:
        shutil.rmtree(folder)
        print("Killed trainings ended in the same bytes as the undisturbed one.")
    return int(bool(problems))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m tools.kill_training", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--seed", type=int, default=1, help="of the steps to kill at (%(default)s)")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="changes of params.yaml"
    )
    return parser.parse_args(arguments)


def _run(folder: Path, changes: dict[str, str], chance: random.Random) -> list[str]:
    whole, killed, temp = (
        prepare(ROOT, folder, changes, each)
        for each in (*SURROUNDINGS, Surroundings("temp", {}, 0o022))
    )
    print("\n=== undisturbed", flush=True)
    whole.repro(_STAGE)
    print("\n=== killed, by dvc repro", flush=True)
    steps = int(changes["train.steps"])
    first, second, third = sorted(chance.sample(range(1, steps), 3))
    # The kill in writing comes at the next checkpoint that replaces one; a step is left for after.
    kills = [
        at_step(first, chance.random()),
        at_step(second, chance.random()),
        in_writing(),
        at_step(third, chance.random()),
    ]
    problems = run_starts(killed, [*((_REPRO, kill) for kill in kills), (_REPRO, None)])
    problems += list_left(killed)
    problems += compare_training(whole.lock(), killed.lock(), "dvc repro")
    print("\n=== killed, by dvc exp run --temp", flush=True)
    kill = at_step(chance.randrange(steps // 2, steps), chance.random())
    problems += run_starts(temp, [(_TEMP, kill), (_TEMP, None)])
    problems += list_left(temp)
    problems += compare_training(whole.lock(), experiment_to_lock(temp), "dvc exp run --temp")
    return problems


def prepare(
    source: Path, folder: Path, changes: dict[str, str], surroundings: Surroundings
) -> Clone:
    """Make a clone and its training data."""
    clone = Clone(source, folder, surroundings)
    set_params(clone.path, changes, source)
    clone.repro("tfrecord")
    return clone


def run_starts(clone: Clone, starts: Sequence[Start]) -> list[str]:
    """Run commands one after the other, killed or not; tell which did not go on as it should.

    A command whose kill missed its moment is started again.
    """
    problems = []
    for command, kill in starts:
        is_met = False
        while not is_met:
            saved = load_saved_step(clone)
            printed, is_met = run_killed(clone, command, kill)
            found = re.search(r"goes on from step (\d+)", printed)
            if (int(found[1]) if found else None) != saved:
                where = f"from step {found[1]}" if found else "anew"
                problems.append(f"the last checkpoint was of step {saved}, but it began {where}")
    return problems


def list_left(clone: Clone) -> list[str]:
    """Tell what the trainings that came to their end left in the scratch folder."""
    return [f"{path} is still there" for path in sorted(clone.scratch.iterdir())]


def load_saved_step(clone: Clone) -> int | None:
    """The step of the one checkpoint in the scratch folder; None where there is none."""
    for path in clone.scratch.glob("*/progress"):
        progress = load_progress(path)
        return progress.step if progress else None
    return None


def compare_training(whole: bytes, other: bytes, command: str) -> list[str]:
    """Compare what two locks say, print a table; return what went wrong."""
    entries = locks_to_entries(whole, other)
    print(f"\nundisturbed, and killed by {command}:\n{entries_to_table(entries)}", flush=True)
    differing = [f"{each.stage} {each.name}" for each in entries if not each.is_equal]
    return [f"{command}: {', '.join(differing)} differ"] if differing else []


def experiment_to_lock(clone: Clone) -> bytes:
    """The dvc.lock of a clone's only experiment."""
    refs = clone.run(["git", "for-each-ref", "--format=%(refname)", "refs/exps"]).split()
    experiments = [ref for ref in refs if len(ref.split("/")) == _EXPERIMENT_PARTS]
    if len(experiments) != 1:
        raise InputError(f"expected one experiment in {clone.path}, found {experiments}")
    return clone.run(["git", "show", f"{experiments[0]}:{LOCK}"]).encode("utf-8")


if __name__ == "__main__":
    sys.exit(main())
