"""Kill DVC and its training with SIGKILL at a chosen moment, from outside.

The moments are seen in files that a training writes anyway: reports/train/metrics.json names the
step, and a checkpoint that is being written lies aside until it is renamed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rhymes.common.errors import InputError
from tools.clones import Clone

_METRICS = "reports/train/metrics.json"
_PARTS = "*/.progress.*.part"
_POLL, _POLL_WRITING = 0.05, 0.0005  # seconds; a checkpoint is written in a few hundredths
_LIMIT = 4 * 3600.0  # seconds for one start


@dataclass(frozen=True)
class Kill:
    """A moment to kill at.

    Attributes:
        name: of it, for the reader.
        is_due: whether it has come, from the clone and the time of the start.
        delay: seconds to wait then, so that a kill falls between two reports.
        in_writing: it must leave a checkpoint half written.
    """

    name: str
    is_due: Callable[[Clone, float], bool]
    delay: float = 0.0
    in_writing: bool = False


class Killed(NamedTuple):
    """What a command printed, and whether the kill met its moment: a file may be whole again."""

    printed: str
    is_met: bool


def at_step(step: int, delay: float = 0.0) -> Kill:
    """A while after the report of `step`, or of the first one after it."""
    return Kill(
        f"at step {step} + {delay:.2f} s",
        lambda clone, start: load_step(clone, start) >= step,
        delay,
    )


def in_writing() -> Kill:
    """While a checkpoint is written that would replace an older one."""
    return Kill(
        "while a checkpoint is written",
        lambda clone, start: (
            bool(_parts_since(clone, start)) and any(clone.scratch.glob("*/progress"))
        ),
        in_writing=True,
    )


def load_step(clone: Clone, start: float) -> int:
    """The last step that a training reported since `start`; 0 if none did.

    `dvc exp run --temp` trains in a folder below the clone's `.dvc/tmp/exps`.
    """
    exps = clone.path / ".dvc/tmp/exps"
    for path in (clone.path / _METRICS, *exps.glob(f"*/{_METRICS}"), *exps.glob(f"*/*/{_METRICS}")):
        try:
            if path.stat().st_mtime >= start:
                return int(json.loads(path.read_text(encoding="utf-8"))["step"])
        except (OSError, ValueError, KeyError):  # not yet, or half written
            continue
    return 0


def _parts_since(clone: Clone, start: float) -> list[Path]:
    found = []
    for path in clone.scratch.glob(_PARTS):
        try:
            if path.stat().st_mtime >= start:
                found.append(path)
        except FileNotFoundError:  # renamed meanwhile
            continue
    return found


def run_killed(clone: Clone, command: Sequence[str], kill: Kill | None) -> Killed:
    """Start a command of DVC in a clone and kill it; what it prints is shown.

    Args:
        clone: where.
        command: that trains.
        kill: when; None lets it come to its end.

    Raises:
        InputError: it ended before the moment came, or failed.
    """
    # A file's time is that of the kernel's last tick, a bit behind the clock's.
    start = time.time() - 0.01
    process = clone.start(list(command), subprocess.PIPE)
    printed: list[str] = []
    reader = threading.Thread(target=_echo, args=(process, printed))
    reader.start()
    try:
        _wait(process, kill, clone, start)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)
        reader.join(60)
    text = "".join(printed)
    if kill is None:
        if process.returncode:
            raise InputError(f"{' '.join(command)} failed (status {process.returncode})\n{text}")
        return Killed(text, is_met=True)
    if process.returncode != -signal.SIGKILL:
        raise InputError(f"{' '.join(command)} ended before it could be killed {kill.name}\n{text}")
    parts = _parts_since(clone, start)
    sizes = "".join(f"; {part.stat().st_size:,} bytes of it were written" for part in parts)
    print(f"\n--- killed {kill.name}{sizes}", flush=True)
    return Killed(text, is_met=bool(parts) or not kill.in_writing)


def _wait(process: subprocess.Popen[str], kill: Kill | None, clone: Clone, start: float) -> None:
    """Return when the moment has come, or the process is at its end."""
    pause = _POLL_WRITING if kill and kill.in_writing else _POLL
    while process.poll() is None:
        if time.time() - start > _LIMIT:
            raise InputError(f"no end after {_LIMIT:.0f} s in {clone.path}")
        if kill and kill.is_due(clone, start):
            time.sleep(kill.delay)
            return
        time.sleep(pause)


def _echo(process: subprocess.Popen[str], printed: list[str]) -> None:
    assert process.stdout is not None  # noqa: S101
    for line in process.stdout:
        printed.append(line)
        print(line, end="", flush=True)
