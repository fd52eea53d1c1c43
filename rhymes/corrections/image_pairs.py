"""Which image of the old export each corrected image is: by its bytes, by its name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tqdm import tqdm

from rhymes.coco.files import source_to_name
from rhymes.common.errors import InputError
from rhymes.corrections.export_tables import ExportTable
from rhymes.images.images import bytes_to_upright_size


class Found(StrEnum):
    """How a corrected image was found in the old export."""

    BY_SOURCE = "by_source"
    BY_CONTENT = "by_content"
    BY_FILE_NAME = "by_file_name"
    NEW = "new"


@dataclass(frozen=True)
class OldImage:
    """What a corrected image is in the old export.

    Attributes:
        sources: Its names there, of equal bytes; the first one stays its name. Empty where the
            image is new.
        found: How it was found.
        has_other_bytes: Whether it has the name, but not the bytes of the old one.
    """

    sources: tuple[str, ...]
    found: Found
    has_other_bytes: bool = False


def pair_corrected(
    old: ExportTable, sources: Iterable[str], corrected: ExportTable, corrections: Iterable[str]
) -> dict[str, OldImage]:
    """Find each corrected image in the old export.

    Equal bytes count first, whatever the names: the files of the folders, or what fetch says of
    the bytes behind URLs. Then the same name, unless the two images have different sizes. Last,
    for an image of which the corrected export has no file, a file's name that is the only one on
    both sides, as tools that export without images keep no more of it.

    Args:
        old: The old export.
        sources: Its image column's distinct values, in order.
        corrected: The corrected export.
        corrections: The distinct values of its annotated rows.

    Raises:
        InputError: An image has the name of one that it cannot be.
    """
    known, wanted = dict.fromkeys(sources), list(corrections)
    contents = _Contents(old, known, corrected, wanted)
    lone = _lone_names(known)
    lone_corrected = _lone_names(wanted)
    pairs: dict[str, OldImage] = {}
    for source in wanted:
        name = source_to_name(source)
        if same := contents.old_sources(contents.corrected.get(source)):
            first = source if source in same else same[0]
            found = Found.BY_SOURCE if source in same else Found.BY_CONTENT
            pairs[source] = OldImage(contents.with_copies(first), found)
        elif source in known:
            pairs[source] = _same_name(source, old, corrected, contents)
        elif name in lone and name in lone_corrected and not corrected.has_image(source):
            pairs[source] = OldImage(contents.with_copies(lone[name]), Found.BY_FILE_NAME)
        else:
            pairs[source] = OldImage((), Found.NEW)
    return pairs


class _Contents:
    """SHA-256 of the bytes of images; of the old files only those are read that may be equal."""

    def __init__(
        self, old: ExportTable, known: Iterable[str], corrected: ExportTable, wanted: Sequence[str]
    ) -> None:
        self.corrected = {
            source: sha256
            for source in tqdm(wanted, "corrected", unit=" images", disable=None, leave=False)
            if (sha256 := corrected.content(source))
        }
        sizes = {corrected.file_size(source) for source in self.corrected}
        sizes |= {old.file_size(source) for source in wanted} - {None}
        self.old: dict[str, str] = {}
        self._sources: defaultdict[str, list[str]] = defaultdict(list)
        for source in tqdm(known, "old", unit=" images", disable=None, leave=False):
            # What only an index tells of the corrected image has no size: any file may be it.
            is_possible = source in old.fetched or None in sizes or old.file_size(source) in sizes
            if is_possible and (sha256 := old.content(source)):
                self.old[source] = sha256
                self._sources[sha256].append(source)

    def old_sources(self, sha256: str | None) -> Sequence[str]:
        """Return the names of the old images of these bytes, in order."""
        return self._sources.get(sha256, ()) if sha256 else ()

    def with_copies(self, source: str) -> tuple[str, ...]:
        """Return an old image's name, and the others of its bytes."""
        copies = self.old_sources(self.old.get(source))
        return (source, *(each for each in copies if each != source))


def _same_name(
    source: str, old: ExportTable, corrected: ExportTable, contents: _Contents
) -> OldImage:
    """Take an image of the same name for the same, unless its size says otherwise."""
    mine, other = contents.corrected.get(source), contents.old.get(source)
    sources = contents.with_copies(source)
    if not mine or not other:
        return OldImage(sources, Found.BY_SOURCE)
    if corrected.file_size(source) is not None and old.file_size(source) is not None:
        sizes = [bytes_to_upright_size(each.load_image(source)) for each in (old, corrected)]
        if sizes[0] != sizes[1] and None not in sizes:
            shown = " and ".join(f"{size[0]} x {size[1]}" for size in sizes if size)
            raise InputError(
                f"{corrected.folder}: '{source}' is another image than in {old.folder}: {shown} "
                "pixels; give one of them another name, in its annotations.csv, too"
            )
    return OldImage(sources, Found.BY_SOURCE, has_other_bytes=True)


def _lone_names(sources: Iterable[str]) -> dict[str, str]:
    """File name -> source, of those that are the only ones of their name."""
    named: defaultdict[str, list[str]] = defaultdict(list)
    for source in sources:
        named[source_to_name(source)].append(source)
    return {name: found[0] for name, found in named.items() if name and len(found) == 1}
