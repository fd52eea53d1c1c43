"""Put published versions into a model base path: `rhymes fetch BASE_PATH`.

A server that polls the folder loads them; docs/serving.md has the whole way, and the way back.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rhymes.common.arguments import command_parser, positive
from rhymes.registry.fetching import Outcome, fetch
from rhymes.registry.tags import ARTIFACT

_DESCRIPTION = """\
Put published versions (Git tags detector@v<version>.x.y) into a model base path, from DVC's cache
or remote.

Each is checked by its hashes and renamed into place, so that a server may poll the folder
meanwhile. BASE_PATH/<version>.provenance.json says where it comes from. What is there already stays
as it is; other bytes under the number of a published version are an error.
"""
_EPILOG = """\
Roll back: rhymes fetch BASE_PATH --versions 1 --only

Exit code: 0 all versions are there; 1 they are not, and why; 2 wrong arguments; 130 Ctrl-C.
"""


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; wrong arguments end the program with code 2."""
    parser = command_parser("fetch", _DESCRIPTION, _EPILOG)
    parser.add_argument("base_path", type=Path, metavar="BASE_PATH", help="folder to fill")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--versions", type=positive, nargs="+", default=[], metavar="N", help="these"
    )
    which.add_argument(
        "--newest", type=positive, default=2, metavar="COUNT",
        help="the newest, so many (default: %(default)d, which the page's Compare shows)",
    )  # fmt: skip
    parser.add_argument(
        "--only", action="store_true",
        help="take all other versions away, once these are there: roll back",
    )  # fmt: skip
    parser.add_argument(
        "--repo", default=".", metavar="PATH_OR_URL",
        help="Git repository in which they are published (default: the current folder)",
    )  # fmt: skip
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code (see the help)."""
    options = parse_arguments(arguments)
    outcome = fetch(
        options.repo,
        options.base_path,
        numbers=options.versions,
        newest=options.newest,
        is_only=options.only,
    )
    for problem in outcome.problems:
        print(f"rhymes fetch: left out: {problem}", file=sys.stderr)
    print("\n".join(_outcome_to_lines(outcome, options.base_path)))
    return 0


def _outcome_to_lines(outcome: Outcome, base_path: Path) -> Iterator[str]:
    for numbers, what in (
        (outcome.fetched, "fetched"),
        (outcome.present, "there already"),
        (outcome.removed, "taken away"),
    ):
        for number in numbers:
            yield f"fetch: {ARTIFACT} {number}: {base_path / str(number)} {what}"
