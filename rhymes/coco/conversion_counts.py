"""Counts of a conversion: rows, objects and images read and kept, and dropped by reason."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rhymes.coco.agreement import AgreementCounts
from rhymes.coco.group_pattern import PatternMatches
from rhymes.coco.plausibility import Findings
from rhymes.coco.split_report import SplitSizes
from rhymes.coco.splits import SPLITS
from rhymes.common.errors import InputError
from rhymes.common.text import list_first
from rhymes.export.annotations import ITEM_REASONS, ROW_REASONS, LastTouch, Reason
from rhymes.export.problems import Problem

# Dropping these loses nothing that was wanted: a subset of the classes, and a quorum, are choices.
_HARMLESS = (
    Reason.UNKNOWN_LABEL, Reason.DUPLICATE_ITEM, Reason.MERGED_ITEM, Reason.OUTVOTED_ITEM,
)  # fmt: skip
_LOST_ROWS = (Reason.BAD_CELL, Reason.IMAGE_FAILED)

_LISTED = 10
_EXAMPLES = 3
_LOOKED_AT = 100  # of what a reason drops, for examples that differ
_MAX_LABELS = 1000


@dataclass(frozen=True)
class Example:
    """One row, or one item of a row, that was dropped."""

    row: int
    problem: Problem

    def __str__(self) -> str:
        """Return it in one line."""
        return f"row {self.row}: {self.problem.value}: {self.problem.sentence}"


@dataclass
class ConversionCounts:
    """Counts while rows are read and images written.

    Attributes:
        names: of the classes.
        rows_read: records of the CSV.
        rows_kept: rows whose image is in the COCO files.
        items_read: entries of the kept rows' `identifications`.
        items_kept: annotations in the COCO files.
        items_clipped: those of them that left the image and were cut.
        dropped: how many rows or items each reason took.
        rows: for each reason the rows concerned, as a spreadsheet numbers them.
        examples: for each reason up to three, as different as its first ones are.
        unknown_labels: how often each was met, of the first 1,000.
        classes: split -> for each class id, how many annotations (index 0 is unused).
        images: split -> how many images.
        empty_images: split -> how many of them have no object.
        groups: split -> how many groups of images.
        largest_group: how many images it has.
        group_pattern: what it found, where there is one.
        asked: split -> the fraction of the images that it should have.
        touches: split -> how many annotations a person or a model last touched.
        merged: what `merging_to_report` says.
        images_in_several_rows: whose rows were merged.
        agreement: of the annotators of these.
        implausible: sentences about coordinates that cannot be pixels; among the warnings, too.
        odd_coordinates: the same, and those about coordinates that may be right.
        copies: see `rhymes.coco.copies.copies_to_report`.
        leakage: see `rhymes.coco.leakage.leakage_to_report`.
        warnings: sentences.
    """

    names: tuple[str, ...]
    rows_read: int = 0
    rows_kept: int = 0
    items_read: int = 0
    items_kept: int = 0
    items_clipped: int = 0
    dropped: Counter[Reason] = field(default_factory=Counter)
    rows: dict[Reason, array[int]] = field(default_factory=lambda: {r: array("q") for r in Reason})
    examples: dict[Reason, list[Example]] = field(
        default_factory=lambda: {reason: [] for reason in Reason}
    )
    unknown_labels: Counter[str] = field(default_factory=Counter)
    classes: dict[str, list[int]] = field(init=False)
    images: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    empty_images: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    groups: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    largest_group: int = 0
    group_pattern: PatternMatches | None = None
    asked: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0.0))
    touches: dict[str, Counter[LastTouch]] = field(
        default_factory=lambda: {split: Counter() for split in SPLITS}
    )
    merged: dict[str, object] = field(default_factory=dict)
    copies: dict[str, Any] = field(default_factory=dict)
    leakage: dict[str, dict[str, Any]] = field(default_factory=dict)
    images_in_several_rows: int = 0
    agreement: AgreementCounts = field(default_factory=AgreementCounts)
    implausible: list[str] = field(default_factory=list)
    odd_coordinates: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.classes = {split: [0] * (len(self.names) + 1) for split in SPLITS}

    def sizes(self) -> SplitSizes:
        """Return what is known of the splits."""
        return SplitSizes(
            self.asked, self.images, self.empty_images, self.groups, self.largest_group
        )

    def drop(
        self, reason: Reason, row: int, to_problem: Callable[[], Problem] | None = None
    ) -> None:
        """Count a row, or an item of a row, that is not in the training data.

        Args:
            reason: why.
            row: its number.
            to_problem: says what is wrong, where an example is still wanted.
        """
        self.dropped[reason] += 1
        rows = self.rows[reason]
        if not rows or rows[-1] != row:
            rows.append(row)
        examples = self.examples[reason]
        wanted = len(examples) < _EXAMPLES and self.dropped[reason] <= _LOOKED_AT
        if to_problem is None or not wanted:
            return
        problem = to_problem()
        if all(problem.sentence != example.problem.sentence for example in examples):
            examples.append(Example(row, problem))

    def see_findings(self, findings: Findings) -> None:
        """Take what is odd about the coordinates."""
        self.implausible = findings.errors
        self.odd_coordinates = findings.errors + findings.warnings
        self.warnings += self.odd_coordinates

    def see_unknown(self, label: str) -> None:
        """Remember a label that is no class."""
        # A label may be megabytes of anything, half a surrogate pair included.
        short = label.strip()[:80].encode("utf-8", "replace").decode("utf-8")
        if short in self.unknown_labels or len(self.unknown_labels) < _MAX_LABELS:
            self.unknown_labels[short] += 1

    def check(self) -> None:
        """Make sure that all that was read is kept or counted; a failure is a fault of ours."""
        rows = sum(self.dropped[reason] for reason in ROW_REASONS)
        items = sum(self.dropped[reason] for reason in ITEM_REASONS)
        kept = sum(map(sum, self.classes.values()))
        if (self.rows_read, self.items_read, kept) != (
            self.rows_kept + rows, self.items_kept + items, self.items_kept,
        ):  # fmt: skip
            raise RuntimeError(f"the conversion's counts do not add up: {self}")

    def check_plausible(self) -> None:
        """Refuse a conversion of coordinates that cannot be pixels of their images.

        Raises:
            InputError: with the likely cause and its cure.
        """
        if self.implausible:
            raise InputError("\n".join(["the coordinates cannot be right:", *self.implausible]))

    def check_losses(self, max_dropped_fraction: float, report: Path) -> None:
        """Refuse a conversion that loses more than a fraction of its rows or objects.

        Rows count as lost when their cell or image is bad; objects by all reasons but those by
        which nothing is lost: an unknown label, a duplicate, a merged or an outvoted object.

        Raises:
            InputError: with the counts by reason and the first rows of each.
        """
        lost = tuple(reason for reason in ITEM_REASONS if reason not in _HARMLESS)
        wanted = self.items_read - sum(self.dropped[reason] for reason in _HARMLESS)
        for what, reasons, read in (
            ("rows", _LOST_ROWS, self.rows_read),
            ("objects", lost, wanted),
        ):
            count = sum(self.dropped[reason] for reason in reasons)
            if count > max_dropped_fraction * read:
                raise InputError(
                    f"{count} of {read} {what} cannot be used, more than "
                    f"coco.max_dropped_fraction = {max_dropped_fraction:g} allows:\n"
                    + "\n".join(self.reason_lines(reasons))
                    + f"\nMend them in the export, or raise coco.max_dropped_fraction to "
                    f"{math.ceil(1000 * count / read) / 1000:g}; {report} lists all rows."
                )

    def reason_lines(self, reasons: Sequence[Reason]) -> Iterator[str]:
        """Yield a line for each of `reasons` that dropped something: count and first rows.

        Examples follow, a line each.
        """
        for reason in reasons:
            if self.dropped[reason]:
                yield f"  {reason}: {self.dropped[reason]}, {self.first_rows(reason)}"
                yield from (f"    {example}" for example in self.examples[reason])

    def first_rows(self, reason: Reason) -> str:
        """Return "rows 2, 7" for a reason that dropped something, else an empty text."""
        rows = sorted(set(self.rows[reason]))
        return f"rows {list_first(list(map(str, rows)), _LISTED)}" if rows else ""
