"""Copies of one image that must stay in one split: by their names, their content, or a file.

What `coco.groups: auto` joins is said in the report. Joins are transitive, so that a chain of
images, each similar to the next, could swallow the whole set, as a fixed camera makes them. Where
a group would hold more than a tenth of the images, its content is compared by a stricter distance
until it does not, and the report warns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from rhymes.coco.copy_names import NamedCopies, find_named_copies
from rhymes.coco.joining import join_by_names
from rhymes.coco.splits import ImageGroup
from rhymes.common.csv import load_rows
from rhymes.common.errors import InputError
from rhymes.common.text import count_to_text
from rhymes.images.copies import Copy, find_copies
from rhymes.images.copy_distance import CUTOFF
from rhymes.images.fingerprint import Fingerprints

GROUP_COLUMNS = ("group", "image")

CONTENT = "content"
FILE = "data/groups.csv"

MAX_SHARE = 0.1
"""Of all images, that one group of copies may hold."""

_MAX_GROUP = 20
"""Images that a group may hold in any case."""

_CONFIRMED = 2 * CUTOFF  # distance up to which contents confirm what names suggest
_LISTED = 5


class Link(NamedTuple):
    """Two images that belong together, by their positions.

    Attributes:
        first: an image.
        second: another one.
        rule: why: the ending of a name, "content", or "data/groups.csv".
        distance: of the two where content decided, else -1.
    """

    first: int
    second: int
    rule: str
    distance: int = -1


@dataclass
class CopyGroups:
    """Which images belong together, and why.

    Attributes:
        groups: positions of the images of each group, ascending, at least two.
        links: what joined them.
        loosened: names of images in groups that were too large and were joined more strictly.
        unknown: images that the groups file names and the export does not have.
        torn: positions of images that belong together and are pinned to several splits.
    """

    groups: list[list[int]] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    loosened: list[list[str]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    torn: list[list[int]] = field(default_factory=list)

    def keep_pins(self, groups: Sequence[ImageGroup], pinned: Mapping[int, int]) -> None:
        """Part groups of copies of which splits.csv pins some here and some there: pins win.

        Those that have no pin stay with the first of the pinned splits, which is train if it is
        among them.

        Args:
            groups: of images that are joined without copies.
            pinned: position of such a group -> position in `SPLITS`.
        """
        names: list[list[int]] = [[] for _ in groups]
        of_image = {image: place for place, group in enumerate(groups) for image in group.images}
        for number, images in enumerate(self.groups):
            for image in images:
                names[of_image[image]].append(number)
        self.groups = []
        for joined in join_by_names(names):
            splits = sorted({pinned[place] for place in joined if place in pinned})
            if len(splits) > 1:
                self.torn.append(_images(groups, joined))
            for split in splits or [0]:
                part = [place for place in joined if pinned.get(place, (splits or [0])[0]) == split]
                self.groups.append(_images(groups, part))
        self.groups = [images for images in self.groups if len(images) > 1]


def _images(groups: Sequence[ImageGroup], places: Sequence[int]) -> list[int]:
    return sorted(image for place in places for image in groups[place].images)


def load_groups(path: Path) -> dict[str, set[str]]:
    """Read a groups file: an image's name in the export -> its groups, "" for being on its own.

    An image may stand in several groups, which are joined by it. Where there is no file, nothing
    is joined by it.

    Raises:
        InputError: the file cannot be read, an image is empty or both on its own and in a group;
            with the row.
    """
    groups: dict[str, set[str]] = {}
    if not path.exists():
        return groups
    for row in load_rows(path, GROUP_COLUMNS):
        group, image = (row.cells[name] for name in GROUP_COLUMNS)
        if not image:
            raise InputError(f"{path}: row {row.number}: the image is empty")
        of_image = groups.setdefault(image, set())
        of_image.add(group)
        if "" in of_image and len(of_image) > 1:
            raise InputError(
                f"{path}: row {row.number}: image '{image}' is in group '{max(of_image)}' and, by "
                "a row without a group, on its own; delete one of the two rows"
            )
    return groups


def group_copies(
    names: Sequence[Sequence[str]],
    fingerprints: Fingerprints | None,
    listed: Mapping[str, set[str]],
    with_names: Collection[int] | None = None,
) -> CopyGroups:
    """Group images that are copies of each other.

    Args:
        names: each image's names in the export, the first its own.
        fingerprints: uint8 [images, 32, 32, 3]; None: only what `listed` says.
        listed: from `load_groups`.
        with_names: positions of the images whose names are looked at; None: all.
    """
    groups = CopyGroups()
    places = {name: place for place, of_image in enumerate(names) for name in of_image}
    groups.unknown = sorted(set(listed) - set(places))
    alone = {places[name] for name, of in listed.items() if "" in of and name in places}
    links = _listed_links(listed, places)
    if fingerprints is None:
        return _joined(groups, links, len(names))
    asked = sorted((set(range(len(names))) if with_names is None else set(with_names)) - alone)
    named = [
        NamedCopies(tuple(asked[place] for place in found.members), found.rule, found.sure)
        for found in find_named_copies([names[place][0] for place in asked])
    ]
    sure = [
        Link(*pair, found.rule)
        for found in named
        if found.sure and len(found.members) <= _limit(len(names))
        for pair in pairwise(found.members)
    ]
    too_many = [f for f in named if f.sure and len(f.members) > _limit(len(names))]
    groups.loosened += [[names[place][0] for place in found.members] for found in too_many]
    near = find_copies(fingerprints, _CONFIRMED)
    content = list(_near_to_links(near, [each for each in named if not each.sure], alone))
    return _joined(
        groups, [*links, *sure, *_loosen(links + sure, content, names, groups)], len(names)
    )


def _limit(images: int) -> int:
    return max(_MAX_GROUP, int(MAX_SHARE * images))


def _listed_links(listed: Mapping[str, set[str]], places: dict[str, int]) -> list[Link]:
    members: dict[str, list[int]] = {}
    for name, of_image in listed.items():
        for group in sorted(of_image - {""}) if name in places else ():
            members.setdefault(group, []).append(places[name])
    return [Link(*pair, FILE) for group in members.values() for pair in pairwise(group)]


def _near_to_links(
    near: Sequence[Copy], named: Sequence[NamedCopies], alone: Collection[int]
) -> Iterator[Link]:
    """Yield what content joins, and what names suggest and content, less near, confirms.

    Only images that are neighbours by content are asked for: all pairs of a series of thousands
    of names would take hours.
    """
    set_of = {place: number for number, found in enumerate(named) for place in found.members}
    for first, second, distance in near:
        if first in alone or second in alone:
            continue
        number = set_of.get(first)
        if number is not None and number == set_of.get(second):
            yield Link(first, second, f"{named[number].rule} and content", distance)
        elif distance <= CUTOFF:
            yield Link(first, second, CONTENT, distance)


def _loosen(
    kept: Sequence[Link], content: list[Link], names: Sequence[Sequence[str]], groups: CopyGroups
) -> list[Link]:
    """Drop the weaker links of groups that would be too large; remember the groups."""
    cutoff, first = _CONFIRMED, True
    while cutoff >= 0:
        large = [
            group
            for group in _join([*kept, *content], len(names))
            if len(group) > _limit(len(names))
        ]
        if not large:
            break
        if first:
            groups.loosened += [[names[place][0] for place in group] for group in large]
            first = False
        cutoff = cutoff // 2 if cutoff else -1
        inside = {place for group in large for place in group}
        content = [link for link in content if link.first not in inside or link.distance <= cutoff]
    return content


def _join(links: Sequence[Link], count: int) -> list[list[int]]:
    of_image: list[list[int]] = [[] for _ in range(count)]
    for number, link in enumerate(links):
        of_image[link.first].append(number)
        of_image[link.second].append(number)
    return [group for group in join_by_names(of_image) if len(group) > 1]


def _joined(groups: CopyGroups, links: list[Link], count: int) -> CopyGroups:
    groups.links = links
    groups.groups = _join(links, count)
    return groups


def copies_to_report(groups: CopyGroups, names: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return what report.json says of groups: counts, and by rule how many pairs, with examples."""
    rules = Counter(link.rule for link in groups.links)
    return {
        "groups": len(groups.groups),
        "images": sum(map(len, groups.groups)),
        "largest": max(map(len, groups.groups), default=0),
        "rules": {
            rule: {
                "pairs": count,
                "examples": [
                    [names[link.first][0], names[link.second][0]]
                    for link in [each for each in groups.links if each.rule == rule][:_LISTED]
                ],
            }
            for rule, count in sorted(rules.items())
        },
        "too_large": [
            {"images": len(group), "examples": group[:_LISTED]} for group in groups.loosened
        ],
        "not_in_export": groups.unknown,
        "pinned_apart": [[names[place][0] for place in images] for images in groups.torn],
    }


