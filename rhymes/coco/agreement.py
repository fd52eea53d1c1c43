"""How far annotators who drew the same image agree: figures, their part of the report, warnings.

Two annotators agree on an object where both drew it and named the same class. The figure is the
specific agreement, which is the F-measure of one annotator against the other: twice the objects on
which both agree, over the objects of the one and those of the other (Hripcsak, Rothschild:
Agreement, the F-Measure, and Reliability in Information Retrieval, JAMIA 2005). It needs no count
of what nobody drew, and is 1 where all agree. Of several annotators all pairs count together.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rhymes.common.markdown import rows_to_table
from rhymes.common.text import count_to_text

_WORST = 100
_LISTED = 10
_LOW = 0.5
_DECIMALS = 4


@dataclass(slots=True)
class Agreement:
    """Sums from which a specific agreement follows.

    Attributes:
        agreed: objects on which a pair of annotators agrees, counted for each of the two.
        drawn: objects of both annotators of each pair.
    """

    agreed: int = 0
    drawn: int = 0

    @property
    def value(self) -> float:
        """0 to 1, rounded; 1 where nobody drew anything."""
        return round(self.agreed / self.drawn, _DECIMALS) if self.drawn else 1.0


@dataclass(slots=True)
class AnnotatorCounts:
    """What an annotator drew on images that others annotated, too.

    Attributes:
        agreement: with the others.
        images: how many of them.
        objects: drawn there.
        alone: of these, drawn by nobody else.
        missed: objects of the others that this one did not draw.
        outvoted: objects whose class the others, or the annotator of an earlier row, decided.
    """

    agreement: Agreement = field(default_factory=Agreement)
    images: int = 0
    objects: int = 0
    alone: int = 0
    missed: int = 0
    outvoted: int = 0


@dataclass(frozen=True, slots=True)
class ImageAgreement:
    """An image that several annotators drew: its name, its rows, how far they agree."""

    image: str
    rows: tuple[int, ...]
    agreement: float
    objects: int


@dataclass(frozen=True)
class ObjectVotes:
    """Who named one object what.

    Attributes:
        classes: annotator -> class id.
        class_id: the class that it got.
        is_tie: whether no class had more votes than any other.
        ious: of each pair of its outlines.
    """

    classes: Mapping[str, int]
    class_id: int
    is_tie: bool
    ious: Sequence[float]


@dataclass
class AgreementCounts:
    """Counts over all images that several annotators drew.

    Attributes:
        images: how many there are.
        objects: on them, twins counted once.
        ties: objects whose class an earlier row decided, for no class had most votes.
        emptied: images that lost every object to the quorum.
        overall: agreement of all classes.
        classes: class id -> agreement.
        ious: class id -> sum and number of the IoUs of the outlines of one object.
        annotators: name -> counts.
        renamed: class id as drawn and as it became -> objects of one annotator.
        worst: the images that agree least, unsorted.
    """

    images: int = 0
    objects: int = 0
    ties: int = 0
    emptied: int = 0
    overall: Agreement = field(default_factory=Agreement)
    classes: defaultdict[int, Agreement] = field(default_factory=lambda: defaultdict(Agreement))
    ious: defaultdict[int, list[float]] = field(
        default_factory=lambda: defaultdict(lambda: [0.0, 0])
    )
    annotators: defaultdict[str, AnnotatorCounts] = field(
        default_factory=lambda: defaultdict(AnnotatorCounts)
    )
    renamed: Counter[tuple[int, int]] = field(default_factory=Counter)
    worst: list[ImageAgreement] = field(default_factory=list)

    def add_image(
        self,
        image: str,
        rows: Sequence[int],
        annotators: Sequence[str],
        votes: Sequence[ObjectVotes],
    ) -> None:
        """Count an image of two or more annotators.

        Args:
            image: its name in the export.
            rows: numbers of its rows.
            annotators: who drew it, each once.
            votes: of all its objects, also of those that the quorum then leaves out.
        """
        of_image = Agreement()
        drawn = Counter[str]()
        for each in votes:
            self._add_object(each, len(annotators), of_image)
            drawn.update(list(each.classes))  # of a mapping it would take the values
        self.images += 1
        self.objects += len(votes)
        self.overall.agreed += of_image.agreed
        self.overall.drawn += of_image.drawn
        for name in annotators:
            counts = self.annotators[name]
            counts.images += 1
            counts.objects += drawn[name]
            counts.missed += len(votes) - drawn[name]
            counts.agreement.drawn += drawn.total() + (len(annotators) - 2) * drawn[name]
        if of_image.value < 1:
            found = ImageAgreement(image, tuple(rows), of_image.value, len(votes))
            self.worst.append(found)
        if len(self.worst) > 2 * _WORST:  # so that memory stays flat
            self.worst = self.least_agreed()

    def _add_object(self, votes: ObjectVotes, annotators: int, of_image: Agreement) -> None:
        named = Counter(votes.classes.values())
        for class_id, count in named.items():
            for total in (of_image, self.classes[class_id]):
                total.agreed += count * (count - 1)
                total.drawn += count * (annotators - 1)
        for name, class_id in votes.classes.items():
            counts = self.annotators[name]
            counts.agreement.agreed += 2 * (named[class_id] - 1)
            counts.alone += len(votes.classes) == 1
            if class_id != votes.class_id:
                counts.outvoted += 1
                self.renamed[class_id, votes.class_id] += 1
        self.ties += votes.is_tie
        self.ious[votes.class_id][0] += sum(votes.ious)
        self.ious[votes.class_id][1] += len(votes.ious)

    def least_agreed(self) -> list[ImageAgreement]:
        """Return up to 100 images without full agreement, the worst first."""
        return sorted(self.worst, key=lambda each: (each.agreement, each.rows))[:_WORST]

    def mean_iou(self, class_id: int) -> float | None:
        """Return the mean IoU of the outlines that annotators drew of one object; None without."""
        total, count = self.ious[class_id]
        return round(total / count, _DECIMALS) if count else None


def agreement_to_report(counts: AgreementCounts, names: Sequence[str]) -> dict[str, Any]:
    """Return the part `agreement` of report.json; classes that nobody drew there are left out."""
    return {
        "images": counts.images,
        "objects": counts.objects,
        "agreement": counts.overall.value,
        "ties": counts.ties,
        "classes": {
            names[class_id - 1]: {
                "agreement": each.value,
                "iou": counts.mean_iou(class_id),
            }
            for class_id, each in sorted(counts.classes.items())
        },
        "annotators": {
            name: {
                "agreement": each.agreement.value, "images": each.images, "objects": each.objects,
                "alone": each.alone, "missed": each.missed, "outvoted": each.outvoted,
            }
            for name, each in sorted(counts.annotators.items())
        },
        "renamed": [
            {"from": names[old - 1], "to": names[new - 1], "objects": count}
            for (old, new), count in _most_renamed(counts)
        ],
        "least_agreed": [
            {
                "image": each.image, "rows": list(each.rows), "agreement": each.agreement,
                "objects": each.objects,
            }
            for each in counts.least_agreed()
        ],
    }  # fmt: skip


def _most_renamed(counts: AgreementCounts) -> list[tuple[tuple[int, int], int]]:
    return sorted(counts.renamed.items(), key=lambda each: (-each[1], each[0]))


def agreement_to_markdown(report: Mapping[str, Any]) -> str:
    """Return a section of report.md from `agreement_to_report`'s value; "" where nobody differs.

    It is empty where each image has one annotator.
    """
    if not report["images"]:
        return ""
    classes = [
        (name, f"{each['agreement']:.3f}", "" if each["iou"] is None else f"{each['iou']:.3f}")
        for name, each in report["classes"].items()
    ]
    annotators = [
        (name, f"{each['agreement']:.3f}", *(each[key] for key in _ANNOTATOR_COLUMNS))
        for name, each in report["annotators"].items()
    ]
    renamed = [(each["from"], each["to"], each["objects"]) for each in report["renamed"]]
    worst = [
        (each["image"], f"{each['agreement']:.3f}", each["objects"], _rows(each["rows"]))
        for each in report["least_agreed"][:_LISTED]
    ]
    return "\n".join(
        (
            "\n## Agreement of annotators\n",
            _summary(report),
            rows_to_table(("class", "agreement", "mean IoU"), classes),
            "",
            rows_to_table(("annotator", "agreement", *_ANNOTATOR_COLUMNS.values()), annotators),
            *_table_of("Classes that were outvoted", ("drawn as", "became", "objects"), renamed),
            *_table_of("Images that agree least", ("image", "agreement", "objects", "rows"), worst),
        )
    )


def _summary(report: Mapping[str, Any]) -> str:
    return (
        f"{count_to_text(report['images'], 'image')} of several annotators, "
        f"{count_to_text(report['objects'], 'object')}: agreement {report['agreement']:.3f}. It is "
        "twice the objects that two annotators both drew and named alike, over all objects of the "
        "two; 1 is full agreement. The mean IoU is that of their outlines of one object.\n"
    )


_ANNOTATOR_COLUMNS = {
    "images": "images",
    "objects": "objects",
    "alone": "drawn by no other",
    "missed": "drawn by others alone",
    "outvoted": "of another class than it became",
}


def _table_of(
    title: str, header: Sequence[str], rows: Sequence[Sequence[object]]
) -> tuple[str, ...]:
    return (f"\n### {title}\n", rows_to_table(header, rows)) if rows else ()


def _rows(rows: Sequence[int]) -> str:
    return ", ".join(map(str, rows[:_LISTED]))


def agreement_to_warnings(
    counts: AgreementCounts, names: Sequence[str], images: int, merged: int
) -> Iterator[str]:
    """Yield a sentence a finding.

    Args:
        counts: of the images that several annotators drew.
        names: of the classes.
        images: that stand in several rows, of one annotator or of several.
        merged: objects that were merged with one of another row.
    """
    if images:
        agreed = f"; the annotators agree on {counts.overall.value:.1%} of what they drew"
        yield (
            f"{count_to_text(images, 'image stands', 'images stand')} in several rows: "
            f"{count_to_text(merged, 'object was', 'objects were')} merged with that of another "
            f"row{agreed if counts.images else ''}."
        )
    if counts.ties:
        yield (
            f"{count_to_text(counts.ties, 'object has', 'objects have')} no class that most "
            "annotators gave; the earliest row decided. report.json has the pairs of classes."
        )
    low = [
        f"{names[class_id - 1]} ({each.value:.2f})"
        for class_id, each in sorted(counts.classes.items())
        if each.value < _LOW
    ]
    if low:
        yield (
            f"Annotators agree on less than half of {count_to_text(len(low), 'class', 'classes')}: "
            f"{', '.join(low[:_LISTED])}. Unless the rows of an image are parts of one person's "
            "work, a model cannot learn it either."
        )
    if counts.emptied:
        yield (
            f"{count_to_text(counts.emptied, 'image has', 'images have')} lost every object to "
            "coco.consensus_quorum and would teach that there is nothing to see."
        )
