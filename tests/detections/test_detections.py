"""From a detector's outputs to Detections, and from those to COCO and back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_masks

from rhymes.common.errors import InputError
from rhymes.detections.detections import (
    Detections,
    annotations_to_detections,
    detections_to_coco,
    outputs_to_detections,
    results_to_detections,
)
from rhymes.detections.masks import MaskCrop


def make_outputs(*objects: tuple[list[float], float, float], padding: int = 2) -> dict[str, Any]:
    """A batch of one image: (ymin xmin ymax xmax, score, class) an object, then padding."""
    n = len(objects) + padding
    outputs = {
        "detection_boxes": np.zeros((1, n, 4), np.float32),
        "detection_scores": np.zeros((1, n), np.float32),
        "detection_classes": np.zeros((1, n), np.float32),
        "num_detections": np.array([len(objects)], np.float32),
    }
    for i, (box, score, class_id) in enumerate(objects):
        outputs["detection_boxes"][0, i] = box
        outputs["detection_scores"][0, i] = score
        outputs["detection_classes"][0, i] = class_id
    return outputs


def make_detections(n: int = 2, *, with_masks: bool = False, **changes: Any) -> Detections:
    values: dict[str, Any] = {
        "width": 100,
        "height": 50,
        "boxes": np.array([[i, i, 10 + i, 20 + i] for i in range(n)], np.float32).reshape(n, 4),
        "scores": np.linspace(0.9, 0.1, n, dtype=np.float32),
        "class_ids": np.arange(1, n + 1, dtype=np.int32),
        "masks": tuple(MaskCrop(i, i, np.ones((20, 10), bool)) for i in range(n))
        if with_masks
        else None,
    }
    return Detections(**(values | changes))


class TestOutputs:
    def test_boxes_become_pixels_x_first(self) -> None:
        outputs = make_outputs(([0.1, 0.2, 0.5, 0.6], 0.75, 3))
        found = outputs_to_detections(outputs, 0, 200, 100)
        np.testing.assert_allclose(found.boxes, [[40, 10, 120, 50]], rtol=1e-6)
        assert found.boxes.dtype == np.float32
        assert found.scores.tolist() == [0.75]
        assert found.class_ids.tolist() == [3]
        assert found.class_ids.dtype == np.int32
        assert (found.width, found.height, found.masks) == (200, 100, None)

    def test_highest_score_first_and_ties_in_order(self) -> None:
        outputs = make_outputs(
            ([0, 0, 0.1, 0.1], 0.5, 1), ([0, 0, 0.1, 0.2], 0.9, 2), ([0, 0, 0.1, 0.3], 0.5, 3)
        )
        assert outputs_to_detections(outputs, 0, 10, 10).class_ids.tolist() == [2, 1, 3]

    def test_takes_the_asked_image_of_a_batch(self) -> None:
        one, other = make_outputs(([0, 0, 1, 1], 0.5, 1)), make_outputs(([0, 0, 1, 1], 0.5, 2))
        both = {name: np.concatenate([one[name], other[name]]) for name in one}
        assert outputs_to_detections(both, 1, 10, 10).class_ids.tolist() == [2]

    @pytest.mark.parametrize(
        ("box", "expected"),
        [
            pytest.param([-0.5, -0.1, 0.5, 0.5], [[0, 0, 50, 25]], id="clipped at the top left"),
            pytest.param([0.5, 0.5, 1.5, 1.1], [[50, 25, 100, 50]], id="clipped at the end"),
            pytest.param([0.2, 1.1, 0.4, 1.3], [], id="outside"),
            pytest.param([0.2, 0.3, 0.2, 0.5], [], id="without height"),
            pytest.param([0.5, 0.3, 0.2, 0.5], [], id="turned over"),
        ],
    )
    def test_boxes_at_the_edge(self, box: list[float], expected: list[list[float]]) -> None:
        found = outputs_to_detections(make_outputs((box, 0.5, 1)), 0, 100, 50)
        assert found.boxes.tolist() == expected

    def test_nothing_found(self) -> None:
        found = outputs_to_detections(make_outputs(), 0, 100, 50)
        assert len(found) == 0
        assert found.boxes.shape == (0, 4)
        assert detections_to_coco(found, 1) == []

    def test_mask_belongs_to_the_box_before_clipping(self) -> None:
        outputs = make_outputs(
            ([0.0, 0.0, 0.5, 0.5], 0.4, 1), ([0.0, -0.5, 1.0, 0.5], 0.8, 1), padding=1
        )
        masks = np.zeros((1, 3, 28, 28), np.float32)
        masks[0, 0] = 1
        masks[0, 1, :, 21:] = 1  # the right quarter of a box whose left half is not in the image
        found = outputs_to_detections(outputs | {"detection_masks": masks}, 0, 80, 40)
        assert found.masks is not None
        first = found.dense_mask(0)
        assert first[:, 20:40].all()
        assert not first[:, :20].any()
        assert not first[:, 40:].any()
        assert found.dense_mask(1)[:20, :40].all()

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            pytest.param(
                {"detection_boxes": None},
                r"gives no detection_boxes; its outputs are",
                id="missing",
            ),
            pytest.param({"num_detections": None}, r"gives no num_detections", id="no count"),
            pytest.param(
                {"detection_boxes": np.zeros((1, 3, 5))},
                r"expected \[1, 4\] .* got \[1, 5\]",
                id="5",
            ),
            pytest.param(
                {"num_detections": np.array([9.0])}, r"with 9 detections, got \[3\]", id="too many"
            ),
            pytest.param(
                {"detection_masks": np.zeros((1, 0, 28, 28))},
                r"expected \[1, 28, 28\] .* got \[0, 28, 28\]",
                id="masks",
            ),
            pytest.param(
                {"detection_scores": np.full((1, 3), np.nan)}, "holds NaN or infinity", id="NaN"
            ),
        ],
    )
    def test_wrong_outputs_are_named(self, change: dict[str, Any], message: str) -> None:
        outputs = make_outputs(([0, 0, 1, 1], 0.5, 1)) | change
        outputs = {name: values for name, values in outputs.items() if values is not None}
        with pytest.raises(InputError, match=message):
            outputs_to_detections(outputs, 0, 10, 10)


class TestDetections:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            pytest.param(
                {"boxes": np.zeros((2, 4))},
                r"boxes: expected float32 \[2, 4\], got float64",
                id="f64",
            ),
            pytest.param({"boxes": np.zeros((3, 4), np.float32)}, r"got float32 \[3, 4\]", id="n"),
            pytest.param({"boxes": [[0, 0, 1, 1]]}, r"boxes: .*got list", id="list"),
            pytest.param(
                {"class_ids": np.array([1, 2])},
                r"class_ids: expected int32 \[2\], got int64",
                id="i64",
            ),
            pytest.param(
                {"class_ids": np.array([0, 1], np.int32)}, "class ids from 1.*", id="zero"
            ),
            pytest.param(
                {"scores": np.array([0.1, 0.2], np.float32)},
                "descending scores.*object 0",
                id="order",
            ),
            pytest.param(
                {"scores": np.array([1.5, 0.2], np.float32)}, "scores of 0 to 1", id="1.5"
            ),
            pytest.param(
                {"scores": np.array([np.nan] * 2, np.float32)}, "scores of 0 to 1", id="nan"
            ),
            pytest.param({"width": 8}, r"in the image \(8 x 50\); object 0", id="outside"),
            pytest.param({"width": 0}, "got 0 x 50", id="no image"),
            pytest.param({"masks": ()}, "masks: expected 2, one for each box, got 0", id="masks"),
        ],
    )
    def test_checks_itself(self, changes: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            make_detections(**changes)

    def test_above_keeps_the_limit_itself(self) -> None:
        found = make_detections(3, with_masks=True)
        assert found.above(0.5).scores.tolist() == found.scores[:2].tolist()
        assert len(found.above(0.95)) == 0

    def test_select_keeps_everything_together(self) -> None:
        found = make_detections(3, with_masks=True).select([2, 0])
        assert found.class_ids.tolist() == [1, 3]
        assert found.boxes[1].tolist() == [2, 2, 12, 22]
        assert found.masks is not None
        assert [crop.x for crop in found.masks] == [0, 2]

    def test_dense_mask_without_masks_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="no masks"):
            make_detections().dense_mask(0)


class TestCoco:
    def test_result_of_a_box(self) -> None:
        found = make_detections(
            1,
            boxes=np.array([[10.1, 5, 30.3, 25]], np.float32),
            scores=np.array([0.9], np.float32),
        )
        (result,) = detections_to_coco(found, 7)
        assert result == {
            "image_id": 7,
            "category_id": 1,
            "bbox": [10.1, 5.0, 20.2, 20.0],
            "score": 0.9,
        }

    def test_scores_are_the_same_float32_when_read_again(self) -> None:
        scores = np.sort(np.random.default_rng(1).random(100, dtype=np.float32))[::-1]
        results = detections_to_coco(make_detections(100, height=200, width=200, scores=scores), 1)
        read = [result["score"] for result in json.loads(json.dumps(results))]
        assert np.array(read, np.float32).tolist() == scores.tolist()

    def test_masks_are_rle_of_the_whole_image(self) -> None:
        (result,) = detections_to_coco(make_detections(1, with_masks=True), 7)
        decoded = coco_masks.decode(result["segmentation"])
        assert decoded.shape == (50, 100)
        assert decoded[:20, :10].all()
        assert decoded.sum() == 200

    def test_annotations_are_sure_detections(self) -> None:
        annotations = [
            {"bbox": [10, 5, 20, 10], "category_id": 2, "segmentation": [[10, 5, 30, 5, 30, 15]]},
            {"bbox": [0, 0, 100.00001, 50], "category_id": 1, "segmentation": [[0, 0, 9, 0, 9, 9]]},
        ]
        ground_truth = annotations_to_detections(annotations, 100, 50)
        assert ground_truth.boxes.tolist() == [[10, 5, 30, 15], [0, 0, 100, 50]]
        assert ground_truth.scores.tolist() == [1, 1]
        assert ground_truth.class_ids.tolist() == [2, 1]
        assert ground_truth.dense_mask(0)[5:15, 10:30].sum() == pytest.approx(100, abs=12)

    @pytest.mark.parametrize(
        "annotations",
        [
            pytest.param([], id="none"),
            pytest.param([{"bbox": [1, 2, 3, 4], "category_id": 1}], id="boxes"),
            pytest.param(
                [
                    {"bbox": [1, 2, 3, 4], "category_id": 1, "segmentation": [[1, 2, 4, 2, 4, 6]]},
                    {"bbox": [1, 2, 3, 4], "category_id": 1},
                ],
                id="mixed",
            ),
        ],
    )
    def test_annotations_without_polygons_have_no_masks(self, annotations: list[Any]) -> None:
        ground_truth = annotations_to_detections(annotations, 100, 50)
        assert len(ground_truth) == len(annotations)
        assert ground_truth.masks is None


@pytest.mark.parametrize("with_masks", [False, True])
def test_coco_results_are_read_as_they_were_written(with_masks: bool) -> None:
    found = make_detections(3, with_masks=with_masks)
    results = detections_to_coco(found, 7)
    read = results_to_detections(results[::-1], found.width, found.height)
    np.testing.assert_allclose(read.boxes, found.boxes, atol=2e-4)
    np.testing.assert_array_equal(read.scores, found.scores)
    np.testing.assert_array_equal(read.class_ids, found.class_ids)
    assert (read.masks is None) == (not with_masks)
    for i in range(len(found) if with_masks else 0):
        np.testing.assert_array_equal(read.dense_mask(i), found.dense_mask(i))


@pytest.mark.parametrize(
    "result",
    [
        pytest.param({"bbox": [0, 0, 1, 1], "score": 0.5}, id="no class"),
        pytest.param({"bbox": [0, 0, 1], "score": 0.5, "category_id": 1}, id="three numbers"),
        pytest.param({"bbox": [50, 50, 5, 5], "score": 0.5, "category_id": 1}, id="outside"),
        pytest.param({"bbox": [0, 0, 1, 1], "score": 7, "category_id": 1}, id="score"),
        pytest.param({"bbox": [0, 0, 1, 1], "score": "x", "category_id": 1}, id="text"),
    ],
)
def test_what_is_no_result_is_an_error(result: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="not COCO results of an image of 20 x 10"):
        results_to_detections([result], 20, 10)


def test_no_results_are_no_detections() -> None:
    assert len(results_to_detections([], 20, 10)) == 0
