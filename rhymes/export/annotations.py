"""The annotation of one object, and the reasons why a row or an item of an export gives none."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from rhymes.export.geometry import Shape


class Reason(StrEnum):
    """Why a row or an item is not in the training data; the codes of report.json."""

    NO_IDENTIFICATIONS = "no_identifications"
    BAD_CELL = "bad_cell"
    IMAGE_FAILED = "image_failed"
    NULL_ITEM = "null_item"
    UNKNOWN_TYPE = "unknown_type"
    NO_LABEL = "no_label"
    LABEL_NOT_TEXT = "label_not_text"
    UNKNOWN_LABEL = "unknown_label"
    WRONG_FORM = "wrong_form"
    NOT_FINITE = "not_finite"
    TOO_FEW_POINTS = "too_few_points"
    TOO_COMPLEX = "too_complex"
    EMPTY_BOX = "empty_box"
    OUTSIDE_IMAGE = "outside_image"
    DUPLICATE_ITEM = "duplicate_item"
    MERGED_ITEM = "merged_item"
    OUTVOTED_ITEM = "outvoted_item"


ROW_REASONS = (Reason.NO_IDENTIFICATIONS, Reason.BAD_CELL, Reason.IMAGE_FAILED)
ITEM_REASONS = tuple(reason for reason in Reason if reason not in ROW_REASONS)


class LastTouch(StrEnum):
    """Who last touched an object: the value of an item's `last_touch`, from model to person."""

    MODEL = "model"
    CONFIRMED = "model_confirmed"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Annotation:
    """One object in an image.

    Attributes:
        class_id: from 1.
        shape: cut to the image.
        last_touch: equal objects are the same whoever touched them.
    """

    class_id: int
    shape: Shape
    last_touch: LastTouch = field(default=LastTouch.PERSON, compare=False)
