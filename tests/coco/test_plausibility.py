"""Boxes in other units and orders are found, each with its cause; honest ones are left alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhymes.coco.plausibility import Findings, Plausibility
from rhymes.export.categories import LabelMatcher
from rhymes.export.cells import item_to_annotation
from rhymes.export.fetched import IndexedImage
from tests.support.export_csv import box, indexed_image, polygon

Box = tuple[float, float, float, float]
Size = tuple[int, int]

SIZES: tuple[Size, ...] = ((640, 480), (480, 640), (1024, 768), (1920, 1080))


def some_box(chance: random.Random, size: Size, least: float, most: float) -> Box:
    """A box anywhere in an image, with sides of `least` to `most` of the image's."""
    width, height = (side * chance.uniform(least, most) for side in size)
    return (
        chance.uniform(0, size[0] - width), chance.uniform(0, size[1] - height), width, height
    )  # fmt: skip


def overshooting(chance: random.Random, size: Size) -> Box:
    """A box with its corners up to half a hundredth out of the image, as by a careless hand."""
    x, y, width, height = some_box(chance, size, 0.3, 1.0)
    slip = size[1] / 200
    return (
        x - chance.uniform(0, slip), y - chance.uniform(0, slip),
        width + chance.uniform(0, 2 * slip), height + chance.uniform(0, 2 * slip),
    )  # fmt: skip


def moved(chance: random.Random, size: Size) -> Box:
    """A box of which one in four was moved out of the image, as when an image is shifted."""
    x, y, width, height = some_box(chance, size, 0.1, 0.3)
    if chance.random() < 0.15:
        x += size[0] * chance.choice((-0.3, 0.3))
        y += size[1] * chance.choice((-0.3, 0.3))
    return x, y, width, height


SHAPES: dict[str, Callable[[random.Random, Size], Box]] = {
    "medium": lambda chance, size: some_box(chance, size, 0.1, 0.4),
    "large": lambda chance, size: some_box(chance, size, 0.5, 0.98),
    "tiny": lambda chance, size: some_box(chance, size, 0.005, 0.02),
    "small": lambda chance, size: some_box(chance, size, 0.02, 0.1),
    "any": lambda chance, size: some_box(chance, size, 0.01, 1.0),
    "overshooting": overshooting,
}
HONEST = SHAPES | {
    "whole": lambda chance, size: (0.0, 0.0, float(size[0]), float(size[1])),
    "moved": moved,
}

UNITS: dict[str, Callable[[Box, Size], Box]] = {
    "fractions": lambda b, s: (b[0] / s[0], b[1] / s[1], b[2] / s[0], b[3] / s[1]),
    "centres as fractions": lambda b, s: (
        (b[0] + b[2] / 2) / s[0], (b[1] + b[3] / 2) / s[1], b[2] / s[0], b[3] / s[1]
    ),
    "percent": lambda b, s: (
        100 * b[0] / s[0], 100 * b[1] / s[1], 100 * b[2] / s[0], 100 * b[3] / s[1]
    ),
    "corners": lambda b, s: (b[0], b[1], b[0] + b[2], b[1] + b[3]),
    "sides": lambda b, s: (b[0], b[0] + b[2], b[1], b[1] + b[3]),
    "y before x": lambda b, s: (b[1], b[0], b[3], b[2]),
    "corners, y before x": lambda b, s: (b[1], b[0], b[1] + b[3], b[0] + b[2]),
    "centres": lambda b, s: (b[0] + b[2] / 2, b[1] + b[3] / 2, b[2], b[3]),
    "twice the size": lambda b, s: (2 * b[0], 2 * b[1], 2 * b[2], 2 * b[3]),
    "half the size": lambda b, s: (b[0] / 2, b[1] / 2, b[2] / 2, b[3] / 2),
}  # fmt: skip
SAID = {
    "fractions": "fractions of the image",
    "centres as fractions": "fractions of the image",
    "percent": "percent of the image",
    "corners": "two corners, [x1, y1, x2, y2]",
    "sides": "[left, right, top, bottom]",
    "y before x": "swap x and y, and width and height",
    "corners, y before x": "two corners with y before x",
    "centres": "[centre x, centre y, width, height]",
    "twice the size": "times as large",
    "half the size": "times smaller",
}


