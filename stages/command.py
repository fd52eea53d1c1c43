"""What every stage's command line has in common: an input error is a sentence, not a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rhymes.common.errors import InputError


def run_stage(name: str, main: Callable[[], None]) -> None:
    """Run a stage's `main`; print an `InputError` as `<name>: <message>` and exit with 1."""
    try:
        main()
    except InputError as error:
        sys.exit(f"{name}: {error}")
