"""What a detector found in one image: the one result type from the server to page and report.

A detector's outputs have the names, shapes and coordinates of TensorFlow Object Detection API's
exported models; COCO's results format is that of https://cocodataset.org/#format-results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rhymes.common.errors import InputError
from rhymes.detections.masks import (
    MaskCrop,
    crop_to_dense,
    crop_to_rle,
    polygons_to_crop,
    probabilities_to_crop,
    rle_to_crop,
)

BOXES, SCORES, CLASSES = "detection_boxes", "detection_scores", "detection_classes"
COUNT, MASKS = "num_detections", "detection_masks"


@dataclass(frozen=True, eq=False)
class Detections:
    """Objects found in one image, the best first.

    Attributes:
        width: Of the upright image, in pixels.
        height: Of the upright image, in pixels.
        boxes: float32 [n, 4]: xmin, ymin, xmax, ymax in pixels of the upright image, inside it
            and of positive size.
        scores: float32 [n], 0 to 1, descending.
        class_ids: int32 [n], from 1, as the label map has them.
        masks: One crop for each object, or None where the model gives no masks.
    """

    width: int
    height: int
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int32]
    masks: tuple[MaskCrop, ...] | None = None

    def __post_init__(self) -> None:
        n = len(self.scores)
        _check_array("boxes", self.boxes, np.float32, (n, 4))
        _check_array("scores", self.scores, np.float32, (n,))
        _check_array("class_ids", self.class_ids, np.int32, (n,))
        if self.masks is not None and len(self.masks) != n:
            raise ValueError(f"masks: expected {n}, one for each box, got {len(self.masks)}")
        if self.width < 1 or self.height < 1:
            raise ValueError(f"expected an image of pixels, got {self.width} x {self.height}")
        if n:
            self._check_values()

    def _check_values(self) -> None:
        xmin, ymin, xmax, ymax = self.boxes.T
        inside = (xmin >= 0) & (ymin >= 0) & (xmax <= self.width) & (ymax <= self.height)
        for wrong, rule in (
            (~(inside & (xmin < xmax) & (ymin < ymax)), "boxes of positive size in the image"),
            (~((self.scores >= 0) & (self.scores <= 1)), "scores of 0 to 1"),
            (np.append(np.diff(self.scores) > 0, False), "descending scores"),
            (self.class_ids < 1, "class ids from 1"),
        ):
            if wrong.any():
                i = int(np.argmax(wrong))
                raise ValueError(
                    f"expected {rule} ({self.width} x {self.height}); object {i} has box "
                    f"{self.boxes[i].tolist()}, score {self.scores[i]}, class {self.class_ids[i]}"
                )

    def __len__(self) -> int:
        return len(self.scores)

    def above(self, score: float) -> Detections:
        """Those of at least this score."""
        return self.select(np.flatnonzero(self.scores >= np.float32(score)))

    def select(self, indices: ArrayLike) -> Detections:
        """Those at these indices, in ascending order (so that the best stay first)."""
        chosen = np.sort(np.asarray(indices, dtype=np.intp))
        masks = None if self.masks is None else tuple(self.masks[i] for i in chosen)
        return Detections(
            self.width,
            self.height,
            self.boxes[chosen],
            self.scores[chosen],
            self.class_ids[chosen],
            masks,
        )

    def dense_mask(self, index: int) -> NDArray[np.bool_]:
        """One object's mask over the whole image, bool [height, width]; made when asked for."""
        if self.masks is None:
            raise ValueError("these detections have no masks")
        return crop_to_dense(self.masks[index], self.width, self.height)


def _check_array(name: str, array: object, dtype: type, shape: tuple[int, ...]) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != shape:
        got = (
            f"{array.dtype} {list(array.shape)}"
            if isinstance(array, np.ndarray)
            else type(array).__name__
        )
        raise ValueError(f"{name}: expected {np.dtype(dtype)} {list(shape)}, got {got}")


