"""A regular expression that finds in an image's name which group of images it belongs to.

The copies that augmentation made of an image, say `x_aug1.jpg` and `x_aug2.jpg`, have equal keys
where the pattern's first group is what stands before `_aug`. The original `x.jpg` does not match,
but it is a copy like the others: so names that are a key, but for folder and extension, belong to
its group as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rhymes.common.errors import InputError
from rhymes.common.text import count_to_text

_LISTED = 3


def compile_group_pattern(pattern: str | None, where: str) -> re.Pattern[str] | None:
    """Compile a regular expression from the parameters; `where` names the key in an error."""
    try:
        return None if pattern is None else re.compile(pattern)
    except re.error as error:
        raise InputError(f"{where}: not a regular expression: {pattern!r}: {error}") from None


def source_to_key(source: str, pattern: re.Pattern[str]) -> str | None:
    """Return the key that a pattern finds in an image's name: its first group, or the whole match.

    None where it does not match or finds nothing: an empty key would join unrelated images.
    """
    match = pattern.search(source)
    if match is None:
        return None
    return match[1 if match.re.groups else 0] or None


@dataclass(frozen=True)
class PatternMatches:
    """What a pattern finds in the names of an export.

    Attributes:
        pattern: the regular expression.
        keys: name -> key, of names that match or are a key themselves.
        matching: how many names match.
        originals: names that do not match but are a key.
        others: names that do not match.
    """

    pattern: str
    keys: dict[str, str]
    matching: int
    originals: tuple[str, ...]
    others: tuple[str, ...]

    def check(self) -> None:
        """Refuse a pattern that would let through what it was meant to keep together.

        Raises:
            InputError: no name matches.
        """
        if not self.matching:
            raise InputError(f"coco: {self._none()}")

    def _none(self) -> str:
        names = ", ".join(f"'{source}'" for source in self.others[:_LISTED])
        return (
            f"coco.group_pattern {self.pattern!r} matches none of "
            f"{count_to_text(len(self.others), 'image name')}, such as {names}; correct it, or set "
            "it to null (docs/bring-your-own-export.md has examples)"
        )

    def warnings(self) -> Iterator[str]:
        """Yield a sentence where names are left out, or none or all images are joined."""
        if not self.matching:
            yield f"{self._none()}."
            return
        if self.others:
            what = count_to_text(len(self.others), "image does", "images do")
            shown = ", ".join(self.others[:_LISTED])
            yield f"{what} not match coco.group_pattern, each a group of its own: {shown}."
        if self.groups == len(self.keys):
            yield (
                f"coco.group_pattern joins no images: it finds {self.groups} different keys in "
                f"{len(self.keys)} names."
            )
        if self.groups == 1 < len(self.keys) and not self.others:
            yield "coco.group_pattern joins all images in one group, so that nothing can be split."

    @property
    def groups(self) -> int:
        """How many different keys were found."""
        return len(set(self.keys.values()))

    def to_text(self) -> str:
        """Say in a sentence what was found."""
        examples = ", ".join(f"'{key}' of {source}" for source, key in self._examples())
        if not self.matching:
            return f"{self._none()}."
        also = f" and {len(self.originals)} named like a key" if self.originals else ""
        total = len(self.keys) + len(self.others)
        return (
            f"coco.group_pattern matches {self.matching} of {total} image names{also}, in "
            f"{count_to_text(self.groups, 'group')}: {examples}."
        )

    def to_report(self) -> dict[str, object]:
        """Return what report.json says of the pattern."""
        return {
            "pattern": self.pattern,
            "matching": self.matching,
            "originals": len(self.originals),
            "others": len(self.others),
            "groups": self.groups,
            "examples": dict(self._examples()),
        }

    def _examples(self) -> list[tuple[str, str]]:
        return list(self.keys.items())[:_LISTED]


def find_pattern_keys(sources: Sequence[str], pattern: re.Pattern[str]) -> PatternMatches:
    """Find the key of each name that has one."""
    keys = {source: key for source in sources if (key := source_to_key(source, pattern))}
    matching, known = len(keys), set(keys.values())
    originals, others = [], []
    for source in sources:
        if source not in keys:
            if key := next((name for name in _bare_names(source) if name in known), None):
                keys[source] = key
                originals.append(source)
            else:
                others.append(source)
    return PatternMatches(pattern.pattern, keys, matching, tuple(originals), tuple(others))


def _bare_names(source: str) -> tuple[str, str, str]:
    """Return a name without extension, then what follows its folder: with it, and without."""
    path = source.partition("?")[0] if "://" in source else source
    folder, slash, name = path.rpartition("/")
    stem = name.rpartition(".")[0] or name
    return f"{folder}{slash}{stem}", name, stem
