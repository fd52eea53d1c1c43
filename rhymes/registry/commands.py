"""The commands `git` and `dvc`: each with a time limit, and their own words where they fail."""

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
    """A repository, read and tagged by the command `git`.

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
        return self.run_bytes(*arguments, data=data, seconds=seconds).decode("utf-8", "replace")

    def run_bytes(self, *arguments: str, data: str = "", seconds: float = LOCAL_SECONDS) -> bytes:
        """Run a command as `run` does; return the very bytes."""
        return _run(["git", *arguments], self.root, data, seconds)

    def load_file(self, revision: str, path: Path) -> bytes | None:
        """Read a file as a commit has it; None where it has none."""
        try:
            return self.run_bytes("cat-file", "blob", f"{revision}:{path.as_posix()}")
        except InputError:
            return None

    def list_paths(self, *arguments: str) -> list[str]:
        """Run a command that prints paths with a NUL behind each (`-z`); sort them."""
        return sorted(filter(None, self.run(*arguments).split("\0")))

    def list_tree(self, revision: str) -> dict[str, str]:
        """List a commit's files: path -> name of the blob."""
        entries = self.run("ls-tree", "-r", "-z", "--full-tree", revision).split("\0")
        return {
            path: head.split()[2]
            for head, _, path in (entry.partition("\t") for entry in entries if entry)
            if head.split()[1] == "blob"
        }

    def load_blobs(self, names: Sequence[str]) -> dict[str, bytes]:
        """Read blobs: name -> content.

        Raises:
            InputError: one is not there, as in a partial clone without its remote.
        """
        data = self.run_bytes("cat-file", "--batch", data="".join(f"{name}\n" for name in names))
        blobs, place = {}, 0
        for name in names:
            # "<name> blob <size>", a new line, the content, a new line
            end = data.index(b"\n", place)
            head = data[place:end].split()
            if len(head) != 3:
                raise InputError(f"git cat-file: {data[place:end].decode('utf-8', 'replace')}")
            place = end + 1 + int(head[2])
            blobs[name] = data[end + 1 : place]
            place += 1
        return blobs


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


def load_default_remote(root: Path) -> str | None:
    """Name the default DVC remote, from all of DVC's configuration files; None without one.

    Raises:
        InputError: the configuration is broken.
    """
    command = [sys.executable, "-m", "dvc", "config", "core.remote"]
    output = _run(command, root, "", LOCAL_SECONDS)
    return output.decode("utf-8").strip() or None


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
    return " ".join(command[:4] if command[0] == sys.executable else command[:2])
