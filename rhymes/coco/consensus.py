"""Several rows of one image -> each object once: what several annotators drew, matched and merged.

Two objects of different rows are one where their outlines overlap enough; two objects of one row
never are, however close they stand, because their annotator saw two. The rows are taken in the
order of the CSV. Each row's objects are paired with those found so far, one to one, so that the sum
of all overlaps is the greatest possible (the assignment problem; Kuhn: The Hungarian Method, 1955):
in a crowd the nearest neighbour of one object may be the twin of another.

What the annotators made of an object is decided thus:

- its class is that of the most annotators; of classes with equally many that of the earliest row;
- its box has the median of each edge (of two the mean);
- of polygons the one counts that overlaps most with the others on average (of equal ones that of
  the earliest row), since a mean of outlines is no outline that anyone drew;
- it stays where at least `quorum` annotators drew it, or all where the image has fewer.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from tqdm import tqdm

from rhymes.coco.agreement import ObjectVotes
from rhymes.coco.conversion_counts import ConversionCounts
from rhymes.coco.export_images import AnnotationCache, ExportImage
from rhymes.common.errors import InputError
from rhymes.export.annotations import Annotation, LastTouch, Reason
from rhymes.export.geometry import GeometryError, Shape, ring_to_region

# So much IoU a pair of one class counts more than one of two classes: a plate and what lies on it
# may overlap as much as each does with its twin.
_SAME_CLASS = 0.2

# IoUs are compared as whole millionths, so that the last digit of a float decides nothing.
_UNIT = 1_000_000

# Boxes whose overlaps are looked for at once, and pairs that may overlap enough: no crowd that
# anyone drew comes near, and an assignment of more would take minutes.
_CHUNK = 64
_MAX_PAIRS = 1_000_000
_SLACK = 0.999  # for rounding


@dataclass(frozen=True)
class ConsensusOptions:
    """What makes objects of several rows one.

    Attributes:
        iou: least overlap, above 0.
        quorum: annotators who must have drawn an object, from 1.
    """

    iou: float = 0.5
    quorum: int = 1


@dataclass(frozen=True, slots=True)
class Vote:
    """An object as one row has it.

    Attributes:
        annotator: whose vote it is; the rows of one annotator have one vote together.
        row: its number in the CSV.
        annotation: the object.
    """

    annotator: str
    row: int
    annotation: Annotation


class AgreedObject:
    """An object, and the votes for it in the order of the rows."""

    def __init__(self, vote: Vote) -> None:
        """Begin with the first vote."""
        self.votes = [vote]
        self.shape = vote.annotation.shape

    def add(self, vote: Vote) -> None:
        """Take the same object of another row."""
        self.votes.append(vote)
        self.shape = _shapes_to_shape([each.annotation.shape for each in self.votes])

    @property
    def classes(self) -> dict[str, int]:
        """Annotator -> class id: the vote of an annotator's first row."""
        found: dict[str, int] = {}
        for vote in self.votes:
            found.setdefault(vote.annotator, vote.annotation.class_id)
        return found

    def to_annotation(self) -> Annotation:
        """Return what the annotators made of it."""
        # Of equally many, Counter gives the class that it met first.
        (class_id, _), *_ = Counter(self.classes.values()).most_common(1)
        touches = [vote.annotation.last_touch for vote in self.votes]
        return Annotation(class_id, self.shape, max(touches, key=list(LastTouch).index))

    def to_votes(self) -> ObjectVotes:
        """Return who named it what, for the figures of agreement."""
        ranked = Counter(self.classes.values()).most_common(2)
        shapes = [vote.annotation.shape for vote in self.votes]
        return ObjectVotes(
            self.classes,
            ranked[0][0],
            len(ranked) > 1 and ranked[0][1] == ranked[1][1],
            [shape_iou(one, other) for one, other in combinations(shapes, 2)],
        )


