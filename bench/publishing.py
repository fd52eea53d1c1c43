"""A model base path as others change it: copied into, emptied, filled again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from rhymes.client.client import Answer

_WAIT = 120.0  # seconds until what was published is served
_PAUSE = 0.1


def copy_slowly(model: Path, target: Path, seconds: float) -> None:
    """Copy a version's folder in place, a piece of each file at a time, over some seconds.

    That is what `cp -r` from a slow disk does: half of it is there for a while, under its number.
    """
    files = sorted(path for path in model.rglob("*") if path.is_file())
    pause = seconds / (2 * len(files))
    for path in files:
        copy = target / path.relative_to(model)
        copy.parent.mkdir(parents=True, exist_ok=True)
        data = path.read_bytes()
        with copy.open("wb") as file:
            for piece in (data[: len(data) // 2], data[len(data) // 2 :]):
                file.write(piece)
                file.flush()
                time.sleep(pause)


def empty_folder(base: Path) -> None:
    """Remove everything in a folder, as DVC does with an output before its stage runs."""
    for path in base.iterdir():
        shutil.rmtree(path)


def wait_until_served(
    ask: Callable[[], Answer], version: int, other_than: str | None = None
) -> Answer:
    """Ask until an answer comes from a version, and from other bytes than `other_than`.

    Raises:
        TimeoutError: it does not come.
    """
    deadline = time.monotonic() + _WAIT
    while True:
        answer = ask()
        if answer.version == version and (other_than is None or answer.identity != other_than):
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"version {version} is not served {_WAIT:g} s after it was published, but version "
                f"{answer.version} ({answer.identity})"
            )
        time.sleep(_PAUSE)
