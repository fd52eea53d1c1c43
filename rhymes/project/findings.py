"""What the checks of the doctor share; the standard library alone, Python 3.8 on."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Callable, Iterator, List, NamedTuple, Tuple  # noqa: UP035 - Python 3.8

_TIMEOUT = 20.0


class Finding(NamedTuple):
    """One line: "ok", "note" or "problem", what was found, and what cures it."""

    kind: str
    text: str
    cure: str = ""


class Place(NamedTuple):
    """Where to check: the repository's folder, and the Python that was named, or ""."""

    folder: Path
    python: str


Check = Callable[[Place], Iterator[Finding]]


def judge(is_good: bool, good: str, cure: str, bad: str = "") -> Finding:
    """What is good, or a problem with its cure; `bad` words it where `good` does not fit both."""
    return Finding("ok", good) if is_good else Finding("problem", bad or good, cure)


def run(command: List[str], folder: Path) -> Tuple[int, str]:  # noqa: UP006
    """Exit status and all that was printed; 127 where it cannot be started."""
    try:
        done = subprocess.run(
            command,
            cwd=str(folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return 127, ""
    return done.returncode, done.stdout.decode("utf-8", "replace")
