"""Publish the version in models/detector: `rhymes publish`.

Published means a Git tag `detector@v<version>.0.0` on a commit whose dvc.lock leads to the bytes.
docs/serving.md has the whole way.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rhymes.common.arguments import command_parser
from rhymes.registry.publishing import Outcome, publish
from rhymes.versions.published import PUBLISHED_FILE

_DESCRIPTION = """\
Register the version in models/detector as published, by a Git tag detector@v<version>.0.0.

It must be committed (dvc.lock), whole, verified, and through the gate. Its bytes go to the default
DVC remote, if there is one; reports/published/ gets what the next version is compared with, and
where this one comes from. A version that is published already is left as it is.
"""
_EPILOG = (
    "Exit code: 0 published, now or before; 1 refused, and why; 2 wrong arguments; 130 Ctrl-C."
)
_NAMED = 5


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; wrong arguments end the program with code 2."""
    parser = command_parser("publish", _DESCRIPTION, _EPILOG)
    parser.add_argument(
        "--offline", action="store_true",
        help="ask no Git remote what is published there, and push nothing to the DVC remote",
    )  # fmt: skip
    parser.add_argument(
        "--measured-anew", action="store_true",
        help="register the same bytes once more, as the next minor number, after other test data "
        "or another evaluation",
    )  # fmt: skip
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code (see the help)."""
    options = parse_arguments(arguments)
    outcome = publish(Path(), is_offline=options.offline, is_measured_anew=options.measured_anew)
    for warning in _outcome_to_warnings(outcome):
        print(f"rhymes publish: {warning}", file=sys.stderr)
    print("\n".join(_outcome_to_lines(outcome)))
    return 0


def _outcome_to_warnings(outcome: Outcome) -> Iterator[str]:
    difference = outcome.difference
    if difference is None:
        return
    for paths, what in (
        (difference.uncommitted, "changes that are not committed, recorded as dirty"),
        (difference.not_as_committed, "made from other bytes than the commit has, recorded"),
        (difference.untracked, "unknown to Git, left aside"),
    ):
        if paths:
            more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
            yield f"{what}: {', '.join(paths[:_NAMED])}{more}"
    if outcome.dvc_remote is None:
        yield (
            "the model went to no DVC remote, so that it can be fetched from this machine's cache "
            "alone; `dvc remote add --default NAME URL` and `dvc push models/detector` change that"
        )


def _outcome_to_lines(outcome: Outcome) -> Iterator[str]:
    if outcome.is_new:
        yield f"publish: {outcome.name} is registered ({outcome.headline})"
        if outcome.dvc_remote is not None:
            yield f"  its bytes are in the DVC remote {outcome.dvc_remote}"
    else:
        yield f"publish: these bytes are published already, as {outcome.name}; nothing was done"
    yield "To share it:"
    if outcome.is_new:
        yield (
            f"  git add {PUBLISHED_FILE.parent} && git commit -m 'Publish {outcome.name}' "
            f"-- {PUBLISHED_FILE.parent}"
        )
    pushed = filter(None, (outcome.git_remote or "REMOTE", outcome.branch, str(outcome.name)))
    yield f"  git push {' '.join(pushed)}"
