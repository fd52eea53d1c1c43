"""The commands `git` and `dvc`: each with a time limit, and their own words where they fail.

They do what changes a repository, asks another machine, or depends on Git's configuration (who
commits, ends of lines, what is ignored). What is only read is read by `rhymes.versions.git` and
`rhymes.versions.dvc`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rhymes.common.errors import InputError

LOCAL_SECONDS = 60.0
"""For what Git does on this machine."""

REMOTE_SECONDS = 120.0
"""For a question to a Git remote."""

TRANSFER_SECONDS = 3600.0
"""For moving a model or a repository."""


class Git:
    """A repository, as the command `git` sees it.

    Args:
        root: of the working tree.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *arguments: str, data: str = "", seconds: float = LOCAL_SECONDS) -> str:
        """Run a command; return what it printed.

        Args:
            arguments: of `git`.
            data: what it reads from its standard input.
            seconds: that it may take.

        Raises:
            InputError: it failed, with its own words.
        """
        return _run(["git", *arguments], self.root, data, seconds).decode("utf-8", "replace")

    def list_paths(self, *arguments: str) -> list[str]:
        """Run a command that prints paths with a NUL behind each (`-z`); sort them."""
        return sorted(filter(None, self.run(*arguments).split("\0")))


def run_dvc(root: Path, *arguments: str) -> None:
    """Run a command of DVC that moves data; its progress and its errors go to the terminal.

    Raises:
        InputError: it failed.
    """
    command = [sys.executable, "-m", "dvc", *arguments]
    try:
        # What DVC prints goes where its progress goes, so that stdout holds our result alone.
        done = subprocess.run(
            command, cwd=root, stdout=sys.__stderr__, timeout=TRANSFER_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            f"dvc {arguments[0]}: not done within {TRANSFER_SECONDS / 60:g} minutes; the same "
            "command again goes on"
        ) from None
    if done.returncode:
        raise InputError(f"dvc {arguments[0]} failed; its own words stand above")


def _run(command: Sequence[str], folder: Path, data: str, seconds: float) -> bytes:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            input=data.encode("utf-8"),
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError:
        raise InputError(f"{command[0]} is not installed, or {folder} is not there") from None
    except subprocess.TimeoutExpired:
        raise InputError(f"{_shown(command)}: no answer within {seconds:g} s") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip() or f"exit code {done.returncode}"
        raise InputError(f"{_shown(command)}: {said}")
    return done.stdout


def _shown(command: Sequence[str]) -> str:
    """The command without what it is applied to."""
    return " ".join(command[:2])
