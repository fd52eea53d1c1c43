"""The checkout of the project that a command works in.

The standard library alone, Python 3.8 on: the doctor asks before anything is set up.
"""

from __future__ import annotations

from pathlib import Path

from rhymes.common.errors import InputError

_FILES = ("dvc.yaml", "params.yaml")


def check_checkout(folder: Path) -> None:
    """Make sure that a folder is the root of a checkout.

    Raises:
        InputError: it is none, with what to do.
    """
    here = folder.resolve()
    if _is_checkout(here):
        return
    files = " and ".join(_FILES)
    for above in here.parents:
        if _is_checkout(above):
            raise InputError(f"this runs in the checkout's root: cd {above}")
    raise InputError(
        f"{here} is no checkout of the project (it has no {files}): clone the project, and start "
        "the command in the clone"
    )


def _is_checkout(folder: Path) -> bool:
    return all((folder / name).is_file() for name in _FILES)
