"""What the measurements of the server send."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from bench.requests import make_bomb, make_photo
from bench.server_process import running_server
from rhymes.common.errors import InputError
from rhymes.images.images import check_image
from rhymes.project.processes import ChildError


def test_a_photo_has_the_size_that_is_asked_for() -> None:
    photo = make_photo(640, 480, 120_000)
    assert abs(len(photo) - 120_000) < 6_000
    checked = check_image(photo, max_bytes=200_000, max_pixels=640 * 480)
    assert (checked.data, checked.width, checked.height) == (photo, 640, 480)
    assert make_photo(640, 480, 120_000, seed=2) != photo


def test_a_bomb_is_small_and_holds_sixty_megapixels() -> None:
    bomb = make_bomb()
    assert len(bomb) < 10_000
    with pytest.raises(InputError, match="10000 x 6000 pixels"):
        check_image(bomb, max_bytes=10_000, max_pixels=50_000_000)
    with Image.open(io.BytesIO(bomb)) as image:
        assert image.size == (10_000, 6_000)


@pytest.mark.tf
def test_a_server_that_does_not_start_is_an_error_with_its_words(tmp_path: Path) -> None:
    with (
        pytest.raises(ChildError, match=r"(?s)the server ended with status 2:.*missing"),
        running_server(tmp_path / "missing", tmp_path / "log"),
    ):
        pass
