"""Pictures for measurements: many, different in their bytes, alike in their pixels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from bench.pictures import CLASSES, repeated_pictures, save_picture


def test_pictures_differ_in_bytes_alone() -> None:
    pictures = list(repeated_pictures(45, size=32, objects=3))
    assert len({picture.sha256 for picture in pictures}) == 45
    first, repeated = (np.asarray(Image.open(io.BytesIO(pictures[n].jpeg))) for n in (0, 40))
    np.testing.assert_array_equal(first, repeated)
    assert first.shape == (32, 32, 3)
    assert list(repeated_pictures(45, size=32, objects=3)) == pictures


def test_objects_lie_inside() -> None:
    for picture in repeated_pictures(20, size=64, objects=5):
        assert len(picture.objects) == 5
        for number, ring in picture.objects:
            assert 0 <= number < len(CLASSES)
            assert 0 <= min(map(min, ring)) < max(map(max, ring)) <= 64


def test_files_are_named_by_their_bytes(tmp_path: Path) -> None:
    picture = next(repeated_pictures(1, size=32, objects=1))
    name = save_picture(tmp_path, picture)
    assert name == f"{picture.sha256}.jpg"
    assert (tmp_path / name).read_bytes() == picture.jpeg
