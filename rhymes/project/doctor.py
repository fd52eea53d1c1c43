"""Check in seconds what a newcomer trips over: `make doctor` or `rhymes doctor`.

`make doctor` runs before anything is set up, with the standard library of any Python from 3.8 on.
Each line is "ok", "note" (it works without) or "problem", with what cures it. Exit code 1 where
there is a problem.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

# Started by its path, so that no environment need exist.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rhymes.common.arguments import command_parser
from rhymes.common.errors import InputError
from rhymes.project import machine_checks, repository_checks
from rhymes.project.checkout import check_checkout
from rhymes.project.findings import Check, Finding, Place

CHECKS: tuple[Check, ...] = (
    machine_checks.check_python,
    machine_checks.check_machine,
    machine_checks.check_environment,
    repository_checks.check_git,
    repository_checks.check_dvc,
    machine_checks.check_ports,
    machine_checks.check_browser,
    repository_checks.check_export,
)

_COLORS = {"ok": "32", "note": "33", "problem": "31"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all checks, print a line each; return the exit code."""
    options = _parse(arguments)
    try:
        check_checkout(Path())
    except InputError as error:
        print(f"rhymes doctor: {error}", file=sys.stderr)
        return 1
    place = Place(Path.cwd(), options.python)
    problems = 0
    for check in CHECKS:
        for finding in check(place):
            problems += finding.kind == "problem"
            _print(finding)
    if problems:
        print(f"\n{problems} problem{'' if problems == 1 else 's'} to mend first.")
        return 1
    print("\nNothing stands in the way.")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser("doctor", *__doc__.split("\n\n", 1))
    parser.add_argument(
        "python", nargs="?", default="", metavar="PYTHON",
        help="the Python to set up the environment with (default: the newest that it supports)",
    )  # fmt: skip
    return parser.parse_args(arguments)


def _print(finding: Finding) -> None:
    kind = f"{finding.kind:8}"
    if sys.stdout.isatty():
        kind = f"\033[{_COLORS[finding.kind]}m{kind}\033[0m"
    print(f"{kind} {finding.text}")
    if finding.cure:
        print(f"         -> {finding.cure}")


if __name__ == "__main__":
    sys.exit(main())
