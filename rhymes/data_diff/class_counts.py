"""The objects of each class in two data versions, by what became of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rhymes.data_diff.image_labels import ImageLabels, VersionLabels
from rhymes.data_diff.image_pairs import ImagePairing
from rhymes.data_diff.label_changes import LabelChanges


@dataclass(frozen=True, eq=False)
class ClassCounts:
    """How the objects of a class changed.

    Attributes:
        old: Split -> objects in the old version.
        new: Split -> objects in the new one.
        in_removed_images: Objects that went with their pictures.
        in_added_images: Objects that came with new pictures.
        removed: Objects that were taken out of pictures of both versions.
        added: Objects that were put into such pictures.
        redrawn: Objects there with another box or outline.
        relabelled_from: Objects there that had this class and have another.
        relabelled_to: Objects there that had another class and have this one.
    """

    old: Counter[str] = field(default_factory=Counter)
    new: Counter[str] = field(default_factory=Counter)
    in_removed_images: int = 0
    in_added_images: int = 0
    removed: int = 0
    added: int = 0
    redrawn: int = 0
    relabelled_from: int = 0
    relabelled_to: int = 0


def count_classes(
    old: VersionLabels, new: VersionLabels, images: ImagePairing, totals: LabelChanges
) -> dict[str, ClassCounts]:
    """Count the objects of each class, those of the new version first, in the order of the ids.

    Args:
        old: The old version; a renamed class has its new name already.
        new: The new one.
        images: Which pictures are the same.
        totals: The changes of all pairs of `images` together.
    """
    sides = [_count_objects(version.names, version.images) for version in (old, new)]
    removed = _count_objects(old.names, images.removed)
    added = _count_objects(new.names, images.added)
    left, arrived = Counter[str](), Counter[str]()
    for (before, after), count in totals.relabelled.items():
        left[before] += count
        arrived[after] += count
    return {
        name: ClassCounts(
            sides[0][name],
            sides[1][name],
            removed[name].total(),
            added[name].total(),
            totals.removed[name],
            totals.added[name],
            totals.redrawn[name],
            left[name],
            arrived[name],
        )
        for name in dict.fromkeys((*new.names.values(), *old.names.values()))
    }


def _count_objects(
    names: Mapping[int, str], images: Sequence[ImageLabels]
) -> defaultdict[str, Counter[str]]:
    """Class -> split -> objects."""
    counts: Counter[tuple[str, int]] = Counter()
    for image in images:
        counts.update((image.split, number) for number in image.class_ids.tolist())
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (split, number), count in sorted(counts.items()):
        found[names[number]][split] += count
    return found
