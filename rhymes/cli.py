"""The command `rhymes`: one line of help a subcommand, each imported when it is asked for.

`rhymes --help` needs the standard library alone. A subcommand whose packages are not installed ends
with a sentence that names the extra of `pip install 'rhymes-detector[...]'` that brings them.
"""

from __future__ import annotations

import difflib
import importlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from rhymes.common.errors import InputError, error_to_text
from rhymes.common.terminal import accept_any_text

DISTRIBUTION = "rhymes-detector"

_USAGE = "usage: rhymes COMMAND [arguments]      rhymes COMMAND --help explains one"
_EXAMPLES = """\
Examples:
  rhymes serve --model_name detector --model_base_path models/detector
  rhymes predict photos/ --out predictions
  rhymes page --server localhost:8500
  rhymes diff HEAD workspace
"""
_PIPE_CLOSED = 141  # as shells see a program that SIGPIPE ended
_OURS = ("rhymes", "app", "stages", "tools")


@dataclass(frozen=True)
class Command:
    """A subcommand.

    Attributes:
        module: That has its `main(arguments) -> exit code`.
        summary: A line of help.
        extra: What to install for it; empty where the core is enough.
        needs: Packages that its own imports do not show, as it runs them as programs.
        interrupted: What Ctrl-C leaves, if there is something to say.
    """

    module: str
    summary: str
    extra: str = ""
    needs: tuple[str, ...] = ()
    interrupted: str = ""


GROUPS: dict[str, dict[str, Command]] = {
    "Use a detector": {
        "predict": Command(
            "rhymes.predictions.predict",
            "find objects in images with a model server; write drawings, JSON, COCO, CSV",
            interrupted="nothing was written",
        ),
        "page": Command(
            "rhymes.page.command",
            "look at images and results in a browser; a client of a model server",
            "page",
            ("streamlit",),
        ),
        "serve": Command(
            "rhymes.serving.serve",
            "serve SavedModels by TensorFlow Serving's gRPC and REST, without Docker",
            "serve",
            ("tensorflow",),
        ),
    },
    "Keep versions": {
        "merge": Command(
            "rhymes.corrections.merge",
            "put corrected annotations back into the export that they came from",
            "versions",
        ),
        "publish": Command(
            "rhymes.registry.publish",
            "register the model that the pipeline made as a published version (a Git tag)",
            "versions",
            ("dvc",),
            "the same command again finishes it",
        ),
        "fetch": Command(
            "rhymes.registry.fetch",
            "put published versions into a folder that a server polls; roll back",
            "versions",
            ("dvc",),
            "what is there is whole",
        ),
        "convert": Command(
            "rhymes.convert.convert",
            "write a version of the data, or predictions, as COCO, YOLO or a Rhymes export",
            "versions",
        ),
        "diff": Command(
            "rhymes.data_diff.diff",
            "compare two versions of the data: images, objects, classes, splits",
            "versions",
        ),
    },
    "Work in a checkout of the project": {
        "demo": Command(
            "rhymes.project.demo",
            "start the model server and the page for the model that was trained here",
            "serve,page",
            ("tensorflow", "streamlit"),
        ),
        "check": Command(
            "rhymes.project.check",
            "say in seconds what the pipeline would make of an export",
            "versions",
        ),
        "why": Command(
            "rhymes.project.why.explain",
            "say why a stage of the pipeline ran again, or would run",
            "versions",
        ),
        "copies": Command(
            "rhymes.coco.propose_copies",
            "propose images that show the same thing, to keep them in one split; measure distances",
            "train",
        ),
        "doctor": Command(
            "rhymes.project.doctor",
            "check in seconds what a newcomer trips over, and say what cures it",
        ),
    },
}
"""All subcommands, as the help lists them."""

COMMANDS: dict[str, Command] = {
    name: command for group in GROUPS.values() for name, command in group.items()
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The subcommand's exit code; 1 where its input or the disk was of no use, 2 for wrong
        arguments.
    """
    accept_any_text()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        print(_help(), file=sys.stdout if given else sys.stderr)
        return 0 if given else 2
    if given[0] == "--version":
        print(f"rhymes {_version()}")
        return 0
    name, *rest = given
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        advice = f"did you mean {near[0]}?" if near else "`rhymes --help` lists all"
        print(f"rhymes: there is no command {name!r}; {advice}", file=sys.stderr)
        return 2
    return _run(name, COMMANDS[name], rest)


def _run(name: str, command: Command, arguments: list[str]) -> int:
    # What stops a job in a queue stops it as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run: Callable[[list[str]], int] = importlib.import_module(command.module).main
        if not {"-h", "--help"} & set(arguments):
            for package in command.needs:
                if util.find_spec(package) is None:
                    raise ModuleNotFoundError(name=package)
        code = run(arguments)
        sys.stdout.flush()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in _OURS or not command.extra:
            raise
        print(
            f"rhymes {name} needs {package}, which is not installed: "
            f"pip install '{DISTRIBUTION}[{command.extra}]'",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        left = f"; {command.interrupted}" if command.interrupted else ""
        print(f"rhymes {name}: interrupted{left}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # `| head` closes the pipe early, which is no error; Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    except (InputError, OSError) as error:
        print(f"rhymes {name}: {error_to_text(error)}", file=sys.stderr)
        return 1
    return code


def _help() -> str:
    lines = [_USAGE, "", "From an export of annotated images to a served detector.", ""]
    for title, commands in GROUPS.items():
        lines += [f"{title}:", *(f"  {n:8} {c.summary}" for n, c in commands.items()), ""]
    return "\n".join([*lines, _EXAMPLES.rstrip()])


def _version() -> str:
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return f"of the checkout in {Path(__file__).resolve().parent.parent}"
