"""A stage then and now -> what differs: command, parameters, dependencies, outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rhymes.common.params import flatten
from rhymes.project.why.pipeline import MISSING
from rhymes.versions.dvc import LockedStage


class Kind(StrEnum):
    """What changed."""

    COMMAND = "command"
    PARAMETER = "parameter"
    DEPENDENCY = "dependency"
    OUTPUT = "output"


NOT_SET = "not set"


@dataclass(frozen=True)
class Change:
    """One difference.

    Attributes:
        kind: What changed.
        name: Of a parameter, with dots; path of a dependency or an output; empty for the command.
        old: The value or md5 then; None where there was none.
        new: The same now; `MISSING` for a file that is not there.
    """

    kind: Kind
    name: str
    old: Any
    new: Any


def compare_inputs(old: LockedStage, new: LockedStage) -> list[Change]:
    """List what makes a stage run: command, parameters and dependencies that differ."""
    return [*_commands(old, new), *_params(old, new), *_paths(Kind.DEPENDENCY, old.deps, new.deps)]


def compare_outputs(old: LockedStage, new: LockedStage) -> list[Change]:
    """List the outputs that differ."""
    return list(_paths(Kind.OUTPUT, old.outs, new.outs))


def _commands(old: LockedStage, new: LockedStage) -> Iterator[Change]:
    if old.cmd != new.cmd:
        yield Change(Kind.COMMAND, "", old.cmd, new.cmd)


def _params(old: LockedStage, new: LockedStage) -> Iterator[Change]:
    before, after = dict(flatten(old.params)), dict(flatten(new.params))
    for name in dict.fromkeys((*after, *before)):
        values = before.get(name, NOT_SET), after.get(name, NOT_SET)
        # As DVC compares them: 20 and 20.0 are equal.
        if values[0] != values[1]:
            yield Change(Kind.PARAMETER, name, *values)


def _paths(kind: Kind, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for path in sorted({*old, *new}):
        before, after = old.get(path), new.get(path)
        if before != after or after == MISSING:
            yield Change(kind, path, before, after)
