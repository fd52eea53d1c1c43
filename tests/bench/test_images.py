"""Images for measurements: many, different in their bytes, alike in their pixels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from bench.images import CLASSES, repeated_images, save_image


def test_images_differ_in_bytes_alone() -> None:
    images = list(repeated_images(45, size=32, objects=3))
    assert len({image.sha256 for image in images}) == 45
    first, repeated = (np.asarray(Image.open(io.BytesIO(images[n].jpeg))) for n in (0, 40))
    np.testing.assert_array_equal(first, repeated)
    assert first.shape == (32, 32, 3)
    assert list(repeated_images(45, size=32, objects=3)) == images


def test_objects_lie_inside() -> None:
    for image in repeated_images(20, size=64, objects=5):
        assert len(image.objects) == 5
        for number, ring in image.objects:
            assert 0 <= number < len(CLASSES)
            assert 0 <= min(map(min, ring)) < max(map(max, ring)) <= 64


def test_files_are_named_by_their_bytes(tmp_path: Path) -> None:
    image = next(repeated_images(1, size=32, objects=1))
    name = save_image(tmp_path, image)
    assert name == f"{image.sha256}.jpg"
    assert (tmp_path / name).read_bytes() == image.jpeg
