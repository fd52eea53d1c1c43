"""Counts that do not add up are found out; no label of an annotator breaks the report."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from rhymes.coco.conversion_counts import ConversionCounts
from rhymes.coco.conversion_report import counts_to_markdown, counts_to_report
from rhymes.common.errors import InputError
from rhymes.export.annotations import Reason
from rhymes.export.problems import Problem


def counted(**changes: int) -> ConversionCounts:
    """Four rows of which one is bad; five items of which one is empty."""
    counts = ConversionCounts(("RBC",))
    counts.rows_read, counts.rows_kept, counts.items_read, counts.items_kept = 4, 3, 5, 4
    counts.drop(Reason.BAD_CELL, 2)
    counts.drop(Reason.EMPTY_BOX, 3)
    counts.classes["train"][1] = 4
    for name, value in changes.items():
        setattr(counts, name, value)
    return counts


def test_sums_that_are_right() -> None:
    counted().check()


@pytest.mark.parametrize(
    "changes", [{"rows_kept": 4}, {"items_read": 6}, {"items_kept": 5}, {"rows_read": 3}]
)
def test_sums_that_are_wrong(changes: dict[str, int]) -> None:
    with pytest.raises(RuntimeError, match="do not add up"):
        counted(**changes).check()


def test_rows_are_sorted_and_distinct() -> None:
    counts = ConversionCounts(("RBC",))
    for row in (9, 9, 3, 9, 20):
        counts.drop(Reason.DUPLICATE_ITEM, row)
    assert counts_to_report(counts)["dropped"]["duplicate_item"] == {"count": 5, "rows": [3, 9, 20]}


def test_all_reasons_are_reported() -> None:
    dropped = counts_to_report(ConversionCounts(("RBC",)))["dropped"]
    assert dropped == {
        code: {"count": 0, "rows": []}
        for code in (
            "no_identifications", "bad_cell", "image_failed", "null_item", "unknown_type",
            "no_label", "label_not_text", "unknown_label", "wrong_form", "not_finite",
            "too_few_points", "too_complex", "empty_box", "outside_image", "duplicate_item",
            "merged_item", "outvoted_item",
        )
    }  # fmt: skip


def test_examples_are_few_and_differ() -> None:
    counts = ConversionCounts(("RBC",))
    asked = []

    def to_problem(sentence: str) -> Problem:
        asked.append(sentence)
        return Problem("[1, 2]", sentence)

    for row in range(2, 1000):
        counts.drop(Reason.EMPTY_BOX, row, partial(to_problem, "wide" if row < 50 else "high"))
    assert counts_to_report(counts)["examples"] == {
        "empty_box": [
            {"row": 2, "value": "[1, 2]", "problem": "wide"},
            {"row": 50, "value": "[1, 2]", "problem": "high"},
        ]
    }
    assert len(asked) == 100
    text = counts_to_markdown(counts)
    assert "row 2: \\[1, 2\\]: wide" in text
    assert list(counts.reason_lines((Reason.EMPTY_BOX,)))[1:] == [
        "    row 2: [1, 2]: wide",
        "    row 50: [1, 2]: high",
    ]


def test_long_lists_of_rows_are_cut_in_messages() -> None:
    counts = counted()
    for row in range(3, 30):
        counts.drop(Reason.EMPTY_BOX, row)
    counts.items_read = 100
    with pytest.raises(InputError, match="rows 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 17 more"):
        counts.check_losses(0.26, Path("report.json"))


def test_hostile_labels() -> None:
    counts = ConversionCounts(("RBC",))
    for label in ("\ud800", "x" * 10**6, "| <script>\n# no heading"):
        counts.see_unknown(label)
    for number in range(5000):
        counts.see_unknown(f"label {number}")
    assert len(counts.unknown_labels) == 1000
    text = counts_to_markdown(counts)
    text.encode("utf-8")
    assert len(text) < 10_000
    assert "\n# no" not in text
    assert "<script" not in text