def reach_consensus(
    images: Sequence[ExportImage],
    cache: AnnotationCache,
    counts: ConversionCounts,
    options: ConsensusOptions,
    annotators: Mapping[int, str],
) -> None:
    """Merge the rows of each image that has several; the image then has one row, its first.

    What is merged or voted out is counted, and how far the annotators agree.

    Args:
        images: of the export; those of several rows are changed.
        cache: has the rows' annotations, and gets the merged ones.
        counts: see there.
        options: see there.
        annotators: number of a row -> its annotator. A row without is of another one, named by its
            place among the image's rows.

    Raises:
        InputError: two rows have so many overlapping objects that nobody can have drawn them.
    """
    several = [image for image in images if len(image.rows) > 1]
    counts.images_in_several_rows = len(several)
    for image in tqdm(several, desc="consensus", unit=" images", disable=None, leave=False):
        rows = [number for number, _ in image.rows]
        names = [
            annotators.get(row) or f"annotator {place}" for place, row in enumerate(rows, start=1)
        ]
        drawn = []
        for name, (row, position) in zip(names, image.rows, strict=True):
            distinct = _without_duplicates(cache.read(position), row, counts)
            drawn.append([Vote(name, row, annotation) for annotation in distinct])
        try:
            objects = votes_to_objects(drawn, options.iou)
        except InputError as error:
            raise InputError(f"annotations.csv: image '{image.source}': {error}") from None
        voters = tuple(dict.fromkeys(names))
        if len(voters) > 1:
            votes = [each.to_votes() for each in objects]
            counts.agreement.add_image(image.source, rows, voters, votes)
        kept = list(_with_quorum(objects, min(options.quorum, len(voters)), counts))
        counts.agreement.emptied += bool(objects and not kept)
        image.rows = ((rows[0], cache.append(kept)),)
        image.class_ids = tuple(sorted({each.class_id for each in kept}))


def _without_duplicates(
    annotations: Sequence[Annotation], row: int, counts: ConversionCounts
) -> Iterator[Annotation]:
    seen: set[Annotation] = set()
    for annotation in annotations:
        if annotation in seen:
            counts.drop(Reason.DUPLICATE_ITEM, row)
        else:
            seen.add(annotation)
            yield annotation


def _with_quorum(
    objects: Sequence[AgreedObject], quorum: int, counts: ConversionCounts
) -> Iterator[Annotation]:
    """Yield what enough annotators drew; count all other votes by reason."""
    for each in objects:
        first, *others = each.votes
        if len(each.classes) < quorum:
            for vote in each.votes:
                counts.drop(Reason.OUTVOTED_ITEM, vote.row)
            continue
        for vote in others:
            is_equal = vote.annotation == first.annotation
            counts.drop(Reason.DUPLICATE_ITEM if is_equal else Reason.MERGED_ITEM, vote.row)
        yield each.to_annotation()


def votes_to_objects(rows: Sequence[Sequence[Vote]], min_iou: float) -> list[AgreedObject]:
    """Find which votes of the rows of one image are for the same object.

    Args:
        rows: the votes of each row, in the order of the CSV.
        min_iou: see `ConsensusOptions`.

    Returns:
        All objects, in the order in which they first stand in the rows. Each has at most one vote
        of a row.

    Raises:
        InputError: too many objects overlap.
    """
    objects: list[AgreedObject] = []
    for votes in rows:
        pairs = dict(_pair(objects, votes, min_iou))
        partners = {vote: each for each, vote in pairs.items()}
        new = []
        for index, vote in enumerate(votes):
            if index in partners:
                objects[partners[index]].add(vote)
            else:
                new.append(AgreedObject(vote))
        objects += new
    return objects


def _pair(
    objects: Sequence[AgreedObject], votes: Sequence[Vote], min_iou: float
) -> Iterator[tuple[int, int]]:
    """Yield the index of each object with that of its vote, so that the sum of scores is largest.

    Objects that overlap with no common partner do not compete: each set of those that do is an
    assignment of its own, which is small even where an image has thousands of objects.
    """
    if not objects or not votes:
        return
    left, right, ious = _overlaps(
        [each.shape for each in objects], [vote.annotation.shape for vote in votes], min_iou
    )
    for place, (i, j) in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
        if votes[j].annotation.class_id in objects[i].classes.values():
            ious[place] += round(_SAME_CLASS * _UNIT)
    lone = (np.bincount(left)[left] == 1) & (np.bincount(right)[right] == 1)
    yield from zip(left[lone].tolist(), right[lone].tolist(), strict=True)
    contested = np.flatnonzero(~lone)
    if not contested.size:
        return
    # Only now: most exports have one row an image, and SciPy takes longer to import than all else.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    nodes = len(objects) + len(votes)
    edges = coo_array(
        (np.ones(len(contested)), (left[contested], right[contested] + len(objects))),
        shape=(nodes, nodes),
    )
    _, labels = connected_components(edges, directed=False)
    order = contested[np.argsort(labels[left[contested]], kind="stable")]
    for part in np.split(order, np.flatnonzero(np.diff(labels[left[order]])) + 1):
        yield from _assign(left[part], right[part], ious[part])


def _assign(
    left: NDArray[np.int64], right: NDArray[np.int64], scores: NDArray[np.int64]
) -> Iterator[tuple[int, int]]:
    """Yield the pairs of the greatest sum; the three arrays are those of `_overlaps`."""
    from scipy.optimize import linear_sum_assignment

    rows, i = np.unique(left, return_inverse=True)
    columns, j = np.unique(right, return_inverse=True)
    table = np.zeros((len(rows), len(columns)), np.int64)
    table[i, j] = scores
    for row, column in zip(*linear_sum_assignment(table, maximize=True), strict=True):
        if table[row, column]:
            yield int(rows[row]), int(columns[column])