def find(items: list[tuple[object, IndexedImage]]) -> Findings:
    matcher, plausibility = LabelMatcher(["RBC"]), Plausibility()
    for item, image in items:
        read = item_to_annotation(item, matcher, image.width, image.height)
        plausibility.see(item, read, image)
    return plausibility.findings()


def an_image(number: int, size: Size, orientation: int = 1) -> IndexedImage:
    return indexed_image(f"{number}.jpg", "0" * 64, size, orientation=orientation)


def find_boxes(
    shape: Callable[[random.Random, Size], Box],
    unit: Callable[[Box, Size], Box] | None,
    seed: int,
    objects: int,
) -> Findings:
    """What is odd about so many boxes on as many images of several sizes."""
    chance = random.Random(seed)
    items: list[tuple[object, IndexedImage]] = []
    for number in range(objects):
        size = chance.choice(SIZES)
        drawn = shape(chance, size)
        data = [round(value, 4) for value in (unit(drawn, size) if unit else drawn)]
        items.append((box(data), an_image(number, size)))
    return find(items)


# Of 20 exports of 40 objects all are found out but, of some kinds, one; and of these fewer.
EXPORTS = 20
OBJECTS = 40
HARD = {
    # Tiny boxes reach hardly farther from their centres than from their corners.
    ("centres", "tiny"): 0,
    ("centres", "small"): 0,
    # Their sides are below a pixel, which is said instead.
    ("percent", "tiny"): 5,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("unit", UNITS)
def test_other_units_are_found_with_their_cause(unit: str, shape: str) -> None:
    found = [find_boxes(SHAPES[shape], UNITS[unit], seed, OBJECTS) for seed in range(EXPORTS)]
    right = [any(SAID[unit] in said for said in each.errors + each.warnings) for each in found]
    assert sum(right) >= HARD.get((unit, shape), EXPORTS - 1)
    # Most objects below a pixel, or most out of their image, cannot be meant.
    if unit in ("fractions", "centres as fractions", "sides", "twice the size"):
        assert sum(bool(each.errors) for each in found) >= EXPORTS - 2


@pytest.mark.parametrize("objects", [1, 10, 40, 400])
@pytest.mark.parametrize("shape", HONEST)
def test_honest_boxes_are_left_alone(shape: str, objects: int) -> None:
    found = [find_boxes(HONEST[shape], None, seed, objects) for seed in range(EXPORTS)]
    assert not any(each.errors for each in found)
    # One in five boxes out of its image is worth a word, even if someone moved them on purpose.
    assert sum(bool(each.warnings) for each in found) <= (1 if shape == "moved" else 0)


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from([name for name in HONEST if name != "moved"]), st.integers(0, 10**6),
    st.integers(30, 100),
)  # fmt: skip
def test_any_honest_export_is_left_alone(shape: str, seed: int, objects: int) -> None:
    assert find_boxes(HONEST[shape], None, seed, objects) == Findings()


def test_a_crowd_is_left_alone() -> None:
    """Hundreds of small boxes on one image, and one empty click among them."""
    chance, image = random.Random(1), an_image(1, (640, 480))
    drawn = [box(SHAPES["small"](chance, (640, 480))) for _ in range(500)]
    assert find([(item, image) for item in (*drawn, box([5, 5, 0, 0]))]) == Findings()


def ring(drawn: Box) -> list[list[float]]:
    x, y, width, height = drawn
    return [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        pytest.param("fractions", "fractions of the image", id="fractions"),
        pytest.param("percent", "percent of the image", id="percent"),
        pytest.param("y before x", "swap x and y", id="y before x"),
        pytest.param("twice the size", "times as large", id="twice the size"),
        pytest.param("half the size", "times smaller", id="half the size"),
        pytest.param(None, "", id="pixels"),
    ],
)
def test_outlines_in_other_units(unit: str | None, said: str) -> None:
    chance = random.Random(3)
    items: list[tuple[object, IndexedImage]] = []
    for number in range(60):
        size = chance.choice(SIZES)
        drawn = SHAPES["medium"](chance, size)
        data = ring(UNITS[unit](drawn, size) if unit else drawn)
        items.append((polygon(data), an_image(number, size)))
    found = find(items)
    sentences = found.errors + found.warnings
    assert len(sentences) == (1 if unit else 0)
    assert all(said in sentence and sentence.startswith("polygon: ") for sentence in sentences)


