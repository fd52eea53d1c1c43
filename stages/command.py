"""What every stage's command line has in common: an error is a sentence, not a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rhymes.common.errors import InputError, error_to_text
from rhymes.common.terminal import accept_any_text


def run_stage(name: str, main: Callable[[], None]) -> None:
    """Run a stage's `main`; print what is wrong as `<name>: <message>` and exit with 1."""
    accept_any_text()
    try:
        main()
    except (InputError, OSError) as error:
        sys.exit(f"{name}: {error_to_text(error)}")
