"""Real exports with a second annotator who is known to the pixel: what consensus finds of them.

`pytest -s tests/coco/test_consensus_real_exports.py` prints the figures that docs/decisions/0020
has.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from PIL import Image

from rhymes.coco.consensus import AgreedObject, Vote, votes_to_objects
from rhymes.common.csv import load_rows
from rhymes.export.annotations import Annotation
from rhymes.export.categories import LabelMatcher, load_categories
from rhymes.export.cells import ANNOTATION_COLUMN, cell_to_items, item_to_annotation
from rhymes.export.dialects import load_dialect
from rhymes.export.dialects.polygons import data_to_shape
from rhymes.export.geometry import Shape, clip_box

SHIFT = 3
DROPPED = RELABELLED = 0.05


@dataclass(eq=False)
class Drawn:
    """An object as an annotator drew it, and which object of the original it is."""

    vote: Vote
    original: int


@dataclass
class Figures:
    """Sums over the images of an export.

    Attributes:
        drawn: objects of the export that at least one annotator drew.
        twins: of these, drawn by several.
        found: of these, left as one object that is nothing else.
        missed: of these, left as several objects.
        wrongly_merged: objects made of several of the export's.
        other_class: found, but with another class than in the export.
        neighbours_merged: objects with two votes of one row.
    """

    drawn: int = 0
    twins: int = 0
    found: int = 0
    missed: int = 0
    wrongly_merged: int = 0
    other_class: int = 0
    neighbours_merged: int = 0


def load_images(export: Path) -> Iterator[tuple[list[Annotation], tuple[int, int], int]]:
    """The objects of each image, its size, and the number of classes."""
    names = load_categories(export / "categories.csv").names
    column = load_dialect(export / "annotations.csv").image_column
    for row in load_rows(export / "annotations.csv"):
        items = cell_to_items(row.cells[ANNOTATION_COLUMN])
        assert isinstance(items, list)
        with Image.open(export / row.cells[column]) as image:
            size = image.size
        read = [item_to_annotation(item, LabelMatcher(names), *size) for item in items]
        yield [each for each in read if isinstance(each, Annotation)], size, len(names)


def redraw(
    annotation: Annotation, size: tuple[int, int], classes: int, generator: random.Random
) -> Annotation | None:
    """The same object by another annotator; None where that one missed it."""
    chance = generator.random()
    if chance < DROPPED:
        return None
    class_id = annotation.class_id
    if chance < DROPPED + RELABELLED:
        class_id = generator.choice([n for n in range(1, classes + 1) if n != class_id])
    return replace(annotation, class_id=class_id, shape=move(annotation.shape, size, generator))


def move(shape: Shape, size: tuple[int, int], generator: random.Random) -> Shape:
    """Move each edge of a box, or each point of an outline, by up to 3 pixels."""

    def near(value: float) -> float:
        return value + generator.uniform(-SHIFT, SHIFT)

    if shape.rings:
        (ring,) = shape.rings
        points = [(near(x), near(y)) for x, y in zip(ring[::2], ring[1::2], strict=True)]
        moved = data_to_shape(points, *size)
        return moved if isinstance(moved, Shape) else shape
    x, y, width, height = shape.bbox
    left, top, right, bottom = near(x), near(y), near(x + width), near(y + height)
    return clip_box((left, top, max(right - left, 1), max(bottom - top, 1)), *size) or shape


def measure(export: Path, annotators: int, *, is_first_perfect: bool) -> Figures:
    """Let others redraw each image of an export, and merge what they drew."""
    generator = random.Random(1)
    figures = Figures()
    for objects_drawn, size, classes in load_images(export):
        rows: list[list[Drawn]] = []
        for number in range(annotators):
            is_perfect = number == 0 and is_first_perfect
            drawn = [
                each if is_perfect else redraw(each, size, classes, generator)
                for each in objects_drawn
            ]
            rows.append(
                [
                    Drawn(Vote(str(number), number, each), index)
                    for index, each in enumerate(drawn)
                    if each
                ]
            )
        objects = votes_to_objects([[each.vote for each in row] for row in rows], 0.5)
        count(figures, objects_drawn, [each for row in rows for each in row], objects)
    return figures


def count(
    figures: Figures,
    annotations: Sequence[Annotation],
    drawn: Sequence[Drawn],
    objects: Sequence[AgreedObject],
) -> None:
    originals = {id(each.vote): each.original for each in drawn}
    made_of = [{originals[id(vote)] for vote in each.votes} for each in objects]
    figures.wrongly_merged += sum(len(each) > 1 for each in made_of)
    figures.neighbours_merged += sum(
        len({vote.row for vote in each.votes}) < len(each.votes) for each in objects
    )
    for original, votes in Counter(each.original for each in drawn).items():
        left = [index for index, each in enumerate(made_of) if original in each]
        is_found = len(left) == 1 and len(made_of[left[0]]) == 1
        figures.drawn += 1
        figures.twins += votes > 1
        figures.found += is_found
        figures.missed += len(left) > 1
        if is_found:
            class_id = objects[left[0]].to_annotation().class_id
            figures.other_class += class_id != annotations[original].class_id


@pytest.mark.parametrize(
    ("name", "annotators", "is_first_perfect", "least_found", "most_wrong"),
    [
        pytest.param("bccd3", 2, True, 1.0, 0, id="bccd3, doubled"),
        pytest.param("bccd3", 2, False, 0.99, 9, id="bccd3, both redrawn"),
        pytest.param("bccd3", 3, False, 0.99, 9, id="bccd3, three redrawn"),
        pytest.param("microcontroller4", 2, True, 1.0, 0, id="microcontroller4, doubled"),
        pytest.param("microcontroller4", 3, False, 1.0, 0, id="microcontroller4, three redrawn"),
        pytest.param("breadboard5", 2, True, 0.99, 0, id="breadboard5, doubled"),
        pytest.param("breadboard5", 3, False, 0.94, 3, id="breadboard5, three redrawn"),
    ],
)
def test_annotators_of_a_real_export_are_merged(
    shared: Path, name: str, annotators: int, is_first_perfect: bool, least_found: float,
    most_wrong: int,
) -> None:  # fmt: skip
    figures = measure(shared / "datasets" / name, annotators, is_first_perfect=is_first_perfect)
    print(f"\n{name}, {annotators} annotators, first one perfect {is_first_perfect}: {figures}")
    assert figures.neighbours_merged == 0
    assert figures.wrongly_merged <= most_wrong
    assert figures.found >= least_found * figures.drawn