def test_sentence_of_corners() -> None:
    """The figures can be counted by hand: of four kinds of boxes two fit as sizes, too."""
    kinds = [(10, 10, 50, 50), (100, 100, 300, 300), (400, 10, 600, 90), (10, 300, 90, 460)]
    images = [an_image(number, (640, 480)) for number in range(10)]
    found = find([(box(kind), image) for image in images for kind in kinds])
    assert found.errors == []
    (sentence,) = found.warnings
    assert sentence == (
        "boundingBox: 20 of 40 objects fit in their image as [x, y, width, height], as they are "
        "read; 40 of 40 would as two corners, [x1, y1, x2, y2]. If that is what they are, write "
        "x2 - x1 and y2 - y1 in place of x2 and y2."
    )


def test_part_of_the_objects_in_fractions_is_a_warning() -> None:
    chance, size = random.Random(5), (640, 480)
    drawn = [SHAPES["medium"](chance, size) for _ in range(50)]
    units = [UNITS["fractions"] if number % 5 == 0 else None for number in range(50)]
    items = [
        (box(unit(each, size) if unit else each), an_image(number, size))
        for number, (each, unit) in enumerate(zip(drawn, units, strict=True))
    ]
    found = find(items)
    assert found.errors == []
    assert ["10 of 50 objects have coordinates from 0 to 1" in each for each in found.warnings] == [
        True
    ]


def test_sizes_below_a_pixel_beside_positions_in_pixels() -> None:
    found = find([(box([9 * n, 50, 0.2, 0.3]), an_image(n, (640, 480))) for n in range(10)])
    assert ["10 of 10 objects are smaller than a pixel" in each for each in found.errors] == [True]


def test_the_same_box_everywhere() -> None:
    found = find([(box([100, 100, 400, 300]), an_image(n, (640, 480))) for n in range(30)])
    assert found.warnings == [
        "boundingBox: all 30 objects have the same box, [100.0, 100.0, 400.0, 300.0]."
    ]


def turned_export(orientation: int, *, unturned: bool, others: int = 30) -> Findings:
    """Ten phone images, 3000 x 4000 upright, drawn upright or as stored, beside other images."""
    chance = random.Random(7)
    items: list[tuple[object, IndexedImage]] = []
    for number in range(10):
        for _ in range(3):
            drawn = SHAPES["small"](chance, (4000, 3000) if unturned else (3000, 4000))
            items.append((box(drawn), an_image(number, (3000, 4000), orientation)))
    for number in range(others):
        drawn = SHAPES["medium"](chance, (640, 480))
        items.append((box(drawn), an_image(100 + number, (640, 480))))
    return find(items)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("others", [0, 30])
def test_boxes_drawn_on_the_stored_pixels(orientation: int, others: int) -> None:
    found = turned_export(orientation, unturned=True, others=others)
    (sentence,) = found.warnings
    assert found.errors == []
    assert "of 30 objects on images that EXIF turned sideways" in sentence
    assert "0 out of the stored pixels" in sentence
    assert ".jpg, " in sentence


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_boxes_drawn_on_the_upright_image(orientation: int) -> None:
    assert turned_export(orientation, unturned=False) == Findings()


def test_y_before_x_is_not_taken_for_turned_images() -> None:
    chance = random.Random(9)
    items: list[tuple[object, IndexedImage]] = []
    for number in range(60):
        size = SIZES[number % 4]
        x, y, width, height = SHAPES["any"](chance, size)
        items.append((box([y, x, height, width]), an_image(number, size, 6 if number < 20 else 1)))
    found = find(items)
    (sentence,) = found.errors + found.warnings
    assert "60 of 60 would as y before x" in sentence


odd_values = st.one_of(
    st.none(), st.floats(), st.integers(), st.text(max_size=3), st.lists(st.floats(), max_size=5),
    st.lists(st.lists(st.integers(-9, 99), min_size=2, max_size=2), max_size=5),
    st.dictionaries(st.text(max_size=3), st.floats(), max_size=3),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["boundingBox", "polygon", "x", 3]), odd_values)))
def test_any_item_is_passed_over_or_counted(items: list[tuple[Any, Any]]) -> None:
    image = an_image(1, (100, 80), 6)
    find([({"type": kind, "data": data, "category": "RBC"}, image) for kind, data in items])
    find([(data, image) for _, data in items])
