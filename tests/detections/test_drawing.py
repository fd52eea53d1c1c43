"""Images are judged by eye; here is what can be counted."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from PIL import Image, PngImagePlugin

from rhymes.detections.detections import Detections
from rhymes.detections.drawing import (
    FONT,
    MARK,
    class_color,
    detections_to_labels,
    draw_detections,
    draw_on_scene,
    image_to_png,
    image_to_scene,
    side_by_side,
)
from rhymes.detections.masks import MaskCrop

GREY = (128, 128, 128)


def make_detections(
    *boxes: list[float], width: int = 800, height: int = 600, **changes: Any
) -> Detections:
    """One object a box, of classes 1, 2, ... and falling scores."""
    n = len(boxes)
    values: dict[str, Any] = {
        "width": width,
        "height": height,
        "boxes": np.array(boxes, np.float32).reshape(n, 4),
        "scores": np.linspace(0.9, 0.5, n, dtype=np.float32),
        "class_ids": np.arange(1, n + 1, dtype=np.int32),
    }
    return Detections(**(values | changes))


def draw(detections: Detections, labels: list[str] | None = None) -> np.ndarray:
    """Draw on grey; uint8 [height, width, 3]."""
    image = Image.new("RGB", (detections.width, detections.height), GREY)
    return np.asarray(draw_detections(image, detections, labels or [""] * len(detections)))


def count(drawn: np.ndarray, class_id: int) -> int:
    """Pixels of exactly a class's colour."""
    return int((drawn == class_color(class_id).as_rgb()).all(axis=-1).sum())


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        pytest.param((100, 50), (720, 360), id="small"),
        pytest.param((800, 600), (800, 600), id="as it is"),
        pytest.param((4000, 3000), (1280, 960), id="12 megapixels"),
        pytest.param((3, 3000), (1, 1280), id="a line"),
    ],
)
def test_drawn_image_has_a_readable_size(size: tuple[int, int], expected: Any) -> None:
    found = make_detections([0, 0, 2, 20], width=size[0], height=size[1])
    drawn = draw_detections(Image.new("L", size), found, ["a"])
    assert drawn.size == expected
    assert drawn.mode == "RGB"


def test_box_is_drawn_where_it_is() -> None:
    drawn = draw(make_detections([200, 300, 1000, 900], width=1600, height=1200))
    scale = 1280 / 1600
    rows, columns = np.nonzero((drawn == class_color(1).as_rgb()).all(axis=-1))
    assert columns.min() == pytest.approx(200 * scale, abs=2)
    assert columns.max() == pytest.approx(1000 * scale, abs=2)
    assert rows.max() == pytest.approx(900 * scale, abs=2)
    np.testing.assert_array_equal(drawn[400, 400], GREY)


def test_nothing_found_leaves_the_image() -> None:
    assert (draw(make_detections()) == GREY).all()


def test_masks_are_tinted_inside_only() -> None:
    ring = np.ones((100, 100), bool)
    ring[30:70, 30:70] = False
    masks = (MaskCrop(200, 200, ring), MaskCrop(0, 0, np.zeros((0, 0), bool)))
    drawn = draw(make_detections([200, 200, 300, 300], [500, 10, 600, 60], masks=masks))
    tint = 0.6 * np.array(GREY) + 0.4 * np.array(class_color(1).as_rgb())
    np.testing.assert_allclose(drawn[215, 250], tint, atol=1)
    np.testing.assert_array_equal(drawn[250, 250], GREY)
    np.testing.assert_array_equal(drawn[30, 550], GREY)


def test_a_class_has_its_colour_whatever_else_is_there() -> None:
    alone = make_detections([10, 10, 90, 90], class_ids=np.array([7], np.int32))
    among = make_detections(
        *([10 + 100 * i, 110, 90 + 100 * i, 190] for i in range(3)),
        class_ids=np.array([277, 7, 3], np.int32),
    )
    assert count(draw(alone), 7) > 100
    assert count(draw(among), 7) > 100


def test_colours_of_a_few_classes_are_far_apart() -> None:
    colors = np.array([class_color(i).as_rgb() for i in range(1, 9)], float)
    distances = np.linalg.norm(colors[:, None] - colors, axis=-1)
    assert distances[~np.eye(8, dtype=bool)].min() > 60


def test_labels_of_one_place_are_moved_apart() -> None:
    box = [300, 300, 500, 500]
    one = count(draw(make_detections(box), ["RBC 0.90"]), 1)
    both = draw(make_detections(box, box), ["RBC 0.90", "WBC 0.80"])
    frame = count(draw(make_detections(box, class_ids=np.array([2], np.int32)), ["."]), 2)
    label = one - frame
    assert label > 500
    # The best lies on top: of the other one its label at least is seen.
    assert count(both, 1) > 0.9 * one
    assert count(both, 2) > 0.5 * label


