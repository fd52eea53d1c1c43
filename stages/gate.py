"""Decide whether the measured model may be published: `python -m stages.gate`.

reports/evaluate/, data/coco/test.json and reports/published/ -> reports/gate/:
    gate.json        passed or not, why, and the figures it rests on, with their intervals
    metrics.json     the few that `dvc exp show` puts beside others
    model_card.html  one file for people: what the model is, how good, on which data, for whom
A gate that is failed is a result, not an error: the stage succeeds, and publishing is refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rhymes.coco.files import load_coco
from rhymes.common.errors import InputError
from rhymes.common.files import file_to_sha256, folder_written_aside, save_json, save_text
from rhymes.common.params import load_section
from rhymes.metrics.gate import Decision, GateParams, Measured, decide
from rhymes.metrics.gate_measuring import compare, gate_to_json, gate_to_metrics, measure_candidate
from rhymes.metrics.model_card import Card, card_to_html, load_images
from rhymes.versions.published import Published, load_published
from stages.command import run_stage

TEST, EVALUATION, REPORT = (
    Path("data/coco/test.json"),
    Path("reports/evaluate"),
    Path("reports/gate"),
)
CONVERSION, TRAINING = Path("data/coco/report.json"), Path("models/checkpoint/training.json")


def main() -> None:
    """Read the section, measure, compare, decide, report."""
    rules = load_section("gate", GateParams)
    ground_truth, model = load_coco(TEST), load_json(EVALUATION / "model.json")
    check_split(model)
    results = load_json(EVALUATION / "detections.json")
    published = load_published()
    measured = measure_candidate(ground_truth, results, rules.bootstrap)
    comparison = None
    if published:
        comparison = compare(ground_truth, results, published, rules.bootstrap)
    is_published = published is not None and published.identity == model["identity"]
    decision = decide(measured, comparison, rules, is_published=is_published)
    gate = gate_to_json(decision, measured, comparison, model, published)
    with folder_written_aside(REPORT) as folder:
        save_json(folder / "gate.json", gate)
        save_json(folder / "metrics.json", gate_to_metrics(decision, comparison))
        save_text(folder / "model_card.html", card_to_html(load_card(gate, measured, rules)))
    print(decision_to_text(decision, published))


def load_json(path: Path) -> Any:
    """Read a report of an earlier stage."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: missing; run `dvc repro`") from None
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}; run `dvc repro`") from None


def check_split(model: dict[str, Any]) -> None:
    """Raise an `InputError` where the detections are of another test split."""
    if model["test_sha256"] != file_to_sha256(TEST):
        raise InputError(f"{EVALUATION} is of another {TEST}; run `dvc repro`")


def load_card(gate: dict[str, Any], measured: Measured, rules: GateParams) -> Card:
    """Gather what the model card shows."""
    return Card(
        gate=gate,
        rules=rules,
        measured=measured,
        metrics=load_json(EVALUATION / "metrics.json"),
        conversion=load_json(CONVERSION),
        training=load_json(TRAINING),
        images=load_images(EVALUATION / "images"),
    )


def decision_to_text(decision: Decision, published: Published | None) -> str:
    """Say it in the terminal: passed or not, against what, each reason, each note."""
    against = f"against {published.tag}" if published else "without a baseline"
    lines = [f"gate: {'PASSED' if decision.passed else 'FAILED'} {against}"]
    lines += [f"  - {reason}" for reason in decision.reasons]
    lines += [f"  {note}" for note in decision.notes]
    return "\n".join([*lines, f"See {REPORT / 'model_card.html'}"])


if __name__ == "__main__":
    run_stage("gate", main)
