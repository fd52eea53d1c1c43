"""Several rows of one image: which objects are one, what becomes of them, how far they agree."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhymes.coco import consensus
from rhymes.coco.consensus import (
    ConsensusOptions,
    Vote,
    reach_consensus,
    shape_iou,
    votes_to_objects,
)
from rhymes.coco.conversion_counts import ConversionCounts
from rhymes.coco.conversion_report import counts_to_markdown, counts_to_report
from rhymes.coco.export_images import AnnotationCache, ExportImage
from rhymes.common.errors import InputError
from rhymes.export.annotations import Annotation
from rhymes.export.dialects.polygons import data_to_shape
from rhymes.export.geometry import Box, Shape, clip_box
from tests.support.export_csv import indexed_image

RBC, WBC, CAT = 1, 2, 3
NAMES = ("RBC", "WBC", "CAT")
SIZE = 1000

Row = Sequence[Annotation]


def box(x: float, y: float = 0, side: float = 100, class_id: int = RBC) -> Annotation:
    shape = clip_box((float(x), float(y), float(side), float(side)), SIZE, SIZE)
    assert shape is not None
    return Annotation(class_id, shape)


def outline(*points: tuple[float, float], class_id: int = RBC) -> Annotation:
    shape = data_to_shape(points, SIZE, SIZE)
    assert isinstance(shape, Shape)
    return Annotation(class_id, shape)


def square(x: float, y: float, side: float) -> Annotation:
    return outline((x, y), (x + side, y), (x + side, y + side), (x, y + side))


def merge(
    *rows: Row, iou: float = 0.5, quorum: int = 1, annotators: Sequence[str] = ()
) -> tuple[list[Annotation], dict[str, Any]]:
    """What is left of an image of these rows, which are rows 2, 3, ... of the CSV; the report."""
    cache = AnnotationCache(io.BytesIO())
    image = ExportImage((indexed_image("a.jpg", "0" * 64, (SIZE, SIZE)),))
    image.rows = tuple((number, cache.append(row)) for number, row in enumerate(rows, start=2))
    counts = ConversionCounts(NAMES)
    counts.items_read = sum(map(len, rows))
    named = dict(enumerate(annotators, start=2))
    reach_consensus([image], cache, counts, ConsensusOptions(iou, quorum), named)
    ((row, position),) = image.rows
    kept = cache.read(position)
    assert row == 2
    assert image.class_ids == tuple(sorted({each.class_id for each in kept}))
    counts.items_kept = len(kept)
    for each in kept:
        counts.classes["train"][each.class_id] += 1
    counts.check()
    return kept, counts_to_report(counts)


def dropped(report: dict[str, Any]) -> dict[str, tuple[int, list[int]]]:
    return {k: (d["count"], d["rows"]) for k, d in report["dropped"].items() if d["count"]}


def boxes(annotations: Row) -> list[tuple[int, Box]]:
    return [(each.class_id, each.shape.bbox) for each in annotations]


def test_twins_shifted_by_a_pixel_are_one() -> None:
    kept, report = merge([box(0), box(200)], [box(201), box(1)])
    assert boxes(kept) == [(RBC, (0.5, 0, 100, 100)), (RBC, (200.5, 0, 100, 100))]
    assert dropped(report) == {"merged_item": (2, [3])}
    assert report["agreement"]["agreement"] == 1


def test_true_neighbours_of_one_row_stay_two() -> None:
    """Each neighbour overlaps with both of the other row; so do those of one row."""
    for shift in range(-20, 21):
        kept, _ = merge([box(100), box(120)], [box(100 + shift), box(120 + shift)])
        assert boxes(kept) == [
            (RBC, (100 + shift / 2, 0, 100, 100)), (RBC, (120 + shift / 2, 0, 100, 100)),
        ]  # fmt: skip


def test_neighbours_that_only_one_row_has_stay() -> None:
    crowd = [box(10 * n) for n in range(20)]
    kept, report = merge(crowd, [])
    assert kept == crowd
    assert dropped(report) == {}
    kept, report = merge(crowd, crowd[:10])
    assert kept == crowd
    assert dropped(report) == {"duplicate_item": (10, [3])}


def test_the_whole_row_decides_not_the_nearest_pair() -> None:
    """Greedily 110 would take 108, its nearest, and 100 would find no partner."""
    one, other = [box(100), box(110)], [box(108), box(140)]
    kept, _ = merge(one, other)
    assert [each.shape.bbox[0] for each in kept] == [104, 125]


@pytest.mark.parametrize(
    ("iou", "objects"),
    [
        pytest.param(0.6, 1, id="at the threshold"),
        pytest.param(0.600001, 2, id="above"),
        pytest.param(1.0, 2, id="only equal ones"),
    ],
)
def test_threshold(iou: float, objects: int) -> None:
    assert shape_iou(box(0).shape, box(25).shape) == 0.6
    assert len(merge([box(0)], [box(25)], iou=iou)[0]) == objects


@pytest.mark.parametrize(
    ("classes", "majority", "ties"),
    [
        pytest.param((RBC, WBC, WBC), WBC, 0, id="most"),
        pytest.param((RBC, WBC), RBC, 1, id="tie: earliest row"),
        pytest.param((WBC, RBC), WBC, 1, id="tie the other way"),
        pytest.param((CAT, RBC, WBC, WBC, RBC), RBC, 1, id="tie of two of three"),
        pytest.param((WBC, WBC), WBC, 0, id="one mind"),
    ],
)
def test_class(classes: tuple[int, ...], majority: int, ties: int) -> None:
    kept, report = merge(*([box(n, class_id=each)] for n, each in enumerate(classes)))
    assert [each.class_id for each in kept] == [majority]
    assert report["agreement"]["ties"] == ties
    warned = any("no class that most annotators gave" in each for each in report["warnings"])
    assert not warned, "the warnings are the conversion's to add"


def test_rows_of_one_annotator_have_one_vote() -> None:
    rows = [[box(0, class_id=WBC)], [box(1, class_id=WBC)], [box(2)], [box(3)]]
    assert merge(*rows)[0][0].class_id == WBC
    kept, report = merge(*rows, annotators=["ann", "ann", "bob", "cy"])
    assert kept[0].class_id == RBC
    assert set(report["agreement"]["annotators"]) == {"ann", "bob", "cy"}


def test_a_class_overlaps_with_its_own_rather_than_with_another() -> None:
    """A plate and its food: the other row has the plate alone, nearer to the food."""
    plate, food = box(0, side=100), box(4, 4, side=92, class_id=WBC)
    kept, _ = merge([plate, food], [box(3, 3, side=94)])
    assert [each.class_id for each in kept] == [RBC, WBC]
    assert kept[1] == food


def test_median_box() -> None:
    kept, _ = merge([box(0, 0, 100)], [box(4, 2, 100)], [box(2, 30, 80)])
    assert boxes(kept) == [(RBC, (2, 2, 98, 100))]


def test_outlines_the_one_that_overlaps_most() -> None:
    near, nearer, far = square(0, 0, 100), square(2, 2, 100), square(16, 16, 100)
    for rows in permutations(([near], [nearer], [far])):
        assert merge(*rows)[0] == [nearer]
    assert merge([near], [nearer])[0] == [near]
    assert merge([nearer], [near])[0] == [nearer]


def test_a_box_and_an_outline_of_one_object_keep_the_outline() -> None:
    for rows in permutations(([box(1)], [square(0, 0, 100)])):
        kept, _ = merge(*rows)
        assert kept == [square(0, 0, 100)]


def test_crossed_outlines_in_one_box_are_two_objects() -> None:
    """A fork across a knife: their boxes are the same."""
    fork = outline((0, 0), (10, 0), (100, 90), (100, 100), (90, 100), (0, 10))
    knife = outline((100, 0), (100, 10), (10, 100), (0, 100), (0, 90), (90, 0))
    assert fork.shape.bbox == knife.shape.bbox
    kept, report = merge([fork], [knife])
    assert kept == [fork, knife]
    assert dropped(report) == {}


def test_outlines_that_cross_themselves_are_compared() -> None:
    bow = outline((0, 0), (100, 100), (100, 0), (0, 100))
    assert shape_iou(bow.shape, bow.shape) == 1
    kept, _ = merge([bow], [outline((1, 0), (100, 100), (100, 0), (1, 100))])
    assert kept == [bow]


@pytest.mark.parametrize(
    ("quorum", "left", "outvoted"),
    [
        pytest.param(1, 3, {}, id="one is enough"),
        pytest.param(2, 2, {"outvoted_item": (1, [2])}, id="two"),
        pytest.param(3, 1, {"outvoted_item": (3, [2, 3, 4])}, id="all"),
        pytest.param(9, 1, {"outvoted_item": (3, [2, 3, 4])}, id="more than there are"),
    ],
)
def test_quorum(quorum: int, left: int, outvoted: dict[str, Any]) -> None:
    rows = [[box(0), box(300)], [box(1), box(600)], [box(2), box(601)]]
    kept, report = merge(*rows, quorum=quorum)
    assert len(kept) == left
    assert {k: v for k, v in dropped(report).items() if k == "outvoted_item"} == outvoted
    assert report["agreement"]["objects"] == 3, "agreement is of what was drawn, not of what stays"


def test_one_annotator_needs_no_quorum() -> None:
    kept, report = merge([box(0)], [box(300)], quorum=2, annotators=["ann", "ann"])
    assert len(kept) == 2
    assert report["agreement"]["images"] == 0, "nobody to agree with"


def test_who_found_nothing_counts() -> None:
    kept, report = merge([box(0)], [], quorum=2)
    assert kept == []
    assert report["agreement"]["agreement"] == 0


def test_duplicates_within_a_row_are_no_second_vote() -> None:
    kept, report = merge([box(0), box(0)], [box(0)])
    assert kept == [box(0)]
    assert dropped(report) == {"duplicate_item": (2, [2, 3])}


def test_figures_counted_by_hand() -> None:
    """Three annotators: one object of all, one of two under two names, one of a single one."""
    rows = [
        [box(0), box(300, class_id=WBC), box(600)],
        [box(2), box(302)],
        [box(4)],
    ]
    _, report = merge(*rows, annotators=["ann", "bob", "cy"])
    agreement = report["agreement"]
    # Pairs ann-bob, ann-cy, bob-cy agree on 1 object each, of 3 + 2, 3 + 1 and 2 + 1.
    assert agreement["agreement"] == pytest.approx(6 / 12, abs=1e-4)
    assert agreement["objects"] == 3
    assert agreement["ties"] == 1
    # RBC: 2 + 2, 2 + 1, 2 + 1 drawn; WBC: one of ann, by nobody else.
    iou = {n: (100 - n) / (100 + n) for n in (2, 4)}
    assert agreement["classes"] == {
        "RBC": {
            "agreement": pytest.approx(6 / 10, abs=1e-4),
            "iou": pytest.approx((2 * iou[2] + iou[4]) / 3, abs=1e-4),
        },
        "WBC": {"agreement": 0, "iou": pytest.approx(iou[2], abs=1e-4)},
    }
    assert agreement["annotators"] == {
        "ann": {
            "agreement": pytest.approx(4 / 9, abs=1e-4), "images": 1, "objects": 3, "alone": 1,
            "missed": 0, "outvoted": 0,
        },
        "bob": {
            "agreement": pytest.approx(4 / 8, abs=1e-4), "images": 1, "objects": 2, "alone": 0,
            "missed": 1, "outvoted": 1,
        },
        "cy": {
            "agreement": pytest.approx(4 / 7, abs=1e-4), "images": 1, "objects": 1, "alone": 0,
            "missed": 2, "outvoted": 0,
        },
    }  # fmt: skip
    assert agreement["renamed"] == [{"from": "RBC", "to": "WBC", "objects": 1}]
    assert agreement["least_agreed"] == [
        {"image": "a.jpg", "rows": [2, 3, 4], "agreement": 0.5, "objects": 3}
    ]


def test_report_for_people() -> None:
    counts = ConversionCounts(("R|X",))
    cache = AnnotationCache(io.BytesIO())
    images = []
    for number in range(300):
        image = ExportImage((indexed_image(f"{number}.jpg", "0" * 64, (SIZE, SIZE)),))
        first = [box(0)] * (number % 3 > 0)
        image.rows = (
            (2 * number + 2, cache.append(first)),
            (2 * number + 3, cache.append([box(1)])),
        )
        images.append(image)
    reach_consensus(images, cache, counts, ConsensusOptions(), {2: "<b>ann</b>"})
    text = counts_to_markdown(counts)
    assert "300 images of several annotators, 300 objects: agreement 0.800." in text
    assert r"| R\|X | 0.800 | 0.980 |" in text
    assert "| &lt;b>ann&lt;/b> |" in text
    assert "| 0.jpg | 0.000 | 1 | 2, 3 |" in text
    assert len(counts_to_report(counts)["agreement"]["least_agreed"]) == 100
    assert "Agreement" not in counts_to_markdown(ConversionCounts(("RBC",)))


def test_a_crowd_of_thousands_is_paired_in_seconds() -> None:
    crowd = [box(7 * (n % 130), 7 * (n // 130), 10) for n in range(5000)]
    moved = [box(7 * (n % 130) + 1, 7 * (n // 130) + 1, 10) for n in range(5000)]
    kept, _ = merge(crowd, moved)
    assert len(kept) == 5000


def test_what_nobody_drew_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consensus, "_MAX_PAIRS", 10_000)
    pile = [box(n / 1000) for n in range(200)]
    with pytest.raises(InputError, match=r"image 'a.jpg': two rows with 200 and 200 objects"):
        merge(pile, [box(n / 1000, 1) for n in range(200)])


places = st.tuples(st.integers(0, 12), st.integers(0, 3), st.sampled_from([RBC, WBC]))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.lists(places, max_size=6, unique=True), min_size=2, max_size=4),
    quorum=st.integers(1, 3),
)
def test_nothing_is_lost_and_no_two_of_a_row_are_one(
    rows: list[list[tuple[int, int, int]]], quorum: int
) -> None:
    drawn = [[box(10 * x, 10 * y, class_id=c) for x, y, c in row] for row in rows]
    votes = [[Vote(str(n), n, each) for each in row] for n, row in enumerate(drawn)]
    objects = votes_to_objects(votes, 0.5)
    assert sum(len(each.votes) for each in objects) == sum(map(len, drawn))
    for each in objects:
        numbers = [vote.row for vote in each.votes]
        assert numbers == sorted(set(numbers))
    kept, report = merge(*drawn, quorum=quorum)  # its counts add up
    assert len(kept) >= (max(map(len, drawn)) if quorum == 1 else 0)
    assert 0 <= report["agreement"]["agreement"] <= 1
    again, _ = merge(*drawn, quorum=quorum)
    assert kept == again


def test_merged_boxes_stay_in_the_image() -> None:
    generator = np.random.default_rng(1)
    for _ in range(200):
        rows = [[box(SIZE - 60 + generator.random() * 20, class_id=RBC)] for _ in range(5)]
        kept, _ = merge(*rows, iou=0.1)
        for each in kept:
            x, _, width, _ = each.shape.bbox
            assert x + width <= SIZE
            assert math.isclose(each.shape.area, each.shape.bbox[2] * each.shape.bbox[3])
