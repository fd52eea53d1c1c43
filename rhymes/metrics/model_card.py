"""One HTML file about a model for the people who decide on it: verdict, figures, data, limits.

What a model card should say follows Mitchell et al., Model Cards for Model Reporting (2019). The
file needs no other: images lie in it, and it asks no host for anything.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from PIL import Image

from rhymes.coco.conversion_report import MEANINGS
from rhymes.coco.splits import SPLITS
from rhymes.common.errors import InputError
from rhymes.common.params import flatten, section_to_dict
from rhymes.metrics.bootstrap import Estimate
from rhymes.metrics.catalogue import Metric, find_metric, metric_key, metrics
from rhymes.metrics.gate import GateParams, Measured
from rhymes.versions.environment import environment_to_text

TEMPLATE = Path(__file__).with_suffix(".html")

_IMAGES = 6
_IMAGE_SIDE = 900
_FEW_OBJECTS = 10
_LISTED = 10


@dataclass(frozen=True)
class Card:
    """All that a card shows.

    Attributes:
        gate: gate.json's value.
        rules: The section `gate`.
        measured: The candidate's figures and their intervals.
        metrics: reports/evaluate/metrics.json's value.
        conversion: data/coco/report.json's value.
        training: models/checkpoint/training.json's value.
        images: By file name, the worst first: JPEGs of what went wrong.
    """

    gate: Mapping[str, Any]
    rules: GateParams
    measured: Measured
    metrics: Mapping[str, Any]
    conversion: Mapping[str, Any]
    training: Mapping[str, Any]
    images: Mapping[str, bytes]


def load_images(folder: Path) -> dict[str, bytes]:
    """Read the worst images that `evaluate` drew, as JPEGs small enough for a page."""
    return {path.name: _image_to_jpeg(path) for path in sorted(folder.glob("*.png"))[:_IMAGES]}


def _image_to_jpeg(path: Path) -> bytes:
    try:
        with Image.open(path) as image:
            small = image.convert("RGB")
    except OSError as error:
        raise InputError(f"{path}: no image ({error}); run `dvc repro evaluate`") from None
    small.thumbnail((_IMAGE_SIDE, _IMAGE_SIDE), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    small.save(data, "JPEG", quality=80)
    return data.getvalue()


def card_to_html(card: Card) -> str:
    """Write the card.

    Raises:
        InputError: a report lacks a key that the card shows.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"percent": _percent}
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    try:
        return template.render(
            gate=card.gate,
            rules=section_to_dict(card.rules),
            ap=find_metric("AP"),
            ranked_by=find_metric(card.training["validation"]["ranked_by"]),
            figures=_figure_rows(card),
            classes=_class_rows(card),
            shown=[metric for metric in _shown(card) if metric.key != "AP"],
            has_masks=metric_key("AP", "segm") in card.measured.figures,
            metrics=card.metrics,
            data=_data(card.conversion),
            nearest=_nearest(card.conversion),
            training=card.training,
            environment=environment_to_text(card.training["environment"]),
            settings=[(key, str(value)) for key, value in flatten(card.training["params"])],
            images=[base64.b64encode(image).decode("ascii") for image in card.images.values()],
            hashes=_hashes(card),
            few=_few(card),
            few_objects=_FEW_OBJECTS,
        )
    except KeyError as error:
        raise InputError(f"the model card lacks {error}; run `dvc repro`") from None


def _shown(card: Card) -> list[Metric]:
    """The headline metrics of what the model gives."""
    return [metric for metric in metrics(is_headline=True) if metric.key in card.metrics]


def _figure_rows(card: Card) -> list[dict[str, Any]]:
    differences = card.gate["differences"] or {}
    return [
        {
            "metric": metric,
            "estimate": card.measured.figures.get(
                metric.key, Estimate(card.metrics[metric.key], None, None)
            ),
            "difference": differences.get(metric.key),
            "verdict": _verdict(differences.get(metric.key)),
        }
        for metric in _shown(card)
    ]


def _verdict(difference: Mapping[str, float | None] | None) -> str:
    """Say what a difference's interval says."""
    if difference is None or difference["value"] is None:
        return ""
    low, high = difference["low"], difference["high"]
    if low is None or high is None:
        return "too few images"
    if low > 0:
        return "better"
    if high < 0:
        return "worse"
    return "the same" if low == high == 0 else "may be chance"


def _class_rows(card: Card) -> list[dict[str, Any]]:
    """The classes, the worst first, undefined ones last."""
    compared = card.gate["classes"] or {}
    rows = []
    for name, estimates in card.measured.classes.items():
        difference = compared.get(name, {}).get("AP")
        rows.append(
            {
                "name": name,
                "objects": card.metrics["classes"][name]["objects"],
                "estimates": estimates,
                "values": card.metrics["classes"][name],
                "difference": difference,
                "verdict": _verdict(difference) if compared else "",
                "is_new": bool(compared) and name not in compared,
            }
        )
    return sorted(rows, key=lambda row: _rank(row["estimates"]["AP"].value))


def _rank(value: float | None) -> tuple[bool, float]:
    return value is None, value or 0.0


def _data(conversion: Mapping[str, Any]) -> dict[str, Any]:
    """What was read, dropped and split."""
    meanings = {str(reason): meaning for reason, meaning in MEANINGS.items()}
    labels = list(conversion["unknown_labels"].items())
    return {
        "rows": conversion["rows"],
        "items": conversion["items"],
        "dropped": [
            (reason, dropped["count"], meanings.get(reason, ""))
            for reason, dropped in conversion["dropped"].items()
            if dropped["count"]
        ],
        "splits": [
            (
                split,
                conversion["images"][split],
                conversion["empty_images"][split],
                sum(conversion["classes"][split].values()),
            )
            for split in SPLITS
        ],
        "classes": [
            (name, *(conversion["classes"][split][name] for split in SPLITS))
            for name in conversion["classes"][SPLITS[0]]
        ],
        "labels": labels[:_LISTED],
        "more_labels": max(len(labels) - _LISTED, 0),
        "warnings": conversion["warnings"],
    }


def _nearest(conversion: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the pair of a test and a training image that are most alike, if there is one."""
    found: Mapping[str, Any] = conversion["nearest_to_train"]["test"]
    return found if found["closest"] else None


def _few(card: Card) -> list[str]:
    """Classes with so few test objects that their figures say little."""
    counts = card.metrics["classes"]
    return [name for name in card.measured.classes if counts[name]["objects"] < _FEW_OBJECTS]


def _hashes(card: Card) -> list[tuple[str, str]]:
    training, gate = card.training, card.gate
    pretrained, baseline = training["pretrained"], gate["baseline"]
    return [
        ("this model: its manifest of all files", gate["identity"]),
        ("test split: data/coco/test.json", gate["test_sha256"]),
        ("training and validation data", training["data"]["sha256"]),
        ("training code", training["code"]["sha256"]),
        ("pretrained weights", pretrained["sha256"] if pretrained else "none, random weights"),
        (
            "published version that it was compared with",
            baseline["identity"] if baseline else "none",
        ),
    ]


def _percent(value: float) -> str:
    """A share as a length in CSS."""
    return f"{100 * value:.2f}%"
