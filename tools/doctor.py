"""Check in seconds what a newcomer trips over: `make doctor`, or `python3 tools/doctor.py`.

Runs before anything is set up, with the standard library of any Python from 3.8 on. Each line is
"ok", "note" (it works without) or "problem", with what cures it. Exit code 1 where there is a
problem.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Started by its path, so that no environment need exist.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools import machine_checks, repository_checks
from tools.findings import Check, Finding, Place

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


def main() -> int:
    """Run all checks, print a line each; return the exit code."""
    place = Place(Path.cwd(), sys.argv[1] if len(sys.argv) > 1 else "")
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


def _print(finding: Finding) -> None:
    kind = f"{finding.kind:8}"
    if sys.stdout.isatty():
        kind = f"\033[{_COLORS[finding.kind]}m{kind}\033[0m"
    print(f"{kind} {finding.text}")
    if finding.cure:
        print(f"         -> {finding.cure}")


if __name__ == "__main__":
    sys.exit(main())
