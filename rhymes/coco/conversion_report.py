"""A conversion's counts -> report.json, report.md and a few lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rhymes.coco.agreement import (
    agreement_to_markdown,
    agreement_to_report,
    agreement_to_warnings,
)
from rhymes.coco.conversion_counts import ConversionCounts
from rhymes.coco.copies import copies_to_summary, copies_to_warnings
from rhymes.coco.export_images import ExportImage
from rhymes.coco.leakage import closest_to_table, leakage_to_lines, leakage_to_warnings
from rhymes.coco.merging import merging_warnings
from rhymes.coco.pins import PinnedGroups, pin_warnings
from rhymes.coco.split_report import sizes_to_report, sizes_to_table, split_warnings
from rhymes.coco.splits import SPLITS
from rhymes.common.files import save_json, save_text
from rhymes.common.markdown import rows_to_table, text_to_cell
from rhymes.common.text import count_to_text, list_first
from rhymes.export.annotations import ITEM_REASONS, LastTouch, Reason
from rhymes.export.categories import LabelMatcher
from rhymes.export.dialects import DIALECTS

_LISTED = 10
_LABELS_COMPARED = 50


def conversion_to_warnings(
    counts: ConversionCounts,
    matcher: LabelMatcher,
    images: Sequence[ExportImage],
    pinned: PinnedGroups,
) -> list[str]:
    """Return one sentence a kind of finding; what is dropped is in the table of reasons."""
    return [
        *split_warnings(counts.sizes()),
        *_class_warnings(counts),
        *_image_warnings(images),
        *_touch_warnings(counts),
        *merging_warnings(images),
        *agreement_to_warnings(
            counts.agreement,
            counts.names,
            counts.images_in_several_rows,
            counts.dropped[Reason.MERGED_ITEM],
        ),
        *_label_warnings(counts, matcher),
        *(counts.group_pattern.warnings() if counts.group_pattern else ()),
        *pin_warnings(pinned),
        *(copies_to_warnings(counts.copies) if counts.copies else ()),
        *leakage_to_warnings(counts.leakage),
    ]


def why_nothing_is_left(counts: ConversionCounts) -> str:
    """Explain that a conversion kept no object: most often the two CSV files do not match."""
    lines = [
        f"no object is left of {counts.items_read} in {counts.rows_read} rows:",
        *counts.reason_lines(tuple(counts.rows)),
    ]
    if labels := counts.unknown_labels.most_common(5):
        found = ", ".join(f"'{label}' ({count})" for label, count in labels)
        lines.append(f"  most frequent labels in annotations.csv: {found}")
        lines.append(f"  classes in categories.csv: {list_first(counts.names, _LISTED)}")
    lines += counts.implausible
    return "\n".join(lines)


def _class_warnings(counts: ConversionCounts) -> Iterator[str]:
    by_class = {
        name: {split: counts.classes[split][class_id] for split in SPLITS}
        for class_id, name in enumerate(counts.names, start=1)
    }
    absent = [name for name, count in by_class.items() if not any(count.values())]
    if absent:
        yield (
            f"{count_to_text(len(absent), 'class has', 'classes have')} "
            f"no object at all: {list_first(absent, _LISTED)}."
        )
    for split in SPLITS:
        lacking = [n for n, count in by_class.items() if not count[split] and n not in absent]
        if lacking and counts.images[split]:
            what = "cannot be learned" if split == "train" else "cannot be measured there"
            yield (
                f"{count_to_text(len(lacking), 'class has', 'classes have')} no object in {split} "
                f"and {what}: {list_first(lacking, _LISTED)}."
            )


def _image_warnings(images: Sequence[ExportImage]) -> Iterator[str]:
    if bare := [image.source for image in images if image.broken and not image.class_ids]:
        yield (
            f"{count_to_text(len(bare), 'image has', 'images have')} "
            "lost every object to bad data and would "
            f"teach that there is nothing to see: {list_first(bare, _LISTED)}."
        )


def _touch_warnings(counts: ConversionCounts) -> Iterator[str]:
    unseen = {split: counts.touches[split][LastTouch.MODEL] for split in SPLITS}
    if total := sum(unseen.values()):
        listed = ", ".join(f"{count} {split}" for split, count in unseen.items() if count)
        what = "object was found by a model" if total == 1 else "objects were found by a model"
        held_out = unseen["val"] + unseen["test"]
        yield (
            f"{total} {what} and confirmed by nobody ({listed})"
            + ("; figures of val and test would repeat that model's mistakes." if held_out else ".")
        )


def _label_warnings(counts: ConversionCounts, matcher: LabelMatcher) -> Iterator[str]:
    pairs = [
        f"'{label}' ({count}) like '{similar}'"
        for label, count in counts.unknown_labels.most_common(_LABELS_COMPARED)
        if (similar := matcher.similar(label))
    ]
    if pairs:
        yield (
            f"{count_to_text(len(pairs), 'label is', 'labels are')} "
            "no class but may be a misspelling of one: "
            f"{list_first(pairs, _LISTED)}."
        )


_ITEM_TYPES = " and ".join(dialect.item_type for dialect in DIALECTS.values())

MEANINGS = {
    Reason.NO_IDENTIFICATIONS: "rows that nobody annotated: no `identifications` in the cell",
    Reason.BAD_CELL: "rows whose cell is neither JSON nor a Python literal of the known form",
    Reason.IMAGE_FAILED: "rows whose image could not be fetched (the report of `fetch` says why)",
    Reason.NULL_ITEM: "objects that are `null` or no mapping",
    Reason.UNKNOWN_TYPE: f"objects of another type than {_ITEM_TYPES}",
    Reason.NO_LABEL: "objects without a label",
    Reason.LABEL_NOT_TEXT: "objects whose label is no text but a number, a list or a mapping",
    Reason.UNKNOWN_LABEL: "objects whose label is not in the categories CSV (not an error)",
    Reason.WRONG_FORM: "objects whose `data` has another form than their type has",
    Reason.NOT_FINITE: "objects with a coordinate that is no number (NaN, infinity, text, > 1e6)",
    Reason.TOO_FEW_POINTS: "polygons with fewer than 3 different points",
    Reason.TOO_COMPLEX: "polygons that cross themselves thousands of times (scribbles)",
    Reason.EMPTY_BOX: "boxes of zero or negative size, polygons that enclose nothing",
    Reason.OUTSIDE_IMAGE: "objects that lie outside the image",
    Reason.DUPLICATE_ITEM: "objects that stand twice on one image, counted once (not an error)",
    Reason.MERGED_ITEM: "objects that an earlier row of the image has, too, merged (not an error)",
    Reason.OUTVOTED_ITEM: "objects that fewer annotators drew than coco.consensus_quorum asks for",
}
"""What each reason means, in the plural."""

_LABELS = 50


def counts_to_report(counts: ConversionCounts) -> dict[str, Any]:
    """Return report.json's value. All reasons and classes are there, also those counted 0."""
    return {
        "rows": {"read": counts.rows_read, "kept": counts.rows_kept},
        "items": {
            "read": counts.items_read,
            "kept": counts.items_kept,
            "clipped": counts.items_clipped,
            "dropped": sum(counts.dropped[reason] for reason in ITEM_REASONS),
        },
        "dropped": {
            str(reason): {"count": counts.dropped[reason], "rows": sorted(set(counts.rows[reason]))}
            for reason in Reason
        },
        "examples": {
            str(reason): [
                {"row": each.row, "value": each.problem.value, "problem": each.problem.sentence}
                for each in examples
            ]
            for reason, examples in counts.examples.items()
            if examples
        },
        "classes": {
            split: dict(zip(counts.names, counts.classes[split][1:], strict=True))
            for split in SPLITS
        },
        "images": counts.images,
        "fractions": sizes_to_report(counts.sizes()),
        "empty_images": counts.empty_images,
        "groups": counts.groups,
        "group_pattern": counts.group_pattern and counts.group_pattern.to_report(),
        "merged": counts.merged,
        "last_touch": {
            split: {str(touch): counts.touches[split][touch] for touch in LastTouch}
            for split in SPLITS
        },
        "copies": counts.copies,
        "nearest_to_train": counts.leakage,
        "unknown_labels": dict(counts.unknown_labels.most_common()),
        "agreement": agreement_to_report(counts.agreement, counts.names),
        "warnings": counts.warnings,
    }


