"""Compare two data versions: `rhymes diff A B`.

    rhymes diff HEAD workspace      since the last commit
    rhymes diff v1 exp-2 --json     a tag and an experiment, for a program
    rhymes diff ../old/data/coco .  folders

A version is a folder with the COCO files (or with `data/coco` in it), `workspace`, or a tag,
branch, experiment or commit of this repository, whose data is read from DVC's cache. Nothing is
checked out and no lock taken. The exit code is 0 whether they differ or not, and 1 where one cannot
be read.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from rhymes.common.arguments import command_parser
from rhymes.data_diff.comparison_report import comparison_to_markdown, comparison_to_value
from rhymes.data_diff.data_comparison import compare_versions
from rhymes.data_diff.image_labels import load_labels
from rhymes.versions.data_version import find_data_version


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the comparison; return the exit code."""
    options = _parse(arguments)
    old, new = find_data_version(options.old), find_data_version(options.new)
    labels = [load_labels(version.files, version.name) for version in (old, new)]
    comparison = compare_versions(*labels)
    if options.json:
        value = comparison_to_value(old, new, comparison)
        print(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1))
    else:
        print(comparison_to_markdown(old, new, comparison), end="")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser("diff", *__doc__.split("\n\n", 1))
    parser.add_argument("old", metavar="A", help="the version before")
    parser.add_argument("new", metavar="B", help="the version after")
    parser.add_argument("--json", action="store_true", help="print JSON, with nothing shortened")
    return parser.parse_args(arguments)
