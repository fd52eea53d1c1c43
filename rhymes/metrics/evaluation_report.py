"""An evaluation as Markdown, for the person who decides whether a detector is good enough."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from rhymes.common.markdown import rows_to_table, text_to_cell
from rhymes.common.text import count_to_text
from rhymes.detections.detections import Detections, annotations_to_detections
from rhymes.detections.drawing import MARK, detections_to_labels, draw_detections, side_by_side
from rhymes.metrics.catalogue import Metric, metrics
from rhymes.metrics.confusion import BACKGROUND, ImageScore
from rhymes.metrics.evaluation import Evaluation

_SHOWN_CONFUSIONS = 20


class DrawnImage(NamedTuple):
    """An image that was drawn: its path from the report, its name, and how it went."""

    path: str
    name: str
    score: ImageScore


def evaluation_to_markdown(evaluation: Evaluation, images: Sequence[DrawnImage]) -> str:
    """Write the report: headline figures, classes and images (the worst first), confusions.

    Args:
        evaluation: What it says.
        images: Those that were drawn, the worst first.
    """
    parts = [
        "# The exported detector on the test split",
        _intro(evaluation),
        _table(*_summary_table(evaluation)),
        _decision_text(evaluation),
        "## Classes, the worst first",
        _table(*_class_table(evaluation)),
        "## What is taken for what",
        _confusion_text(evaluation),
    ]
    if images:
        parts += ["## Images, the worst first", "\n".join(_image_lines(images))]
    return "\n\n".join(parts) + "\n"


def evaluation_to_headline(evaluation: Evaluation) -> str:
    """Say it in one line."""
    figures = [
        f"{metric.column} {metric.value_to_text(scores.summary[metric.name])}"
        for iou_type, scores in evaluation.scores().items()
        for metric in metrics(iou_type, is_headline=True)
    ]
    return f"{evaluation.images} images, {evaluation.objects} objects: {', '.join(figures)}"


def _intro(evaluation: Evaluation) -> str:
    present = sum(1 for measured in evaluation.boxes.classes.values() if measured.objects)
    return (
        f"{evaluation.images} images with {evaluation.objects} objects of {present} of "
        f"{len(evaluation.boxes.classes)} classes. Precisions and recalls are fractions of 0 to 1 "
        "by COCO's definition; n/a is undefined, for there is nothing to count."
    )


def _summary_table(evaluation: Evaluation) -> tuple[list[str], Iterator[list[str]]]:
    """A row a name, with its value for boxes and for masks; empty where it has none of both."""
    scored = evaluation.scores()
    rows: dict[str, list[Metric]] = {}
    for metric in metrics():
        if metric.iou_type in scored:
            rows.setdefault(metric.name, []).append(metric)

    def cells(named: list[Metric]) -> Iterator[str]:
        yield named[0].sentence
        for iou_type, scores in scored.items():
            of_type = [metric for metric in named if metric.iou_type == iou_type]
            yield from (metric.value_to_text(scores.summary[metric.name]) for metric in of_type)
            yield from ("" for _ in range(1 - len(of_type)))

    return ["", "boxes", "masks"][: 1 + len(scored)], (list(cells(each)) for each in rows.values())


def _decision_text(evaluation: Evaluation) -> str:
    counts = evaluation.confusion.counts
    right = int(np.trace(counts[:-1, :-1]))
    wrong = int(counts[:-1, :-1].sum()) - right
    thresholds = evaluation.thresholds
    return (
        f"Of detections with a score of {thresholds.confusion_score:g} or more, paired with the "
        f"objects at IoU {thresholds.confusion_iou:g} or more: **{right} of {evaluation.objects} "
        f"objects detected** with their class (true positives), {wrong} with another class, "
        f"{int(counts[:-1, -1].sum())} missed (false negatives); "
        f"{count_to_text(int(counts[-1, :-1].sum()), 'false positive')}."
    )


def _class_table(evaluation: Evaluation) -> tuple[list[str], Iterator[list[str]]]:
    shown = [
        metric for iou_type in evaluation.scores() for metric in metrics(iou_type, is_headline=True)
    ]
    header = ["class", "objects", *(metric.column for metric in shown), "precision", "recall"]
    counts = evaluation.confusion.counts
    right, predicted, actual = np.diag(counts), counts.sum(axis=0), counts.sum(axis=1)
    values = {name: evaluation.class_values(name) for name in evaluation.boxes.classes}

    def rows() -> Iterator[list[str]]:
        for name in sorted(values, key=lambda name: _none_last(values[name]["AP"])):
            index = evaluation.confusion.names.index(name)
            yield [
                name,
                str(evaluation.boxes.classes[name].objects),
                *(metric.value_to_text(values[name][metric.key]) for metric in shown),
                *(_fraction(right[index], whole[index]) for whole in (predicted, actual)),
            ]

    return header, rows()


def _none_last(value: float | None) -> tuple[bool, float]:
    return value is None, value or 0.0


def _confusion_text(evaluation: Evaluation) -> str:
    errors = evaluation.confusion.errors()
    if not errors:
        return "Nothing."
    table = _table(
        ["ground truth", "prediction", "times"],
        (
            [actual, predicted, str(count)]
            for actual, predicted, count in errors[:_SHOWN_CONFUSIONS]
        ),
    )
    rest = len(errors) - _SHOWN_CONFUSIONS
    more = f"\n\n{rest} more pairs are in plots/confusion_counts.csv." if rest > 0 else ""
    return (
        f"{BACKGROUND} as prediction: a false negative; as ground truth: a false positive."
        f"\n\n{table}{more}"
    )


def _image_lines(images: Sequence[DrawnImage]) -> Iterator[str]:
    for rank, (path, name, score) in enumerate(images, start=1):
        yield f"{rank}. [{text_to_cell(name)}]({path}): {image_score_to_text(score)}"


def image_score_to_text(image: ImageScore) -> str:
    """Say in a few words how an image went."""
    counts = (
        count_to_text(len(indices), what)
        for what, indices in (
            ("true positive", image.tp),
            ("false negative", image.fn),
            ("false positive", image.fp),
        )
    )
    return f"F1 {image.f1:.2f}, {', '.join(counts)}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return rows_to_table(header, list(rows), has_numbers=True)


def _fraction(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "n/a"


def draw_comparison(
    image: Image.Image,
    name: str,
    annotations: Sequence[Mapping[str, Any]],
    detections: Detections,
    scored: ImageScore,
    names: Mapping[int, str],
    score: float,
) -> Image.Image:
    """Draw ground truth on the left, detections on the right; false ones on each are marked.

    Args:
        image: Upright.
        name: For the caption.
        annotations: The image's ground truth, COCO.
        detections: All that were scored for `scored`.
        scored: How the image went.
        names: Class names by id.
        score: Minimum score of a detection that is drawn; that of `scored`.
    """
    ground_truth = annotations_to_detections(annotations, image.width, image.height)
    shown = detections.above(score)
    fn = {i for i, annotation in enumerate(annotations) if annotation["id"] in scored.fn}
    left = detections_to_labels(ground_truth, names, scores=False, marked=fn)
    right = detections_to_labels(shown, names, marked=scored.fp)
    marks = f" ({MARK})" if scored.errors else ""
    return side_by_side(
        draw_detections(image, ground_truth, left),
        draw_detections(image, shown, right),
        (
            f"Ground truth: {_count(ground_truth)}",
            f"Detected with a score of {score:g} or more: {_count(shown)}",
        ),
        f"{name}: {image_score_to_text(scored)}{marks}",
    )


def _count(detections: Detections) -> str:
    return count_to_text(len(detections), "object")