def copies_to_warnings(report: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence a finding that somebody should look at, from `copies_to_report`."""
    for group in report["too_large"]:
        yield (
            f"{group['images']} images look like copies of each other, more than {MAX_SHARE:.0%} "
            f"of all ({', '.join(group['examples'])}, ...): probably a fixed camera or a series. "
            "Only the most similar of them were joined; say in coco.group_pattern or "
            f"{FILE} which belong together."
        )
    if torn := report["pinned_apart"]:
        yield (
            f"{count_to_text(len(torn), 'group of copies is', 'groups of copies are')} pinned to "
            f"several splits in splits.csv, and stay there: {' = '.join(torn[0][:_LISTED])}. What "
            "is measured on them is too good; delete their rows to have them in one split."
        )
    if unknown := report["not_in_export"]:
        yield (
            f"{count_to_text(len(unknown), 'image', 'images')} of {FILE} "
            f"are not in the export: {', '.join(unknown[:_LISTED])}."
        )


def copies_to_summary(report: dict[str, Any]) -> str:
    """Say in a line how many groups of copies there are, by which rules."""
    if not report["groups"]:
        return "Copies: no images were joined."
    rules = ", ".join(
        f"{found['pairs']} by {rule} ({' = '.join(found['examples'][0])})"
        for rule, found in report["rules"].items()
    )
    return (
        f"Copies: {report['images']} images in {count_to_text(report['groups'], 'group')}, each of "
        f"which stays in one split; pairs: {rules}."
    )
