"""The files of an evaluation: figures as JSON, curves and tables as CSV for DVC's plots."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rhymes.common.files import save_json, save_text
from rhymes.metrics.evaluation import (
    CLASS_CURVE_COLUMNS,
    CONFUSION_COLUMNS,
    COUNT_COLUMNS,
    CURVE_COLUMNS,
    Evaluation,
    Row,
    confusion_to_counts,
    confusion_to_rows,
    evaluation_to_class_curves,
    evaluation_to_metrics,
    scores_to_curve,
)
from rhymes.metrics.scoring import metrics_to_headline


def save_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Write `metrics.json`, `headline.json` and the tables of `plots/`.

    Every table is written, with its header alone where there is nothing: DVC's plots name them.
    """
    metrics = evaluation_to_metrics(evaluation)
    save_json(folder / "metrics.json", metrics)
    save_json(folder / "headline.json", {"test": metrics_to_headline(metrics)})
    tables: dict[str, tuple[Sequence[str], Iterable[Row]]] = {
        "precision_recall": (CURVE_COLUMNS, scores_to_curve(evaluation.boxes)),
        "mask_precision_recall": (CURVE_COLUMNS, scores_to_curve(evaluation.masks)),
        "class_precision_recall": (CLASS_CURVE_COLUMNS, evaluation_to_class_curves(evaluation)),
        "confusion": (CONFUSION_COLUMNS, confusion_to_rows(evaluation.confusion)),
        "confusion_counts": (COUNT_COLUMNS, confusion_to_counts(evaluation.confusion)),
    }
    for name, (columns, rows) in tables.items():
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        save_text(folder / "plots" / f"{name}.csv", text.getvalue())


def save_results(path: Path, results: Sequence[Mapping[str, Any]]) -> None:
    """Write COCO results, one a line."""
    lines = ",\n".join(json.dumps(result, allow_nan=False) for result in results)
    save_text(path, f"[\n{lines}\n]\n" if results else "[]\n")
