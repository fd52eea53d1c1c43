"""A command line -> the server's options."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn, get_type_hints

from rhymes.common.errors import InputError
from rhymes.serving.options.flags import NOT_IMPLEMENTED, ServerOptions

_DESCRIPTION = """\
Serve a SavedModel by TensorFlow Serving's gRPC and REST interfaces, without Docker:

  rhymes serve --model_name detector --model_base_path models/detector --port 8500

Flags have TensorFlow Serving's names and meanings, as --flag=value or --flag value; true and false
for switches. SIGTERM and Ctrl-C let running requests finish."""


def arguments_to_options(arguments: Sequence[str]) -> ServerOptions:
    """Read the flags.

    Raises:
        InputError: a flag is unknown or not implemented here, or its value is wrong.
        SystemExit: after --help.
    """
    parsed = vars(_parser().parse_args(arguments))
    for name, accepted in NOT_IMPLEMENTED.items():
        value = parsed.pop(name)
        if value is not None and value != accepted:
            raise InputError(
                f"--{name} is not implemented in this server; leave it out"
                + (f" (or give {accepted})" if accepted else "")
                + ", or use TensorFlow Serving itself (Dockerfile.serving)"
            )
    return ServerOptions(**parsed)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(message.removeprefix("argument "))

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            raise InputError(f"unknown argument {unknown[0]}{self._suggestion(unknown[0])}")
        return parsed

    def _suggestion(self, argument: str) -> str:
        known = [f"--{declared.name}" for declared in fields(ServerOptions)]
        near = difflib.get_close_matches(argument.split("=")[0], known, n=1)
        return f"; did you mean {near[0]}?" if near else "; --help lists all flags"


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="rhymes serve",
        usage="rhymes serve --model_name NAME --model_base_path PATH [flags]",
        description=_DESCRIPTION,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
            prog, max_help_position=34, width=100
        ),
        allow_abbrev=False,
    )
    groups = {
        False: parser.add_argument_group("TensorFlow Serving's flags"),
        True: parser.add_argument_group("flags of this server"),
    }
    types = get_type_hints(ServerOptions)
    for declared in fields(ServerOptions):
        kind = types[declared.name]
        options: dict[str, Any] = {"nargs": "?", "const": True} if kind is bool else {}
        groups[declared.metadata["own"]].add_argument(
            f"--{declared.name}",
            type=_CONVERTERS[kind],
            metavar=_METAVARS[kind],
            default=declared.default,
            help=_help(declared.metadata["help"], declared.default),
            **options,
        )
    for name in NOT_IMPLEMENTED:
        parser.add_argument(f"--{name}", nargs="?", const="true", help=argparse.SUPPRESS)
    return parser


def _help(text: str, default: object) -> str:
    if default in (None, ""):
        return text
    shown = str(default).lower() if isinstance(default, bool) else default
    return f"{text} (default {shown})"


def _bool(text: str) -> bool:
    if text.lower() in ("true", "1"):
        return True
    if text.lower() in ("false", "0"):
        return False
    raise argparse.ArgumentTypeError(f"expected true or false, got {text!r}")


def _number(kind: type[int | float], name: str) -> Callable[[str], float]:
    def convert(text: str) -> float:
        try:
            return kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected {name}, got {text!r}") from None

    return convert


_CONVERTERS: dict[Any, Callable[[str], Any]] = {
    bool: _bool,
    int: _number(int, "an integer"),
    float: _number(float, "a number"),
    str: str,
    Path | None: Path,
}
_METAVARS = {bool: "BOOL", int: "N", float: "X", str: "TEXT", Path | None: "PATH"}
