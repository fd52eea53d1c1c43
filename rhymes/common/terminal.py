"""What a command prints, on a terminal of any encoding."""

from __future__ import annotations

import io
import sys


def accept_any_text() -> None:
    r"""Let standard output and error escape what their encoding lacks, as `cr\xe8me` in ASCII.

    A class name or a path may hold any letter, and a report must not end a run of hours.
    """
    for stream in (sys.stdout, sys.stderr):
        # Under pytest or a notebook they are something else.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
