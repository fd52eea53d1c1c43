"""May a candidate be published? What was measured -> a decision with its reasons.

A loss counts when it is greater than the rules allow and chance does not explain it. A gain is
called one when chance does not explain it. docs/decisions/0008 says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from rhymes.common.params import section
from rhymes.common.text import list_first
from rhymes.metrics.bootstrap import Estimate
from rhymes.metrics.catalogue import metrics


@dataclass(frozen=True)
class Bootstrap:
    """Bootstrap settings.

    Attributes:
        seed: Of the resamples.
        resamples: How many.
        confidence: Of the intervals, 0 to 1.
    """

    seed: int
    resamples: int
    confidence: float


@dataclass(frozen=True)
class Measured:
    """The candidate by itself, on its whole test split.

    Attributes:
        figures: The headline metrics that have an interval, by key.
        classes: AP (and mask_AP of a model with masks) by class name.
    """

    figures: dict[str, Estimate]
    classes: dict[str, dict[str, Estimate]]


@dataclass(frozen=True)
class Difference:
    """The candidate's figure less the published version's, on the images of both.

    Attributes:
        candidate: Its figure; None is undefined.
        baseline: The published version's.
        change: The difference, with its interval.
    """

    candidate: float | None
    baseline: float | None
    change: Estimate

    @property
    def is_worse(self) -> bool:
        """Whether it is a loss that chance does not explain."""
        return self.change.high is not None and self.change.high < 0

    @property
    def is_better(self) -> bool:
        """Whether it is a gain that chance does not explain."""
        return self.change.low is not None and self.change.low > 0

    @property
    def is_same(self) -> bool:
        """Whether it is zero, whatever images are drawn."""
        return self.change.value == 0 == self.change.low == self.change.high


@dataclass(frozen=True)
class ClassDifference:
    """One class's differences; their intervals hold for all classes together.

    Attributes:
        images: Compared images with objects of the class.
        figures: AP, and mask_AP where both have masks.
    """

    images: int
    figures: dict[str, Difference]


@dataclass(frozen=True)
class Comparison:
    """The candidate against the published version.

    Attributes:
        images: Number of images compared: those of both test splits.
        candidate_only: Test images of the candidate alone, left out.
        baseline_only: Test images of the published version alone, left out.
        figures: The headline metrics that have an interval, by key, over the classes that both
            know; those of masks where both have masks.
        classes: By name, of the classes that both know.
        new_classes: Names that the candidate alone knows.
        gone_classes: Names that the published version alone knows.
        masks_of_one: Who alone gives masks: "the candidate", "the published version" or "".
    """

    images: int
    candidate_only: int
    baseline_only: int
    figures: dict[str, Difference]
    classes: dict[str, ClassDifference]
    new_classes: tuple[str, ...]
    gone_classes: tuple[str, ...]
    masks_of_one: str


Fraction = Annotated[float, Field(ge=0, le=1)]

METRIC = "AP"
"""Name of the metric whose loss is judged, overall and by class."""

_LISTED = 5
_FEW_IMAGES = 10
_INCOMPARABLE = (
    "It cannot be compared with the published version: no object of a class that both know is in "
    "an image of both test splits. If the data were replaced on purpose, remove "
    "reports/published/detections.json: then there is no baseline."
)


@section
class GateParams:
    """The section `gate`.

    Attributes:
        seed: of the resamples.
        resamples: how many; more of them make the intervals' ends steadier.
        confidence: of the intervals.
        min_ap50: least AP50 of the candidate's boxes on its whole test split.
        max_ap_loss: allowed loss of AP, the mean over the classes.
        max_class_ap_loss: allowed loss of each class's AP.
    """

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    resamples: Annotated[int, Field(ge=100, le=100_000)]
    confidence: Annotated[float, Field(ge=0.5, lt=1)]
    min_ap50: Fraction
    max_ap_loss: Fraction
    max_class_ap_loss: Fraction

    @property
    def bootstrap(self) -> Bootstrap:
        """Bootstrap settings."""
        return Bootstrap(self.seed, self.resamples, self.confidence)


@dataclass(frozen=True)
class Decision:
    """What the gate says.

    Attributes:
        reasons: Sentences, why the candidate may not be published; none: it passed.
        notes: Sentences, what else should be known.
    """

    reasons: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the candidate may be published."""
        return not self.reasons