def outputs_to_detections(
    outputs: Mapping[str, NDArray[Any]], index: int, width: int, height: int
) -> Detections:
    """Take one image of a batch out of a detector's outputs.

    Boxes are clipped to the image; those with nothing left in it, and the padding behind
    `num_detections`, are left out. A mask belongs to the box as it was before.

    Args:
        outputs: `detection_boxes` [N, K, 4] (ymin, xmin, ymax, xmax as fractions of the image),
            `detection_scores` [N, K], `detection_classes` [N, K], `num_detections` [N], and
            perhaps `detection_masks` [N, K, h, w] (probabilities inside the box).
        index: The image's index in the batch.
        width: Of the upright image, in pixels.
        height: Of the upright image, in pixels.

    Raises:
        InputError: an output is missing, has another shape, or holds NaN or infinity.
    """
    n = int(_output(outputs, COUNT)[index])
    scores = _one_image(outputs, SCORES, index, (n,))
    classes = _one_image(outputs, CLASSES, index, (n,))
    fractions = _one_image(outputs, BOXES, index, (n, 4))
    unclipped = fractions[:, [1, 0, 3, 2]] * np.array([width, height] * 2, np.float32)
    clipped = np.clip(unclipped, 0, np.array([width, height] * 2, np.float32))
    visible = (clipped[:, 0] < clipped[:, 2]) & (clipped[:, 1] < clipped[:, 3])
    order = np.argsort(-scores, kind="stable")
    order = order[visible[order]]
    masks = None
    if MASKS in outputs:
        grids = _one_image(outputs, MASKS, index, (n, *outputs[MASKS].shape[-2:]))
        masks = tuple(probabilities_to_crop(grids[i], unclipped[i], width, height) for i in order)
    class_ids = np.rint(classes[order]).astype(np.int32)
    return Detections(width, height, clipped[order], scores[order], class_ids, masks)


def _output(outputs: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    if name not in outputs:
        raise InputError(f"the model gives no {name}; its outputs are {', '.join(sorted(outputs))}")
    return outputs[name]


def _one_image(
    outputs: Mapping[str, NDArray[Any]], name: str, index: int, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """One image's values of an output, without the padding; checked for shape and NaN."""
    values = np.asarray(_output(outputs, name)[index], np.float32)[: shape[0]]
    if values.shape != shape:
        raise InputError(
            f"the model's {name}: expected {list(shape)} for an image with {shape[0]} detections, "
            f"got {list(values.shape)}"
        )
    if not np.isfinite(values).all():
        raise InputError(
            f"the model's {name} holds NaN or infinity, as weights do that diverged; "
            "train again with a lower learning rate"
        )
    return values


def detections_to_coco(detections: Detections, image_id: int) -> list[dict[str, Any]]:
    """Make COCO results of one image: bbox is [x, y, width, height], masks are RLE.

    Boxes are rounded to 1/10000 of a pixel; a score is the shortest decimal that gives the same
    float32 again, so that what is computed from a saved file is what was computed from the model.
    """
    corners = detections.boxes.astype(np.float64)
    bboxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1).round(4)
    results: list[dict[str, Any]] = [
        {
            "image_id": image_id,
            "category_id": int(detections.class_ids[i]),
            "bbox": bboxes[i].tolist(),
            "score": float(str(detections.scores[i])),
        }
        for i in range(len(detections))
    ]
    if detections.masks is not None:
        for result, crop in zip(results, detections.masks, strict=True):
            result["segmentation"] = crop_to_rle(crop, detections.width, detections.height)
    return results


def results_to_detections(
    results: Sequence[Mapping[str, Any]], width: int, height: int
) -> Detections:
    """Read one image's COCO results; the other way of `detections_to_coco`.

    They have masks where every result has one.

    Args:
        results: Of one image, in any order.
        width: Of the upright image, in pixels.
        height: Of the upright image, in pixels.

    Raises:
        InputError: a result is not one, or does not fit the image.
    """
    try:
        ordered = sorted(results, key=lambda result: -float(result["score"]))
        masks = None
        if ordered and all("segmentation" in result for result in ordered):
            masks = tuple(rle_to_crop(result["segmentation"]) for result in ordered)
        return Detections(
            width,
            height,
            _bboxes_to_corners([result["bbox"] for result in ordered], width, height),
            np.array([result["score"] for result in ordered], np.float32),
            np.array([result["category_id"] for result in ordered], np.int32),
            masks,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"not COCO results of an image of {width} x {height}: {error}") from None


def _bboxes_to_corners(
    bboxes: Sequence[Sequence[float]], width: int, height: int
) -> NDArray[np.float32]:
    """COCO's x, y, width, height -> xmin, ymin, xmax, ymax in the image."""
    sides = np.array(bboxes, np.float64).reshape(-1, 4)
    corners = np.concatenate([sides[:, :2], sides[:, :2] + sides[:, 2:]], axis=1)
    inside: NDArray[np.float32] = np.clip(corners, 0, [width, height] * 2).astype(np.float32)
    return inside


def annotations_to_detections(
    annotations: Sequence[Mapping[str, Any]], width: int, height: int
) -> Detections:
    """Make detections of one image's COCO annotations (its ground truth), each with score 1.

    They have masks where every annotation has polygons.
    """
    masks = None
    if annotations and all(a.get("segmentation") for a in annotations):
        masks = tuple(polygons_to_crop(a["segmentation"], width, height) for a in annotations)
    return Detections(
        width,
        height,
        _bboxes_to_corners([a["bbox"] for a in annotations], width, height),
        np.ones(len(annotations), np.float32),
        np.array([a["category_id"] for a in annotations], np.int32),
        masks,
    )
