"""What the splits came to beside what was asked: sizes, and whether test can be measured on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rhymes.coco.splits import SPLITS
from rhymes.common.markdown import rows_to_table
from rhymes.common.text import count_to_text

_CROSS_VALIDATION = (
    "Cross-validation by group says more: pin other groups to test in data/splits.csv, train anew, "
    "and take the mean."
)


@dataclass(frozen=True)
class SplitSizes:
    """The splits of a conversion; each mapping has the names of the splits.

    Attributes:
        asked: fraction of the images.
        images: how many there are.
        empty_images: how many of them have no object.
        groups: how many groups the images form.
        largest_group: images of the largest group of all.
    """

    asked: dict[str, float]
    images: dict[str, int]
    empty_images: dict[str, int]
    groups: dict[str, int]
    largest_group: int

    def achieved(self, split: str) -> float:
        """The fraction of all images that a split has."""
        return self.images[split] / max(1, sum(self.images.values()))

    def difference(self, split: str) -> float:
        """How many images a split has more than asked."""
        return self.images[split] - self.asked[split] * sum(self.images.values())


def sizes_to_report(sizes: SplitSizes) -> dict[str, dict[str, float]]:
    """Return report.json's fractions: asked and achieved, of each split."""
    return {
        split: {
            "asked": round(sizes.asked[split], 4),
            "achieved": round(sizes.achieved(split), 4),
        }
        for split in SPLITS
    }


def sizes_to_table(sizes: SplitSizes) -> str:
    """Return report.md's table of the splits."""
    head = ("split", "images", "asked", "achieved", "of these without objects", "groups of images")
    rows = [
        (
            split,
            sizes.images[split],
            f"{sizes.asked[split]:.1%}",
            f"{sizes.achieved(split):.1%}",
            sizes.empty_images[split],
            sizes.groups[split],
        )
        for split in SPLITS
    ]
    return rows_to_table(head, rows)


def split_warnings(sizes: SplitSizes) -> Iterator[str]:
    """Warn of splits that are missing, far from what was asked, or of a single group."""
    groups = sum(sizes.groups.values())
    for split in SPLITS:
        if sizes.asked[split] > 0 and not sizes.images[split]:
            yield (
                f"There is no image in {split}: all images form "
                f"{count_to_text(groups, 'group')} of images that must stay together, and a split "
                f"of parts of them would hold copies of what is trained on. {_CROSS_VALIDATION}"
            )
    if sizes.groups["test"] == 1 < sizes.images["test"]:
        yield (
            f"All {sizes.images['test']} images of test are one group: a figure on them says how "
            f"well that group is found, and little of others. {_CROSS_VALIDATION}"
        )
    if any(abs(sizes.difference(split)) > sizes.largest_group for split in SPLITS):
        shares = ", ".join(
            f"{split} {sizes.achieved(split):.1%} (asked {sizes.asked[split]:.1%})"
            for split in SPLITS
        )
        yield (
            f"The splits differ from the asked fractions by more than a group of images: {shares}. "
            "Pins in data/splits.csv, large groups, or classes of a single group, which go to "
            "train, leave no other choice."
        )
