"""Stage `coco`: the fetched export -> COCO files split into train, val and test, with a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from rhymes.coco.consensus import ConsensusOptions
from rhymes.coco.conversion import ConversionOptions, convert_export
from rhymes.coco.conversion_report import counts_to_summary
from rhymes.coco.group_pattern import compile_group_pattern
from rhymes.common.errors import InputError
from rhymes.common.params import load_section, section
from stages.command import run_stage

EXPORT = Path("data/export")
PINS = Path("data/splits.csv")
GROUPS = Path("data/groups.csv")
IMAGES = Path("data/images")
COCO = Path("data/coco")

Fraction = Annotated[float, Field(ge=0, lt=1)]


@section
class CocoParams:
    """The section `coco` of params.yaml.

    Attributes:
        seed: of the split: which of equal images goes where.
        val_fraction: of the images; 0 for no validation split.
        test_fraction: of the images; 0 for no test split.
        group_pattern: regular expression searched in the image column; images whose first group
            (or whole match) is equal stay in one split.
        groups: "auto": copies of an image stay in one split, found by names and content; "none":
            only those that data/groups.csv joins do.
        label_separator: a label that is no class counts as the class named before its first
            separator. Null: labels are taken whole.
        consensus_iou: objects of several rows of an image that overlap by so much are one.
        consensus_quorum: annotators of an image who must have drawn an object.
        annotator_column: of annotations.csv, that names who drew a row. Null: `annotator` or one of
            its like where there is one, else the place among the rows of an image.
        max_dropped_fraction: more lost objects, or rows, than this fail the stage.
    """

    seed: Annotated[int, Field(ge=0)]
    val_fraction: Fraction
    test_fraction: Fraction
    group_pattern: Annotated[str, Field(min_length=1)] | None
    groups: Literal["auto", "none"]
    label_separator: Annotated[str, Field(min_length=1)] | None
    consensus_iou: Annotated[float, Field(gt=0, le=1)]
    consensus_quorum: Annotated[int, Field(ge=1)]
    annotator_column: Annotated[str, Field(min_length=1)] | None
    max_dropped_fraction: Annotated[float, Field(ge=0, le=1)]


def params_to_options(params: CocoParams) -> ConversionOptions:
    """Check what concerns several keys, or more than their type."""
    held_out = params.val_fraction + params.test_fraction
    if held_out >= 1:
        raise InputError(
            f"params.yaml: coco: val_fraction {params.val_fraction:g} and test_fraction "
            f"{params.test_fraction:g} leave nothing for training; their sum must be below 1"
        )
    return ConversionOptions(
        seed=params.seed,
        fractions=(1 - held_out, params.val_fraction, params.test_fraction),
        pattern=compile_group_pattern(params.group_pattern, "params.yaml: coco.group_pattern"),
        groups=params.groups,
        separator=params.label_separator,
        consensus=ConsensusOptions(params.consensus_iou, params.consensus_quorum),
        annotator_column=params.annotator_column,
    )


def main() -> None:
    """Convert, print a summary, and fail if more was lost than the parameters allow."""
    params = load_section("coco", CocoParams)
    counts = convert_export(EXPORT, PINS, COCO, params_to_options(params), GROUPS, IMAGES)
    print(f"coco: {counts_to_summary(counts)}\nSee {COCO / 'report.md'}.")
    if counts.group_pattern:
        counts.group_pattern.check()
    counts.check_plausible()
    counts.check_losses(params.max_dropped_fraction, COCO / "report.json")


if __name__ == "__main__":
    run_stage("coco", main)
