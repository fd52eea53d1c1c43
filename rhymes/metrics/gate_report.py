"""The gate's decision and all that it rests on, for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rhymes.metrics.gate import Decision
from rhymes.metrics.gate_figures import ClassDifference, Comparison, Difference, Measured
from rhymes.metrics.intervals import Estimate
from rhymes.versions.published import Published

_DIGITS = 6


def gate_to_json(
    decision: Decision,
    measured: Measured,
    comparison: Comparison | None,
    model: Mapping[str, Any],
    published: Published | None,
) -> dict[str, Any]:
    """Everything that was found, for programs: `rhymes.registry.publish` and the page.

    Args:
        decision: Of the gate.
        measured: The candidate by itself.
        comparison: None where nothing is published.
        model: `version`, `identity` and `test_sha256`, reports/evaluate/model.json.
        published: What it was compared with.
    """
    return {
        "passed": decision.passed,
        "reasons": list(decision.reasons),
        "notes": list(decision.notes),
        **{key: model[key] for key in ("version", "identity", "test_sha256")},
        "baseline": published
        and {"version": published.version, "tag": published.tag, "identity": published.identity},
        "images": comparison
        and {
            "compared": comparison.images,
            "candidate_only": comparison.candidate_only,
            "baseline_only": comparison.baseline_only,
        },
        "figures": {name: _estimate(value) for name, value in measured.figures.items()},
        "differences": comparison
        and {name: _difference(value) for name, value in comparison.figures.items()},
        "classes": comparison
        and {name: _class_difference(value) for name, value in comparison.classes.items()},
    }


def gate_to_metrics(decision: Decision, comparison: Comparison | None) -> dict[str, Any]:
    """The few figures that `dvc exp show` puts beside others."""
    changes = comparison.figures if comparison else {}
    return {
        "gate_passed": decision.passed,
        **{f"{name}_change": _rounded(each.change.value) for name, each in changes.items()},
    }


def _estimate(estimate: Estimate) -> dict[str, float | None]:
    return {
        "value": _rounded(estimate.value),
        "low": _rounded(estimate.low),
        "high": _rounded(estimate.high),
    }


def _difference(difference: Difference) -> dict[str, float | None]:
    return {
        "candidate": _rounded(difference.candidate),
        "baseline": _rounded(difference.baseline),
        **_estimate(difference.change),
    }


def _class_difference(of_class: ClassDifference) -> dict[str, Any]:
    return {
        "images": of_class.images,
        **{figure: _difference(value) for figure, value in of_class.figures.items()},
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
