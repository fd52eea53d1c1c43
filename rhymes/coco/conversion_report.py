"""A conversion's counts -> report.json, report.md and a few lines for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rhymes.coco.conversion_tally import Tally
from rhymes.coco.splits import SPLITS
from rhymes.common.files import save_json, save_text
from rhymes.export.rhymes import ITEM_REASONS, Reason

MEANINGS = {
    Reason.NO_IDENTIFICATIONS: "rows that nobody annotated: no `identifications` in the cell",
    Reason.BAD_CELL: "rows whose cell is neither JSON nor a Python literal of the known form",
    Reason.IMAGE_FAILED: "rows whose image could not be fetched (the report of `fetch` says why)",
    Reason.NULL_ITEM: "objects that are `null` or no mapping",
    Reason.UNKNOWN_TYPE: "objects of another type than boundingBox and polygon",
    Reason.NO_LABEL: "objects without a label",
    Reason.UNKNOWN_LABEL: "objects whose label is not in the categories CSV (not an error)",
    Reason.NOT_FINITE: "objects with a coordinate that is no number (NaN, infinity, text, > 1e6)",
    Reason.TOO_FEW_POINTS: "polygons with fewer than 3 different points",
    Reason.EMPTY_BOX: "boxes of zero or negative size, polygons that enclose nothing",
    Reason.OUTSIDE_IMAGE: "objects that lie outside the image",
    Reason.DUPLICATE_ITEM: "objects that stand twice on one image, counted once (not an error)",
}
"""What each reason means, in the plural."""

_LABELS = 50


def tally_to_report(tally: Tally) -> dict[str, Any]:
    """Return report.json's value. All reasons and classes are there, also those counted 0."""
    return {
        "rows": {"read": tally.rows_read, "kept": tally.rows_kept},
        "items": {
            "read": tally.items_read,
            "kept": tally.items_kept,
            "clipped": tally.items_clipped,
            "dropped": sum(tally.dropped[reason] for reason in ITEM_REASONS),
        },
        "dropped": {
            str(reason): {"count": tally.dropped[reason], "rows": sorted(set(tally.rows[reason]))}
            for reason in Reason
        },
        "classes": {
            split: dict(zip(tally.names, tally.classes[split][1:], strict=True)) for split in SPLITS
        },
        "images": tally.images,
        "empty_images": tally.empty_images,
        "groups": tally.groups,
        "unknown_labels": dict(tally.unknown_labels.most_common()),
        "warnings": tally.warnings,
    }


def save_report(folder: Path, tally: Tally) -> None:
    """Write report.json and report.md."""
    save_json(folder / "report.json", tally_to_report(tally))
    save_text(folder / "report.md", tally_to_markdown(tally))


def tally_to_summary(tally: Tally) -> str:
    """Return a few lines for the terminal."""
    images = ", ".join(f"{tally.images[split]} {split}" for split in SPLITS)
    lines = [_rows_line(tally), _items_line(tally), f"Images: {images}."]
    lines += [f"Dropped {line.strip()}" for line in tally.reason_lines(tuple(Reason))]
    return "\n".join(lines + [f"Warning: {warning}" for warning in tally.warnings])


def tally_to_markdown(tally: Tally) -> str:
    """Return report.md: what an annotator or whoever trains should look at, with row numbers."""
    warnings = [f"- {text_to_cell(warning)}" for warning in tally.warnings] or ["Nothing."]
    labels = tally.unknown_labels.most_common(_LABELS)
    return "\n".join(
        (
            "# From the Rhymes export to COCO\n",
            f"- {_rows_line(tally)}",
            f"- {_items_line(tally)}\n",
            "Rows are numbered as in a spreadsheet: the header is row 1.",
            "report.json has all of them.\n",
            "## To look at\n",
            *warnings,
            "\n## What was dropped\n",
            _reasons_table(tally),
            f"\n## Labels that are no class (the {_LABELS} most frequent)\n",
            rows_to_table(("label", "objects"), labels),
            "\n## Splits\n",
            _splits_table(tally),
            "\n## Objects of each class\n",
            _classes_table(tally),
            "",
        )
    )


def _rows_line(tally: Tally) -> str:
    return f"Rows: {tally.rows_read} read, {tally.rows_kept} kept."


def _items_line(tally: Tally) -> str:
    dropped = sum(tally.dropped[reason] for reason in ITEM_REASONS)
    return (
        f"Objects: {tally.items_read} read, {tally.items_kept} kept, {dropped} dropped; "
        f"{tally.items_clipped} of those kept left the image and were cut at its edge."
    )


def _reasons_table(tally: Tally) -> str:
    rows = [
        (f"`{reason}`", tally.dropped[reason], MEANINGS[reason], tally.first_rows(reason))
        for reason in Reason
        if tally.dropped[reason]
    ]
    return rows_to_table(("reason", "count", "what it is", "where"), rows)


def _splits_table(tally: Tally) -> str:
    rows = [
        (split, tally.images[split], tally.empty_images[split], tally.groups[split])
        for split in SPLITS
    ]
    return rows_to_table(("split", "images", "of these without objects", "groups of images"), rows)


def _classes_table(tally: Tally) -> str:
    rows = [
        (name, *(tally.classes[split][class_id] for split in SPLITS))
        for class_id, name in enumerate(tally.names, start=1)
    ]
    return rows_to_table(("class", *SPLITS), rows)


def rows_to_table(
    header: Sequence[str], rows: Sequence[Sequence[object]], *, is_aligned: bool = False
) -> str:
    """Return a Markdown table, or a word where there are no rows.

    Args:
        header: Of the columns.
        rows: As many cells each.
        is_aligned: Columns are padded, for a terminal.
    """
    if not rows:
        return "Nothing."
    lines = [[text_to_cell(cell) for cell in line] for line in (header, *rows)]
    lines.insert(1, ["---"] * len(header))
    if is_aligned:
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        lines = [
            [cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines
        ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def text_to_cell(value: object) -> str:
    """Keep text from becoming markup: a bar, a line break or a tag may stand in a class name."""
    text = " ".join(str(value).split())
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
