"""Put corrected annotations back into the export that they came from.

    rhymes merge OLD CORRECTED -o NEW

    rhymes merge predictions corrected -o reviewed      what people made of a model's predictions
    rhymes merge data/raw reviewed -o data/raw-2        and these among the training data

OLD and CORRECTED are folders of exports: annotations.csv, categories.csv and the images, or their
URLs; CORRECTED may be another tool's, as `raw.format` knows them. It may have all images of OLD or
some. Its rows replace the old rows of their images; all other rows stay as they are. An image is
the same by its bytes, else by its name in the image column.

NEW gets annotations.csv, categories.csv (new classes at the end, so that ids do not move), the
files of the images, and merge.json: what was confirmed, moved, relabelled, removed and added. Each
object of a corrected row says in `last_touch` whether a model or a person last touched it.

Exit code: 0 merged; 1 not, with the reason; 2 wrong arguments; 130 Ctrl-C, and NEW is not written.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from rhymes.common.arguments import command_parser
from rhymes.common.errors import InputError
from rhymes.common.files import folder_written_aside, save_json
from rhymes.corrections.export_tables import opened_export
from rhymes.corrections.merge_report import merge_to_text, merge_to_value
from rhymes.corrections.merging import Merge, merge_exports

REPORT = "merge.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Merge, print the report; return the exit code."""
    options = _parse(arguments)
    check_new(options.new, (options.old, options.corrected), overwrite=options.overwrite)
    merge = merge_folders(options.old, options.corrected, options.new, options.index)
    print(f"{merge_to_text(merge)}\nWritten: {options.new}; all of it in {options.new / REPORT}")
    return 0


def merge_folders(old: Path, corrected: Path, new: Path, index: Path | None = None) -> Merge:
    """Merge two folders into a third one, which is written aside and renamed.

    Args:
        old: The export that was corrected.
        corrected: What came back.
        new: The folder to write; one that is there is replaced.
        index: Fetch's index.csv of the old export, which tells the bytes behind its URLs.

    Raises:
        InputError: See `opened_export` and `merge_exports`.
    """
    with (
        opened_export(old, index) as before,
        opened_export(corrected, needs_categories=False) as after,
        folder_written_aside(new) as aside,
    ):
        merge = merge_exports(before, after, aside)
        if (aside / REPORT).exists():
            raise InputError(f"an image has the name {REPORT}, which the report has; rename it")
        save_json(aside / REPORT, merge_to_value(merge))
    return merge


def check_new(new: Path, sources: Sequence[Path], *, overwrite: bool) -> None:
    """Refuse a folder that may not be written.

    Args:
        new: The folder.
        sources: Those that are read.
        overwrite: Whether that of an earlier merge may be replaced; any other never is.

    Raises:
        InputError: With what stands there.
    """
    target = Path(os.path.realpath(new))
    for source in sources:
        other = Path(os.path.realpath(source))
        if target.is_relative_to(other) or other.is_relative_to(target):
            raise InputError(f"-o {new}: lies in {source} or holds it; name a folder beside it")
    if not os.path.lexists(new):
        return
    if not new.is_dir():
        raise InputError(f"-o {new}: there is a file of this name; name a folder")
    if not any(new.iterdir()):
        return
    if not (new / REPORT).is_file():
        raise InputError(f"-o {new}: not empty, and not of an earlier merge; name another folder")
    if not overwrite:
        raise InputError(
            f"-o {new}: holds an earlier merge; name another folder, or add --overwrite to replace "
            "it"
        )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = command_parser("merge", *__doc__.split("\n\n", 1))
    parser.add_argument("old", type=Path, metavar="OLD", help="the export that was corrected")
    parser.add_argument("corrected", type=Path, metavar="CORRECTED", help="what came back")
    parser.add_argument(
        "-o", "--out", dest="new", type=Path, required=True, metavar="NEW", help="folder to write"
    )
    parser.add_argument(
        "--index", type=Path, metavar="FILE",
        help="index.csv that fetch wrote for OLD, so that images behind URLs are found by their "
        "bytes (default: OLD/index.csv where it is)",
    )  # fmt: skip
    parser.add_argument(
        "--overwrite", action="store_true", help="replace NEW where an earlier merge wrote it"
    )
    return parser.parse_args(arguments)
