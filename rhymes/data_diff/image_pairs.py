"""The pictures of two data versions -> which are the same."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from rhymes.data_diff.image_labels import ImageLabels


@dataclass(frozen=True, eq=False)
class ImagePair:
    """A picture in both versions.

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
        return self.old.source != self.new.source

    @property
    def has_wandered(self) -> bool:
        """Whether it is in another split."""
        return self.old.split != self.new.split


@dataclass(frozen=True, eq=False)
class ImagePairing:
    """Which pictures are in both versions, and which in one.

    Attributes:
        pairs: In both, in the order of the new version.
        removed: In the old one alone, in its order.
        added: In the new one alone, in its order.
    """

    pairs: Sequence[ImagePair]
    removed: Sequence[ImageLabels]
    added: Sequence[ImageLabels]


def _identity(image: ImageLabels) -> Hashable:
    return image.file_name, image.source


def _content(image: ImageLabels) -> Hashable:
    return image.file_name


def _source(image: ImageLabels) -> Hashable:
    return image.source


_KEYS: tuple[Callable[[ImageLabels], Hashable], ...] = (_identity, _content, _source)


def pair_images(old: Sequence[ImageLabels], new: Sequence[ImageLabels]) -> ImagePairing:
    """Find the pictures of the old version in the new one.

    A picture is the same by its bytes and its name in the export, else by its bytes (it was
    renamed), else by its name (it was replaced). Several of the same bytes are paired in order.

    Args:
        old: All pictures of the old version.
        new: All pictures of the new one.
    """
    partners: dict[int, ImageLabels] = {}
    left, right = list(enumerate(old)), list(enumerate(new))
    for key in _KEYS:
        waiting: dict[Hashable, deque[int]] = defaultdict(deque)
        for number, image in left:
            waiting[key(image)].append(number)
        taken: set[int] = set()
        for number, image in right:
            if waiting.get(key(image)):
                partner = waiting[key(image)].popleft()
                partners[number] = old[partner]
                taken.add(partner)
        left = [(number, image) for number, image in left if number not in taken]
        right = [(number, image) for number, image in right if number not in partners]
    return ImagePairing(
        [ImagePair(partners[n], image) for n, image in enumerate(new) if n in partners],
        [image for _, image in left],
        [image for _, image in right],
    )