def save_report(folder: Path, counts: ConversionCounts) -> None:
    """Write report.json and report.md."""
    save_json(folder / "report.json", counts_to_report(counts))
    save_text(folder / "report.md", counts_to_markdown(counts))


def counts_to_summary(counts: ConversionCounts) -> str:
    """Return a few lines for the terminal."""
    images = ", ".join(f"{counts.images[split]} {split}" for split in SPLITS)
    lines = [_rows_line(counts), _items_line(counts), f"Images: {images}."]
    if counts.group_pattern:
        lines.append(counts.group_pattern.to_text())
    lines += ["Dropped:", *counts.reason_lines(tuple(Reason))] if counts.dropped.total() else []
    lines += _copies_lines(counts)
    lines += [f"Dropped {line.strip()}" for line in counts.reason_lines(tuple(Reason))]
    return "\n".join(lines + [f"Warning: {warning}" for warning in counts.warnings])


def counts_to_markdown(counts: ConversionCounts) -> str:
    """Return report.md: what an annotator or whoever trains should look at, with row numbers."""
    warnings = [f"- {text_to_cell(warning)}" for warning in counts.warnings] or ["Nothing."]
    labels = counts.unknown_labels.most_common(_LABELS)
    return "\n".join(
        (
            "# From the Rhymes export to COCO\n",
            f"- {_rows_line(counts)}",
            f"- {_items_line(counts)}\n",
            "Rows are numbered as in a spreadsheet: the header is row 1.",
            "report.json has all of them.\n",
            "## To look at\n",
            *warnings,
            "\n## What was dropped\n",
            _reasons_table(counts),
            f"\n## Labels that are no class (the {_LABELS} most frequent)\n",
            rows_to_table(("label", "objects"), labels),
            "\n## Splits\n",
            *(
                [f"{text_to_cell(counts.group_pattern.to_text())}\n"]
                if counts.group_pattern
                else []
            ),
            sizes_to_table(counts.sizes()),
            "\n## Copies\n",
            *(f"- {text_to_cell(line)}" for line in _copies_lines(counts)),
            "",
            closest_to_table(counts.leakage),
            "\n## Objects of each class\n",
            _classes_table(counts),
            agreement_to_markdown(agreement_to_report(counts.agreement, counts.names)),
            "",
        )
    )


