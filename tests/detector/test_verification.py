"""Sides compared image by image, with made-up models."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rhymes.common.errors import InputError

pytestmark = pytest.mark.tf

Outputs = dict[str, np.ndarray]


def jpeg(width: int = 40, height: int = 30) -> bytes:
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "JPEG")
    return encoded.getvalue()


def model(change: Callable[[str], float] = lambda signature: 0.0) -> Any:
    """A model that finds one object of score 0.5, or more by signature."""

    def call(inputs: np.ndarray, signature: str) -> Outputs:
        assert inputs.shape[0] == 1
        padding = np.zeros((1, 3), np.float32)
        return {
            "detection_boxes": np.full((1, 4, 4), [0.1, 0.2, 0.5, 0.6], np.float32),
            "detection_scores": np.append([[np.float32(0.5 + change(signature))]], padding, 1),
            "detection_classes": np.append([[np.float32(1)]], padding, 1),
            "num_detections": np.array([1.0], np.float32),
        }

    return call


def verify(served: Any, saved: Any, eager: Any, names: tuple[str, ...] = ("a.jpg",)) -> Any:
    from rhymes.detector.verification import TestImage, Verification

    verification = Verification(served, saved, eager, 0.05)
    for name in names:
        verification.compare_signatures(TestImage(name, jpeg(), 40, 30))
    return verification


def test_each_signature_gets_the_image_in_its_form() -> None:
    import tensorflow as tf

    from rhymes.detector.verification import image_to_inputs, pixels_to_png

    encoded = jpeg()
    inputs = image_to_inputs(encoded)
    assert inputs["serving_default"].tolist() == [encoded]
    example = tf.train.Example.FromString(inputs["tf_example"][0])
    assert example.features.feature["image/encoded"].bytes_list.value[:] == [encoded]
    assert inputs["image_tensor"].shape == (1, 30, 40, 3)
    assert inputs["image_tensor"].dtype == np.uint8
    decoded = np.asarray(Image.open(io.BytesIO(pixels_to_png(inputs["image_tensor"])[0])))
    assert (decoded == inputs["image_tensor"][0]).all()


def test_equal_sides_pass() -> None:
    verification = verify(model(), model(), model(), ("a.jpg", "b.jpg"))
    verification.check()
    counts = {
        (kind.key, signature): parity.images
        for kind, parities in verification.parities.items()
        for signature, parity in parities.items()
    }
    assert counts == {("client", "serving_default"): 0, ("lossless", "image_tensor"): 2} | {
        (kind, signature): 2
        for kind in ("saved_model", "eager")
        for signature in ("serving_default", "tf_example", "image_tensor")
    }


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        pytest.param(
            (model(), model(lambda name: 2e-5), model()),
            "over gRPC and of the SavedModel in process differ by 2e-05, more than the 1e-05",
            id="served",
        ),
        pytest.param(
            (model(), model(), model(lambda name: 0.002)),
            "eager mode differ by 0.002, more than the 0.001 allowed; the export is not",
            id="eager",
        ),
        pytest.param(
            (model(lambda name: 0.1 * (name == "image_tensor")),) * 3,
            "for decoded pixels and for the same pixels as a PNG",
            id="preprocessing",
        ),
    ],
)
def test_the_largest_difference_is_named(sides: tuple[Any, Any, Any], message: str) -> None:
    # A box and a score within the tolerance make a pair; beyond it, what is left is compared.
    with pytest.raises(InputError, match=f"^a.jpg, signature .*{message}"):
        verify(*sides).check()


def test_the_worst_is_what_exceeds_its_tolerance_most() -> None:
    with pytest.raises(InputError, match=r"SavedModel in process .*\(1 more images"):
        verify(model(), model(lambda name: 0.1), model(lambda name: 0.2), ("a", "b")).check()


def test_the_report_gives_powers_of_ten() -> None:
    from rhymes.detector.verification import parities_to_markdown, parities_to_metrics

    parities = verify(model(), model(lambda name: 3e-6), model()).parities
    saved = parities_to_metrics(7, 5, 1, parities)["saved_model"]["tf_example"]
    assert saved == {
        "tolerance": 1e-5,
        "images": 1,
        "detections": 1,
        "moved": 0,
        "borderline": 0,
        "differences": {
            "detection_boxes": 1e-7,
            "detection_classes": 1e-7,
            "detection_scores": 1e-5,
            "num_detections": 1e-7,
        },
    }
    report = parities_to_markdown(7, 5, 1, parities)
    assert "Version 7," in report
    assert "| tf_example | 1 | 1 | 1e-07 | 1e-05 | 1e-07 | n/a | 1e-05 | 0 | 0 |" in report
