"""The metrics of a detector: a row each, with what it is called, what it means, how it is computed.

Whoever shows, writes or compares metrics (training, evaluation, report, gate, model card, page,
`make deps` for the plots of dvc.yaml) reads this list, so that a metric is added here alone. It
needs no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

IouType = Literal["bbox", "segm"]
"""What is compared, by COCO's names: boxes or masks."""
IOU_TYPES: tuple[IouType, ...] = ("bbox", "segm")

DIGITS = 6
"""Behind the point, of values in files."""

# Axes of COCO's arrays: IoU 0.50, 0.55, ... 0.95; recall 0, 0.01, ... 1; areas; detections a class.
IOU50, IOU75 = 0, 5
ALL_AREAS, MAX_DETECTIONS = 0, 2
"""Where an array holds all sizes of objects, and the 100 highest scores of an image and class."""
_AREAS = {"all": ALL_AREAS, "small": 1, "medium": 2, "large": 3}
_LIMITS = {1: 0, 10: 1, 100: MAX_DETECTIONS}

_PREFIXES: dict[IouType, str] = {"bbox": "", "segm": "mask_"}
_NOUNS: dict[IouType, str] = {"bbox": "Boxes", "segm": "Masks"}


@dataclass(frozen=True, eq=False)
class CocoArrays:
    """What COCO's evaluation accumulates, as fractions; -1 where the ground truth has no object.

    Attributes:
        precision: float64 [10 IoUs, 101 recalls, classes, 4 areas, 3 limits of detections].
        recall: float64 [10 IoUs, classes, 4 areas, 3 limits of detections].
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]

    def of_class(self, index: int) -> CocoArrays:
        """The same of one class alone."""
        of_class = slice(index, index + 1)
        return CocoArrays(self.precision[:, :, of_class], self.recall[:, of_class])


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: Its name in COCO's tools, the same for boxes and masks.
        title: As the name, for people.
        sentence: What it means, in a few words.
        compute: Its value from the arrays of all classes or of one; None is undefined.
        iou_type: Whether it is of boxes or of masks.
        is_headline: Whether it is shown where there is room for few, and of each class.
        average_over: Of the 10 IoUs, those over which average precision is averaged, for a
            headline metric that is such a mean: then the gate gives it an interval.
        format_spec: How its value is written, by `format`.
    """

    name: str
    title: str
    sentence: str
    compute: Callable[[CocoArrays], float | None]
    iou_type: IouType
    is_headline: bool = False
    average_over: slice | None = None
    format_spec: str = ".3f"

    @property
    def key(self) -> str:
        """Its key in JSON, such as "mask_AP50"."""
        return metric_key(self.name, self.iou_type)

    @property
    def column(self) -> str:
        """Its title in a table of both, such as "mask AP50"."""
        return f"{_PREFIXES[self.iou_type].replace('_', ' ')}{self.title}"

    @property
    def label(self) -> str:
        """Its title by itself, such as "Masks, AP50"."""
        return f"{_NOUNS[self.iou_type]}, {self.title}"

    @property
    def meaning(self) -> str:
        """What it means, by itself, such as "Masks: AP at IoU 0.50"."""
        return f"{_NOUNS[self.iou_type]}: {self.sentence}"

    def value_to_text(self, value: object) -> str:
        """Write a value; n/a where it is undefined."""
        return format(value, self.format_spec) if isinstance(value, int | float) else "n/a"

    def change_to_text(self, change: object) -> str:
        """Write a difference of two values, with its sign; n/a where it is undefined."""
        return format(change, f"+{self.format_spec}") if isinstance(change, int | float) else "n/a"


def metric_key(name: str, iou_type: IouType) -> str:
    """The key in JSON of a metric."""
    return f"{_PREFIXES[iou_type]}{name}"


def metrics(iou_type: IouType | None = None, *, is_headline: bool = False) -> list[Metric]:
    """Return the rows in their order.

    Args:
        iou_type: Those of boxes or of masks alone.
        is_headline: Only those that are shown where there is room for few.
    """
    return [
        metric
        for metric in METRICS
        if iou_type in (None, metric.iou_type) and (metric.is_headline or not is_headline)
    ]


def find_metric(key: str) -> Metric:
    """Return the row with a key; KeyError where none has it."""
    for metric in METRICS:
        if metric.key == key:
            return metric
    raise KeyError(key)


def rounded(value: float | None) -> float | None:
    """A value as the reports' JSON and CSV have it: None stays."""
    return None if value is None else round(value, DIGITS)


def _mean(values: NDArray[np.float64]) -> float | None:
    """The mean of what is defined (COCO writes -1 for the rest), None where nothing is."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else None


def _average_precision(
    ious: int | slice = slice(None), area: str = "all"
) -> Callable[[CocoArrays], float | None]:
    return lambda arrays: _mean(arrays.precision[ious, :, :, _AREAS[area], MAX_DETECTIONS])


def _average_recall(limit: int = 100, area: str = "all") -> Callable[[CocoArrays], float | None]:
    return lambda arrays: _mean(arrays.recall[:, :, _AREAS[area], _LIMITS[limit]])


def _rows(iou_type: IouType) -> tuple[Metric, ...]:
    row = partial(Metric, iou_type=iou_type)
    small, large = "below 32 x 32 pixels", "above 96 x 96 pixels"
    return (
        row(
            "AP", "AP", "AP (mean over IoU 0.50 to 0.95)", _average_precision(),
            is_headline=True, average_over=slice(None),
        ),
        row(
            "AP50", "AP50", "AP at IoU 0.50", _average_precision(IOU50),
            is_headline=True, average_over=slice(IOU50, IOU50 + 1),
        ),
        row("AP75", "AP75", "AP at IoU 0.75", _average_precision(IOU75)),
        row("AP_small", "AP small", f"AP of small objects ({small})",
            _average_precision(area="small")),
        row("AP_medium", "AP medium", "AP of medium objects", _average_precision(area="medium")),
        row("AP_large", "AP large", f"AP of large objects ({large})",
            _average_precision(area="large")),
        row("AR_1", "recall of 1", "recall with 1 detection an image and class",
            _average_recall(1)),
        row("AR_10", "recall of 10", "recall with 10", _average_recall(10)),
        row("AR_100", "recall", "recall with 100", _average_recall(100)),
        row("AR_small", "recall small", "recall of small objects", _average_recall(area="small")),
        row("AR_medium", "recall medium", "recall of medium objects",
            _average_recall(area="medium")),
        row("AR_large", "recall large", "recall of large objects", _average_recall(area="large")),
    )  # fmt: skip


METRICS: tuple[Metric, ...] = tuple(row for iou_type in IOU_TYPES for row in _rows(iou_type))
"""All metrics, those of boxes before those of masks."""