def _copies_lines(counts: ConversionCounts) -> list[str]:
    joined = [copies_to_summary(counts.copies)] if counts.copies else []
    return [*joined, *leakage_to_lines(counts.leakage)]


def _rows_line(counts: ConversionCounts) -> str:
    return f"Rows: {counts.rows_read} read, {counts.rows_kept} kept."


def _items_line(counts: ConversionCounts) -> str:
    dropped = sum(counts.dropped[reason] for reason in ITEM_REASONS)
    return (
        f"Objects: {counts.items_read} read, {counts.items_kept} kept, {dropped} dropped; "
        f"{counts.items_clipped} of those kept left the image and were cut at its edge."
    )


def _reasons_table(counts: ConversionCounts) -> str:
    rows = [
        (
            f"`{reason}`",
            counts.dropped[reason],
            MEANINGS[reason],
            counts.first_rows(reason),
            "; ".join(map(str, counts.examples[reason][:1])),
        )
        for reason in Reason
        if counts.dropped[reason]
    ]
    return rows_to_table(("reason", "count", "what it is", "where", "for example"), rows)


def _classes_table(counts: ConversionCounts) -> str:
    rows = [
        (name, *(counts.classes[split][class_id] for split in SPLITS))
        for class_id, name in enumerate(counts.names, start=1)
    ]
    return rows_to_table(("class", *SPLITS), rows)
