"""Names that tell of copies: `x.rf.<hash>`, `00041_aug3`, `apple001S(3)`, `tray1_b`, `a - Copy`.

An ending counts where it is that of a copy for sure. Where it may as well number the images of a
series, contents have to confirm it: two photos may be called `apple (1)` and `apple (2)` since
somebody renamed a whole folder. What a camera counts or the time it writes (`IMG_0001`,
`20230101_120000`) is no ending at all.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

_SERIES = 20
"""More names than this with equal beginnings number a series, unless a tool wrote the endings."""

_EXTENSION = re.compile(r"\.(jpe?g|png|webp|gif|bmp|tiff?|heic|heif|avif|jfif)$", re.IGNORECASE)
_SPLIT_FOLDERS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})
_DATE = re.compile(r"(^|[^0-9])(19|20)[0-9]{6}$")

_WORDS = (
    "temp|tmp|flip(?:ped)?|mirror(?:ed)?|rot(?:ated?)?[-_]?[0-9]{0,3}|crop(?:ped)?[0-9]{0,2}|"
    "bright(?:er|ness)?[0-9]{0,3}|dark(?:er)?|blur(?:red)?|noisy?|noise|contrast|gr[ae]y(?:scale)?|"
    "bw|resized?|scaled?|small|large|thumb(?:nail)?|edit(?:ed)?|orig(?:inal)?|new|final|dup(?:licate)?"
)


class _Ending(NamedTuple):
    rule: str
    pattern: re.Pattern[str]
    written_by_a_tool: bool


def _ending(rule: str, pattern: str, written_by_a_tool: bool = False) -> _Ending:
    return _Ending(rule, re.compile(rf"(?:{pattern})$", re.IGNORECASE), written_by_a_tool)


_ENDINGS = (
    _ending(".rf.<hash>", r"(?:_(?:jpe?g|png|webp|bmp|tiff?|heic))?\.rf\.[0-9a-z_-]{16,}", True),
    _ending("_aug3", r"[-_ ]aug(?:mented)?[-_]?[0-9]*", True),
    _ending(
        "_hflip", r"[-_ ](?:[hv]flip|flip[-_]?(?:h|v|lr|ud)|rot(?:ate)?[-_]?(?:90|180|270))", True
    ),
    _ending("- Copy", r" ?[-_ ] ?(?:copy|kopie|copie|copia)[-_ ]?[0-9]*(?: ?\([0-9]+\))?", True),
    _ending("(3)", r" ?\([0-9]{1,2}\)"),
    _ending("_temp", rf"[-_ ](?:{_WORDS})"),
    _ending("_a", r"[-_][a-h]"),
    _ending("_2", r"[-_][0-9]{1,2}"),
)
_NEVER_SURE = "_2"


class _Name(NamedTuple):
    """A name without its endings: folder and stem, and what endings it had."""

    stem: str
    rules: tuple[str, ...]


@dataclass(frozen=True)
class NamedCopies:
    """Images whose names say that they are copies of one image.

    Attributes:
        members: positions of the images, ascending, at least two.
        rule: the ending that told it.
        sure: whether the names suffice; else contents have to confirm it.
    """

    members: tuple[int, ...]
    rule: str
    sure: bool


def find_named_copies(sources: Sequence[str]) -> list[NamedCopies]:
    """Find names that differ in endings of copies alone.

    Args:
        sources: the image column's values: paths or URLs.
    """
    found: list[NamedCopies] = []
    for only_sure in (True, False):
        stems: dict[str, list[tuple[int, _Name]]] = defaultdict(list)
        for position, source in enumerate(sources):
            name = _source_to_name(source, only_sure)
            stems[name.stem].append((position, name))
        for of_stem in stems.values():
            rules = [rule for _, name in of_stem for rule in name.rules]
            if only_sure and not rules:
                continue
            by_a_tool = any(rule in _TOOLS for rule in rules)
            if len(of_stem) > 1 and (by_a_tool or len(of_stem) <= _SERIES):
                members = tuple(position for position, _ in of_stem)
                rule = rules[0] if rules else "other extension"
                found.append(NamedCopies(members, rule, only_sure))
    sure_sets = {each.members for each in found if each.sure}
    return [each for each in found if each.sure or each.members not in sure_sets]


_TOOLS = frozenset(each.rule for each in _ENDINGS if each.written_by_a_tool)


def _source_to_name(source: str, only_sure: bool) -> _Name:
    """Take off the endings of a copy, or only those that are one for sure."""
    path = urlsplit(source).path if source.lower().startswith(("http://", "https://")) else source
    *folders, name = path.split("/")
    stem = _EXTENSION.sub("", name)
    rules: list[str] = []
    while (taken := _take_ending(stem, only_sure)) is not None:
        stem, rule = taken
        rules.append(rule)
    folder = "/".join(each for each in folders if each.lower() not in _SPLIT_FOLDERS)
    return _Name(f"{folder}/{stem}", tuple(rules))


def _take_ending(stem: str, only_sure: bool) -> tuple[str, str] | None:
    for ending in _ENDINGS:
        match = ending.pattern.search(stem)
        if match is None or match.start() == 0:
            continue
        rest = stem[: match.start()]
        if not only_sure or _is_sure(ending, rest):
            return rest, ending.rule
    return None


def _is_sure(ending: _Ending, rest: str) -> bool:
    """Whether an ending is that of a copy, given what stands before it.

    What a tool writes is. Else the rest has to name one image, by a number that is no date.
    """
    if ending.written_by_a_tool:
        return True
    if ending.rule == _NEVER_SURE or _DATE.search(rest):
        return False
    if ending.rule == "_a":
        return rest[-1].isdigit()
    return any(character.isdigit() for character in rest)