def decide(
    measured: Measured,
    comparison: Comparison | None,
    rules: GateParams,
    *,
    is_published: bool = False,
) -> Decision:
    """Apply the rules.

    Args:
        measured: The candidate by itself.
        comparison: The candidate against the published version; None where nothing is published.
        rules: The section `gate`.
        is_published: Whether the candidate is that very version.
    """
    reasons = list(_floor_reasons(measured, rules))
    if comparison is None:
        return Decision(tuple(reasons), ("No baseline: no version is published yet.",))
    notes = list(_notes(comparison, rules))
    if is_published:
        notes.insert(0, "This is the published version itself.")
    if comparison.figures["AP"].change.value is None:
        if not is_published:
            reasons.append(_INCOMPARABLE)
        return Decision(tuple(reasons), tuple(notes))
    reasons += _loss_reasons(comparison, rules)
    return Decision(tuple(reasons), (*_progress(comparison, rules), *notes))


def _floor_reasons(measured: Measured, rules: GateParams) -> Iterator[str]:
    ap50 = measured.figures["AP50"].value
    if ap50 is None and rules.min_ap50 > 0:
        yield "AP50 is undefined, as the test split has no object; raise coco.test_fraction."
    elif ap50 is not None and ap50 < rules.min_ap50:
        yield f"AP50 is {ap50:.3f}, below gate.min_ap50 = {rules.min_ap50:g}."


def _judged() -> Iterator[tuple[str, str]]:
    """The metrics that a candidate may not lose: key, and title at the beginning of a sentence."""
    for metric in metrics():
        if metric.name == METRIC:
            yield metric.key, f"{metric.column[0].upper()}{metric.column[1:]}"


def _loss_reasons(comparison: Comparison, rules: GateParams) -> Iterator[str]:
    for figure, title in _judged():
        overall = comparison.figures.get(figure)
        if overall and _lost(overall, rules.max_ap_loss):
            allowed = f"gate.max_ap_loss allows {rules.max_ap_loss:g}"
            yield f"{title} fell {_change_to_text(overall, rules)}; {allowed}."
        for name, of_class in comparison.classes.items():
            change = of_class.figures.get(figure)
            if change and _lost(change, rules.max_class_ap_loss):
                allowed = f"gate.max_class_ap_loss allows {rules.max_class_ap_loss:g}"
                lost = _change_to_text(change, rules)
                yield f"{title} of class {name!r} fell {lost}; {allowed}."


def _lost(difference: Difference, allowed: float) -> bool:
    loss = -(difference.change.value or 0.0)
    return difference.is_worse and loss > allowed


def _progress(comparison: Comparison, rules: GateParams) -> Iterator[str]:
    """Say of each overall figure that is no reason whether it rose or fell, or may be chance."""
    for figure, title in _judged():
        overall = comparison.figures.get(figure)
        if overall is None or _lost(overall, rules.max_ap_loss):
            continue
        text = _change_to_text(overall, rules)
        if overall.is_same:
            yield f"{title} is the same, {overall.candidate:.3f}."
        elif overall.is_better:
            yield f"{title} rose {text}."
        elif overall.is_worse:
            yield f"{title} fell {text}; gate.max_ap_loss allows it."
        else:
            yield f"{title} went {text}: as zero is in it, this may be chance."


def _notes(comparison: Comparison, rules: GateParams) -> Iterator[str]:
    left_out = comparison.candidate_only + comparison.baseline_only
    if left_out:
        yield (
            f"{comparison.images} images are in both test splits and were compared; left out were "
            f"{comparison.candidate_only} of the candidate's alone and {comparison.baseline_only} "
            "of the published version's alone."
        )
    if comparison.images < _FEW_IMAGES:
        yield f"Only {comparison.images} images were compared, so little is known."
    for what, names in (
        ("the published version does not know", comparison.new_classes),
        ("the candidate no longer knows", comparison.gone_classes),
    ):
        if names:
            listed = list_first(list(map(repr, names)), _LISTED)
            yield f"Not compared: classes that {what}: {listed}."
    if comparison.masks_of_one:
        yield f"Masks are not compared: {comparison.masks_of_one} alone gives them."
    unsure = {
        name: change
        for name, of_class in comparison.classes.items()
        if (change := min(each.change.value or 0.0 for each in of_class.figures.values()))
        < -rules.max_class_ap_loss
        and not any(each.is_worse for each in of_class.figures.values())
    }
    if unsure:
        worst_first = tuple(sorted(unsure, key=lambda name: unsure[name]))
        yield (
            f"Classes that lost more than {rules.max_class_ap_loss:g} AP, which may be chance: "
            f"{list_first(list(map(repr, worst_first)), _LISTED)}."
        )


def _change_to_text(difference: Difference, rules: GateParams) -> str:
    """Say from what to what, and where the difference lies."""
    change = difference.change
    interval = f"{100 * rules.confidence:g} % interval of the difference"
    return (
        f"from {difference.baseline or 0:.3f} to {difference.candidate or 0:.3f} "
        f"({interval} {change.low or 0:+.3f} to {change.high or 0:+.3f})"
    )