def test_font_knows_names_with_accents() -> None:
    known = TTFont(FONT).getBestCmap()
    assert not [letter for letter in "ÀÉÎÕÜŒßçğłñøşžΩЖ…" + MARK if ord(letter) not in known]


def test_image_of_another_size_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"expected 800 x 600 .* got 600 x 800"):
        draw_detections(Image.new("RGB", (600, 800)), make_detections(), [])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, ["RBC 0.90", "class 2 0.50"], id="scores"),
        pytest.param({"scores": False}, ["RBC", "class 2"], id="no scores"),
        pytest.param({"marked": {1}}, ["RBC 0.90", f"{MARK} class 2 0.50"], id="marked"),
    ],
)
def test_labels(options: dict[str, Any], expected: list[str]) -> None:
    found = make_detections([0, 0, 5, 5], [0, 0, 9, 9])
    assert detections_to_labels(found, {1: "RBC"}, **options) == expected


def test_long_names_are_cut() -> None:
    (label,) = detections_to_labels(make_detections([0, 0, 5, 5]), {1: "X" * 80}, scores=False)
    assert label == "X" * 31 + "…"


def test_same_input_gives_the_same_png_without_notes() -> None:
    def make() -> bytes:
        drawn = Image.fromarray(draw(make_detections([10, 10, 90, 90]), ["RBC 0.90"]))
        return image_to_png(side_by_side(drawn, drawn, ("ground truth", "detections"), "caption"))

    data = make()
    assert data == make()
    image = Image.open(io.BytesIO(data))
    assert isinstance(image, PngImagePlugin.PngImageFile)
    assert image.info == {}
    assert image.size == (2 * 800 + 36, 600 + 90)


def test_caption_stays_in_its_place() -> None:
    panel = Image.new("RGB", (720, 40), (0, 0, 0))
    joined = np.asarray(side_by_side(panel, panel, ("T" * 300, "t"), "C" * 500))
    assert (joined[:, -12:] == 255).all()
    assert (joined[36:70, 12 + 720 : 12 + 720 + 12] == 255).all()


BOXES = ([50.0, 50, 250, 250], [400.0, 300, 700, 500])


def draw_options(**options: Any) -> np.ndarray:
    image = Image.new("RGB", (800, 600), GREY)
    found = make_detections(*BOXES)
    return np.asarray(draw_detections(image, found, ["one", "two"], **options))


def test_layers_are_drawn_alone() -> None:
    everything, boxes = draw_options(), draw_options(layers={"boxes"})
    labels, nothing = draw_options(layers={"labels"}), draw_options(layers=set())
    assert (nothing == GREY).all()
    assert count(everything, 1) > count(boxes, 1) > 4 * 190
    assert 0 < count(labels, 1) < count(everything, 1)


def test_masks_are_a_layer() -> None:
    crops = tuple(MaskCrop(int(x), int(y), np.ones((60, 60), np.bool_)) for x, y, _, _ in BOXES)
    found = make_detections(*BOXES, masks=crops)
    image = Image.new("RGB", (800, 600), GREY)
    drawn = np.asarray(draw_detections(image, found, ["", ""], layers={"masks"}))
    assert (drawn[80, 80] != GREY).any(), "inside the mask"
    assert (drawn[200, 200] == GREY).all(), "inside the box alone"
    without = np.asarray(draw_detections(image, found, ["", ""], layers={"boxes"}))
    assert (without[80, 80] == GREY).all()


@pytest.mark.parametrize("options", [{"highlight": 1}, {"faded": {0}}], ids=["highlight", "faded"])
def test_what_is_faded_is_seen_faintly(options: dict[str, Any]) -> None:
    drawn, usual = draw_options(**options), draw_options()
    assert count(drawn, 1) == 0
    assert (drawn[50:250, 50:252] != GREY).any(), "but it is there"
    assert count(drawn, 2) >= count(usual, 2)


def test_the_highlighted_one_has_a_thicker_box() -> None:
    thick, thin = draw_options(highlight=1, layers={"boxes"}), draw_options(layers={"boxes"})
    assert count(thick, 2) > 1.5 * count(thin, 2)


def test_a_scene_is_drawn_on_as_its_image_is() -> None:
    image = Image.effect_noise((2000, 1500), 60)
    found = make_detections([100, 100, 900, 900], width=2000, height=1500)
    scene = image_to_scene(image)
    before = scene.tobytes()
    drawn = draw_on_scene(scene, found, ["one"])
    assert drawn.tobytes() == draw_detections(image, found, ["one"]).tobytes()
    assert scene.tobytes() == before, "the scene can be drawn on again"
