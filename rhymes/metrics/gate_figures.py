"""What is known of a candidate: its figures, and how they differ from the published version's."""

from __future__ import annotations

from dataclasses import dataclass

from rhymes.metrics.intervals import Estimate


@dataclass(frozen=True)
class Bootstrap:
    """How chance is asked.

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
        figures: AP and AP50 of the boxes; mask_AP and mask_AP50 of a model with masks.
        classes: AP (and mask_AP) by class name.
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
        """Whether it is zero, whatever images are drawn: the same was found."""
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
        figures: AP and AP50 over the classes that both know; mask_AP and mask_AP50 where both
            have masks.
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
