"""Fresh clones of a repository, in which DVC runs as it would for a newcomer on this machine.

A clone shares no cache with anybody, and its surroundings are its own: folder, home, hash seed,
time zone, language and umask. None of these may show in a byte of the pipeline's outputs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from rhymes.common.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
LOCK = "dvc.lock"
_SECONDS, _REPRO_SECONDS = 1200.0, 4 * 3600.0


@dataclass(frozen=True)
class Surroundings:
    """What two clones on a machine do not have in common.

    Attributes:
        folder: name of the clone's folder.
        variables: of the environment.
        umask: of the files that are made.
        python: the interpreter of an environment with what requirements.txt locks.
    """

    folder: str
    variables: Mapping[str, str]
    umask: int
    python: Path = Path(sys.executable)


SURROUNDINGS = (
    Surroundings("a", {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C.UTF-8"}, 0o022),
    Surroundings(
        "another clone, deeper down",
        {"PYTHONHASHSEED": "4242", "TZ": "Asia/Kathmandu", "LC_ALL": "C"},
        0o077,
    ),
)


class Clone:
    """A clone of the last commit of a repository, without data.

    Args:
        source: the repository.
        folder: where to make the clone; beside it lie its home and DVC's notes of its files.
        surroundings: of the clone.

    Attributes:
        path: the clone.
    """

    def __init__(self, source: Path, folder: Path, surroundings: Surroundings) -> None:
        self.path = folder / surroundings.folder
        self._umask = surroundings.umask
        home = folder / f"home of {surroundings.folder}"
        home.mkdir(parents=True)
        self._environment = os.environ | {
            # Python and DVC of one environment, wherever the clone lies.
            "PATH": f"{surroundings.python.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "DVC_SITE_CACHE_DIR": str(home / "dvc"),
            "DVC_NO_ANALYTICS": "1",
            # `dvc exp run` commits.
            **{f"GIT_{who}_NAME": "clone" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "clone@localhost" for who in ("AUTHOR", "COMMITTER")},
            **surroundings.variables,
        }
        self.run(["git", "clone", "-q", str(source), str(self.path)], folder)
        # A cache that the project or the user shares with others would spare the work to prove.
        (self.path / ".dvc/config.local").write_text("[cache]\n    dir = cache\n", "utf-8")
        # Nothing may be taken for done because the commit says so.
        (self.path / LOCK).unlink(missing_ok=True)

    @property
    def cache(self) -> Path:
        """DVC's cache folder."""
        return self.path / ".dvc/cache"

    @property
    def scratch(self) -> Path:
        """Where its trainings keep their progress."""
        return self.path / ".dvc/tmp/rhymes/training"

    def lock(self) -> bytes:
        """The dvc.lock that its runs wrote."""
        return (self.path / LOCK).read_bytes()

    def start(self, command: list[str], output: int | None = None) -> subprocess.Popen[str]:
        """Start a command in the clone, in a process group of its own."""
        return subprocess.Popen(
            command,
            cwd=self.path,
            env=self._environment,
            umask=self._umask,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output is not None else None,
            text=True,
            start_new_session=True,
        )

    def run(self, command: list[str], folder: Path | None = None) -> str:
        """Run a short command; return what it printed.

        Raises:
            InputError: it failed.
        """
        # Not a pipe, which whatever the command leaves in the background would hold open.
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            status = subprocess.run(
                command,
                cwd=folder or self.path,
                env=self._environment,
                umask=self._umask,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_SECONDS,
                check=False,
            ).returncode
            output.seek(0)
            printed = output.read()
        if status:
            raise InputError(f"{' '.join(command)} failed:\n{printed}")
        return printed

    def repro(self, *targets: str) -> None:
        """`dvc repro`, with all that it prints on the terminal.

        Raises:
            InputError: it failed.
        """
        status = subprocess.run(
            ["dvc", "repro", *targets],
            cwd=self.path,
            env=self._environment,
            umask=self._umask,
            stdin=subprocess.DEVNULL,
            timeout=_REPRO_SECONDS,
            check=False,
        ).returncode
        if status:
            raise InputError(f"dvc repro failed in {self.path} (status {status}); see above")


def pythons_to_surroundings(
    pythons: Sequence[str], source: Path, folder: Path
) -> list[Surroundings]:
    """Make an environment of each Python, with what requirements.txt locks for it.

    Args:
        pythons: versions, or paths of interpreters.
        source: the repository whose requirements.txt it is.
        folder: for the environments.

    Returns:
        One a Python; they differ in nothing else.

    Raises:
        InputError: there is no such Python, or a package cannot be installed.
    """
    made = []
    for number, python in enumerate(pythons, start=1):
        path = folder / f"environment-{number}"
        interpreter = path / "bin/python"
        lock = ["--require-hashes", "-r", str(source / "requirements.txt")]
        _run_uv(["venv", "--python", python, str(path)], python)
        _run_uv(["pip", "install", "--python", str(interpreter), *lock], python)
        name = f"{number} of Python {python.replace(os.sep, ' ').strip()}"
        made.append(replace(SURROUNDINGS[0], folder=name, python=interpreter))
    return made


def _run_uv(command: list[str], python: str) -> None:
    # Of this environment, as the Makefile sets it up, or else the user's own.
    own = Path(sys.executable).parent / "uv"
    try:
        done = subprocess.run(
            [str(own) if own.is_file() else "uv", "-q", *command],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise InputError("uv is not installed; make sets it up in .venv") from None
    if done.returncode:
        raise InputError(f"no environment of Python {python}: {done.stderr.strip()}")


def list_uncommitted(source: Path) -> list[str]:
    """Files that a clone will not have, or not as they are: changed, or new and not ignored."""
    done = subprocess.run(
        ["git", "status", "--porcelain", "-z"],
        cwd=source,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=True,
    )
    return [line[3:] for line in done.stdout.split("\0") if line[2:3] == " "]


def set_params(clone: Path, changes: Mapping[str, str], source: Path) -> None:
    """Change params.yaml of a clone, comments and order kept.

    An export or weights that the source has by `dvc add` are read from there, by absolute path: a
    clone has no data, and the pipeline under test begins with them.

    Args:
        clone: its folder.
        changes: `section.key` -> value as YAML.
        source: the repository it is a clone of.

    Raises:
        InputError: there is no such key, or the value is not YAML.
    """
    path = clone / "params.yaml"
    yaml = YAML()
    yaml.width = 10_000  # a long path stays on its line
    params = yaml.load(path.read_text(encoding="utf-8"))
    for key, text in changes.items():
        *sections, last = key.split(".")
        holder = params
        for section in sections:
            holder = holder.get(section) if isinstance(holder, dict) else None
        if not isinstance(holder, dict) or last not in holder:
            raise InputError(f"{key}={text}: params.yaml has no {key}")
        try:
            holder[last] = YAML(typ="safe", pure=True).load(text)
        except YAMLError as error:
            raise InputError(f"{key}={text}: not a YAML value: {error}") from None
    export = str(params["raw"]["export"])
    if (clone / f"{export}.dvc").is_file():
        params["raw"]["export"] = str((source / export).resolve())
    weights = f"pretrained/{params['train']['pretrained']}"
    if (clone / f"{weights}.dvc").is_file():
        (clone / weights).symlink_to((source / weights).resolve())
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(params, file)