def _overlaps(
    left: Sequence[Shape], right: Sequence[Shape], min_iou: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the index on the left, that on the right and the IoU in millionths of each pair.

    A pair is of a box or an outline on each side whose IoU is at least `min_iou`, sorted by the
    indices.
    """
    pairs = _possible_pairs(left, right, min_iou)
    ious = np.array(
        [round(shape_iou(left[i], right[j]) * _UNIT) for i, j in pairs.T.tolist()], np.int64
    )
    enough = ious >= max(round(min_iou * _UNIT), 1)
    return pairs[0][enough], pairs[1][enough], ious[enough]


def _possible_pairs(
    left: Sequence[Shape], right: Sequence[Shape], min_iou: float
) -> NDArray[np.int64]:
    """Return the indices of pairs whose boxes allow of so great an IoU: int64 [2, n], sorted."""
    corners, other_corners = _corners(left), _corners(right)
    areas, other_areas = (np.array([shape.area for shape in side]) for side in (left, right))
    found: list[NDArray[np.int64]] = []
    for start in range(0, len(right), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        sides = np.minimum(corners[:, None, 2:], other_corners[None, chunk, 2:])
        sides -= np.maximum(corners[:, None, :2], other_corners[None, chunk, :2])
        # No IoU is greater than what the boxes have in common over the greater of the two areas.
        needed = min_iou * np.maximum(areas[:, None], other_areas[None, chunk]) * _SLACK
        rows, columns = np.nonzero(sides.clip(min=0).prod(axis=2) >= needed)
        found.append(np.stack([rows, columns + start]))
        if sum(each.shape[1] for each in found) > _MAX_PAIRS:
            raise InputError(
                f"two rows with {len(left)} and {len(right)} objects, of which more than "
                f"{_MAX_PAIRS:,} pairs overlap; nobody drew these: mend or remove a row"
            )
    pairs = np.concatenate(found, axis=1)
    return pairs[:, np.lexsort((pairs[1], pairs[0]))]


def _corners(shapes: Sequence[Shape]) -> NDArray[np.float64]:
    """xmin, ymin, xmax, ymax of each: float64 [n, 4]."""
    boxes = np.array([shape.bbox for shape in shapes], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def shape_iou(one: Shape, other: Shape) -> float:
    """Return the IoU of two outlines; of their boxes where one of them has no outline."""
    if one.rings and other.rings:
        try:
            first, second = _shape_to_region(one), _shape_to_region(other)
            common = shapely.area(shapely.intersection(first, second))
            return _common_to_iou(common, shapely.area(first), shapely.area(second))
        except GeometryError:
            pass  # the boxes tell nearly as much
    sides = []
    for axis in (0, 1):
        low = max(one.bbox[axis], other.bbox[axis])
        high = min(one.bbox[axis] + one.bbox[axis + 2], other.bbox[axis] + other.bbox[axis + 2])
        sides.append(max(high - low, 0.0))
    areas = [shape.bbox[2] * shape.bbox[3] for shape in (one, other)]
    return _common_to_iou(sides[0] * sides[1], *areas)


def _common_to_iou(common: float, one: float, other: float) -> float:
    return round(float(common / (one + other - common)), 6)


def _shape_to_region(shape: Shape) -> Any:
    rings = [list(zip(ring[::2], ring[1::2], strict=True)) for ring in shape.rings]
    return shapely.union_all([ring_to_region(ring) for ring in rings])


def _shapes_to_shape(shapes: Sequence[Shape]) -> Shape:
    """Return the median box, or where there are polygons the one that overlaps most with all."""
    outlined = [index for index, shape in enumerate(shapes) if shape.rings]
    if len(outlined) == 1 or (outlined and len(shapes) == 2):
        return shapes[outlined[0]]
    if outlined:
        return shapes[max(outlined, key=lambda index: _mean_iou(shapes, index))]
    edges = [statistics.median(column) for column in _corners(shapes).T.tolist()]
    left, top, right, bottom = edges
    bbox = (left, top, right - left, bottom - top)
    return Shape(bbox, bbox[2] * bbox[3], (), clipped=any(shape.clipped for shape in shapes))


def _mean_iou(shapes: Sequence[Shape], index: int) -> int:
    """Return the sum over the others, in millionths: of as many others the mean's order."""
    others = (each for place, each in enumerate(shapes) if place != index)
    return sum(round(shape_iou(shapes[index], other) * _UNIT) for other in others)
