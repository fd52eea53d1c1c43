"""The comparison of two data versions: changes of images and labels, by class and by split."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tqdm import tqdm

from rhymes.coco.splits import SPLITS
from rhymes.data_diff.image_labels import ImageLabels, VersionLabels
from rhymes.data_diff.label_changes import LabelChanges, compare_labels


@dataclass(frozen=True, eq=False)
class ImagePair:
    """An image in both versions.

    Attributes:
        old: In the old version.
        new: In the new one.
    """

    old: ImageLabels
    new: ImageLabels

    @property
    def is_replaced(self) -> bool:
        """Whether it has other bytes under the same name."""
        return self.old.file_name != self.new.file_name

    @property
    def is_renamed(self) -> bool:
        """Whether it has the same bytes under another name."""
        return not {*self.old.sources}.intersection(self.new.sources)

    @property
    def has_changed_split(self) -> bool:
        """Whether it is in another split."""
        return self.old.split != self.new.split


@dataclass(frozen=True, eq=False)
class ImagePairing:
    """Which images are in both versions, and which in one.

    Attributes:
        pairs: In both, in the order of the new version.
        removed: In the old one alone, in its order.
        added: In the new one alone, in its order.
    """

    pairs: Sequence[ImagePair]
    removed: Sequence[ImageLabels]
    added: Sequence[ImageLabels]


def _identity(image: ImageLabels) -> tuple[Hashable, ...]:
    return ((image.file_name, image.source),)


def _content(image: ImageLabels) -> tuple[Hashable, ...]:
    return (image.file_name,)


def _source(image: ImageLabels) -> tuple[Hashable, ...]:
    return (image.source,)


def _any_source(image: ImageLabels) -> tuple[Hashable, ...]:
    return image.sources


_KEYS: tuple[Callable[[ImageLabels], tuple[Hashable, ...]], ...] = (
    _identity, _content, _source, _any_source,
)  # fmt: skip


def pair_images(old: Sequence[ImageLabels], new: Sequence[ImageLabels]) -> ImagePairing:
    """Find the images of the old version in the new one.

    An image is the same by its bytes and its name in the export, else by its bytes (it was
    renamed), else by its name, else by any of its names (it was replaced). Several of the same
    bytes are paired in order.

    Args:
        old: All images of the old version.
        new: All images of the new one.
    """
    partners: dict[int, ImageLabels] = {}
    left, right = list(enumerate(old)), list(enumerate(new))
    for keys in _KEYS:
        waiting: dict[Hashable, deque[int]] = defaultdict(deque)
        for number, image in left:
            for key in keys(image):
                waiting[key].append(number)
        taken: set[int] = set()
        for number, image in right:
            if (partner := _first_free([waiting[key] for key in keys(image)], taken)) is not None:
                partners[number] = old[partner]
                taken.add(partner)
        left = [(number, image) for number, image in left if number not in taken]
        right = [(number, image) for number, image in right if number not in partners]
    return ImagePairing(
        [ImagePair(partners[n], image) for n, image in enumerate(new) if n in partners],
        [image for _, image in left],
        [image for _, image in right],
    )


def _first_free(queues: Sequence[deque[int]], taken: set[int]) -> int | None:
    """Take the first number that is not taken, as an image waits under each of its names."""
    for queue in queues:
        while queue:
            if (number := queue.popleft()) not in taken:
                return number
    return None


@dataclass(frozen=True, eq=False)
class ClassCounts:
    """How the objects of a class changed.

    Attributes:
        old: Split -> objects in the old version.
        new: Split -> objects in the new one.
        in_removed_images: Objects that went with their images.
        in_added_images: Objects that came with new images.
        removed: Objects that were taken out of images of both versions.
        added: Objects that were put into such images.
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
        images: Which images are the same.
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


class ClassChange(NamedTuple):
    """A class that is gone while its objects are still there, under other names.

    Attributes:
        old: Its name.
        new: The classes that its objects have now.
        objects: How many, in images of both versions.
        is_rename: Whether the new name is new, and nothing else became it.
    """

    old: str
    new: tuple[str, ...]
    objects: int
    is_rename: bool


class Relabelling(NamedTuple):
    """How many objects have another class than before, and on how many images."""

    objects: int
    images: int


