"""Counting: what is forgotten is found out, and what an annotator typed cannot break the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from rhymes.coco.conversion_report import tally_to_markdown, tally_to_report
from rhymes.coco.conversion_tally import ConversionCounts
from rhymes.common.errors import InputError
from rhymes.export.annotations import Reason


def counted(**changes: int) -> ConversionCounts:
    """Four rows of which one is bad; five items of which one is empty."""
    tally = ConversionCounts(("RBC",))
    tally.rows_read, tally.rows_kept, tally.items_read, tally.items_kept = 4, 3, 5, 4
    tally.drop(Reason.BAD_CELL, 2)
    tally.drop(Reason.EMPTY_BOX, 3)
    tally.classes["train"][1] = 4
    for name, value in changes.items():
        setattr(tally, name, value)
    return tally


def test_sums_that_are_right() -> None:
    counted().check()


@pytest.mark.parametrize(
    "changes", [{"rows_kept": 4}, {"items_read": 6}, {"items_kept": 5}, {"rows_read": 3}]
)
def test_sums_that_are_wrong(changes: dict[str, int]) -> None:
    with pytest.raises(RuntimeError, match="do not add up"):
        counted(**changes).check()


def test_rows_are_sorted_and_distinct() -> None:
    tally = ConversionCounts(("RBC",))
    for row in (9, 9, 3, 9, 20):
        tally.drop(Reason.DUPLICATE_ITEM, row)
    assert tally_to_report(tally)["dropped"]["duplicate_item"] == {"count": 5, "rows": [3, 9, 20]}


def test_all_reasons_are_reported() -> None:
    dropped = tally_to_report(ConversionCounts(("RBC",)))["dropped"]
    assert dropped == {
        code: {"count": 0, "rows": []}
        for code in (
            "no_identifications", "bad_cell", "image_failed", "null_item", "unknown_type",
            "no_label", "unknown_label", "not_finite", "too_few_points", "empty_box",
            "outside_image", "duplicate_item",
        )
    }  # fmt: skip


def test_long_lists_of_rows_are_cut_in_messages() -> None:
    tally = counted()
    for row in range(3, 30):
        tally.drop(Reason.EMPTY_BOX, row)
    tally.items_read = 100
    with pytest.raises(InputError, match="rows 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 17 more"):
        tally.check_losses(0.26, Path("report.json"))


def test_hostile_labels() -> None:
    tally = ConversionCounts(("RBC",))
    for label in ("\ud800", "x" * 10**6, "| <script>\n# no heading"):
        tally.see_unknown(label)
    for number in range(5000):
        tally.see_unknown(f"label {number}")
    assert len(tally.unknown_labels) == 1000
    text = tally_to_markdown(tally)
    text.encode("utf-8")
    assert len(text) < 10_000
    assert "\n# no" not in text
    assert "<script" not in text
