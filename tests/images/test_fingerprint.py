from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rhymes.common.errors import InputError
from rhymes.images.fingerprint import FingerprintFile, create_fingerprints, image_to_fingerprint


def noise(width: int, height: int) -> Image.Image:
    values = np.arange(width * height * 3, dtype=np.uint32) * 2654435761 >> 13
    return Image.fromarray(values.astype(np.uint8).reshape(height, width, 3))


@pytest.mark.parametrize("size", [(32, 32), (96, 64)])
def test_each_value_is_the_mean_of_its_part(size: tuple[int, int]) -> None:
    width, height = size
    image = noise(width, height)
    parts = np.asarray(image).reshape(32, height // 32, 32, width // 32, 3)
    expected = np.floor(parts.mean(axis=(1, 3)) + 0.5)
    assert (image_to_fingerprint(image) == expected).all()


def test_parts_share_the_pixels_that_their_borders_cut() -> None:
    columns = np.zeros((32, 48, 3), np.uint8)
    columns[:, 1] = 90  # a pixel of width 1 that lies half in the first part, half in the second
    found = image_to_fingerprint(Image.fromarray(columns))
    assert found[0, :3, 0].tolist() == [30, 30, 0]


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (31, 33), (33, 500)])
def test_any_size_keeps_the_mean(size: tuple[int, int]) -> None:
    image = noise(*size)
    means = np.asarray(image).mean(axis=(0, 1))
    assert np.abs(image_to_fingerprint(image).mean(axis=(0, 1)) - means).max() < 0.5


def test_bytes_are_the_same_everywhere() -> None:
    digest = hashlib.sha256(image_to_fingerprint(noise(123, 457)).tobytes()).hexdigest()
    assert digest[:16] == "895139916cd2fa9d"


def test_file_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "fingerprints.npy"
    created = create_fingerprints(path, 2)
    created[1] = image_to_fingerprint(noise(64, 64))
    del created
    loaded = FingerprintFile(path, 2)
    assert not loaded[0].any()
    assert (loaded[1] == image_to_fingerprint(noise(64, 64))).all()
    turned = FingerprintFile(path, 2, [1, 0, 1])
    assert len(turned) == 3
    assert [bool(each.any()) for each in turned[0:3]] == [True, False, True]


def test_file_that_does_not_belong_asks_for_fetch(tmp_path: Path) -> None:
    path = tmp_path / "fingerprints.npy"
    with pytest.raises(InputError, match="run the stage fetch again"):
        FingerprintFile(path, 2)
    create_fingerprints(path, 3)
    with pytest.raises(InputError, match=r"uint8 \[3, 32, 32, 3\] where index.csv asks for"):
        FingerprintFile(path, 2)
    path.write_bytes(b"no array")
    with pytest.raises(InputError, match="run the stage fetch again"):
        FingerprintFile(path, 2)
