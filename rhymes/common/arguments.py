"""Command lines: how their parsers begin, kinds of numbers, flags that have another name now."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, NoReturn


def command_parser(
    name: str, description: str, epilog: str, usage: str | None = None
) -> argparse.ArgumentParser:
    """Make the parser of `rhymes <name>`, whose texts are printed as they are.

    Args:
        name: Of the command.
        description: What stands before the arguments.
        epilog: What stands behind them.
        usage: Instead of what argparse makes of the arguments.
    """
    return argparse.ArgumentParser(
        f"rhymes {name}",
        usage=usage,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def positive(text: str) -> int:
    """Read a whole number from 1 that fits into 64 bits."""
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def add_former_flags(parser: argparse.ArgumentParser, former: Mapping[str, str]) -> None:
    """Refuse flags by what they are called now.

    Args:
        parser: Of the command.
        former: Flag -> what to write instead.
    """
    for flag, now in former.items():
        parser.add_argument(flag, action=_FormerFlag, nargs="?", help=argparse.SUPPRESS, const=now)


class _FormerFlag(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,  # noqa: ARG002 - argparse's signature
        values: Any,  # noqa: ARG002
        option_string: str | None = None,
    ) -> NoReturn:
        parser.error(f"{option_string} is {self.const} now")