@dataclass(frozen=True, eq=False)
class Comparison:
    """How a new data version differs from an old one.

    Attributes:
        old: All of the old version.
        new: All of the new one.
        images: Which images are the same.
        labels: For each pair of `images` how its objects changed; a renamed class goes by its new
            name in both versions.
        classes: By name, those of the new version first, each in the order of its ids.
        class_changes: Renamed, merged and divided classes.
        relabelled: Old and new class -> how many objects; without those of `class_changes`.
    """

    old: VersionLabels
    new: VersionLabels
    images: ImagePairing
    labels: Sequence[LabelChanges]
    classes: Mapping[str, ClassCounts]
    class_changes: Sequence[ClassChange]
    relabelled: Mapping[tuple[str, str], Relabelling]

    @property
    def changed_split(self) -> list[ImagePair]:
        """Images that are in another split than before."""
        return [pair for pair in self.images.pairs if pair.has_changed_split]

    @property
    def replaced(self) -> list[ImagePair]:
        """Images of other bytes under the same name."""
        return [pair for pair in self.images.pairs if pair.is_replaced]

    @property
    def renamed(self) -> list[ImagePair]:
        """Images of the same bytes under another name."""
        return [pair for pair in self.images.pairs if pair.is_renamed]

    @property
    def renames(self) -> dict[str, str]:
        """Renamed classes: old name -> new name."""
        return _renames(self.class_changes)

    @property
    def moved_ids(self) -> dict[str, tuple[int, int]]:
        """Classes of both versions, or renamed, whose id changed: name -> old and new id."""
        old = {name: number for number, name in self.old.names.items()}
        renamed = {after: before for before, after in self.renames.items()}
        ids = {
            name: (old[renamed.get(name, name)], number)
            for number, name in self.new.names.items()
            if renamed.get(name, name) in old
        }
        return {name: pair for name, pair in ids.items() if pair[0] != pair[1]}

    def changed(self) -> list[tuple[ImagePair, LabelChanges]]:
        """Images of which an object changed by more than a class change."""
        found = []
        for pair, labels in zip(self.images.pairs, self.labels, strict=True):
            relabelled = any(classes in self.relabelled for classes in labels.relabelled)
            if labels.added or labels.removed or labels.redrawn or relabelled:
                found.append((pair, labels))
        return found


def compare_versions(old: VersionLabels, new: VersionLabels) -> Comparison:
    """Compare two data versions.

    Args:
        old: The one before.
        new: The one after.
    """
    images = pair_images(old.images, new.images)
    labels = _compare_pairs(images, old.names, new.names)
    class_changes = _find_class_changes(old, new, _add_up(labels).relabelled)
    names = old.names
    if renames := _renames(class_changes):
        names = {number: renames.get(name, name) for number, name in old.names.items()}
        labels = _compare_pairs(images, names, new.names)
    return Comparison(
        old,
        new,
        images,
        labels,
        count_classes(VersionLabels(names, old.images), new, images, _add_up(labels)),
        class_changes,
        _count_relabelled(labels, {each.old for each in class_changes}),
    )


def _renames(changes: Sequence[ClassChange]) -> dict[str, str]:
    return {each.old: each.new[0] for each in changes if each.is_rename}


def _compare_pairs(
    images: ImagePairing, old_names: Mapping[int, str], new_names: Mapping[int, str]
) -> list[LabelChanges]:
    bar = tqdm(images.pairs, "compare", unit=" images", disable=None, leave=False)
    return [compare_labels(pair.old, pair.new, old_names, new_names) for pair in bar]


def _add_up(labels: Sequence[LabelChanges]) -> LabelChanges:
    total = LabelChanges()
    for each in labels:
        for name in ("added", "removed", "redrawn", "relabelled", "same"):
            getattr(total, name).update(getattr(each, name))
    return total


def _find_class_changes(
    old: VersionLabels, new: VersionLabels, relabelled: Counter[tuple[str, str]]
) -> list[ClassChange]:
    """Find the classes that are gone while their objects are there."""
    targets: dict[str, Counter[str]] = defaultdict(Counter)
    sources: dict[str, set[str]] = defaultdict(set)
    for (before, after), count in relabelled.items():
        targets[before][after] += count
        sources[after].add(before)
    changes = []
    for name in old.names.values():
        if name in new.names.values() or not targets[name]:
            continue
        names = tuple(sorted(targets[name], key=lambda each: (-targets[name][each], each)))
        is_rename = (
            len(names) == 1 and names[0] not in old.names.values() and len(sources[names[0]]) == 1
        )
        changes.append(ClassChange(name, names, targets[name].total(), is_rename))
    return changes


def _count_relabelled(
    labels: Sequence[LabelChanges], gone: set[str]
) -> dict[tuple[str, str], Relabelling]:
    objects: Counter[tuple[str, str]] = Counter()
    images: Counter[tuple[str, str]] = Counter()
    for each in labels:
        for classes, count in each.relabelled.items():
            if classes[0] not in gone:
                objects[classes] += count
                images[classes] += 1
    order = sorted(objects, key=lambda classes: (-objects[classes], classes))
    return {classes: Relabelling(objects[classes], images[classes]) for classes in order}


def split_counts(comparison: Comparison) -> dict[str, dict[str, Any]]:
    """For each split its images: before, removed, gone elsewhere, come from there, added, after."""
    changed_split = Counter((pair.old.split, pair.new.split) for pair in comparison.changed_split)
    sides = [
        Counter(image.split for image in images)
        for images in (
            comparison.old.images,
            comparison.images.removed,
            comparison.images.added,
            comparison.new.images,
        )
    ]
    return {
        split: {
            "old": sides[0][split],
            "removed": sides[1][split],
            "to_other_splits": sum(
                n for (before, _), n in changed_split.items() if before == split
            ),
            "from_other_splits": sum(
                n for (_, after), n in changed_split.items() if after == split
            ),
            "added": sides[2][split],
            "new": sides[3][split],
        }
        for split in SPLITS
    }
