"""Bytes that a user gives."""

from __future__ import annotations

import hashlib
import io

import pytest
from PIL import Image

from app.checked_image import bytes_to_image
from rhymes.client.errors import BadImage
from tests.support.fake_client import encode_image


def test_a_good_jpeg_stays_as_it_is() -> None:
    data = encode_image((1, (10, 10, 20, 20)))
    image = bytes_to_image("a.jpg", data)
    assert image.upright.data == image.data == data
    assert image.digest == hashlib.sha256(data).hexdigest()


def test_a_phone_image_is_turned() -> None:
    image = bytes_to_image("a.jpg", encode_image(size=(120, 80), orientation=6))
    assert (image.upright.width, image.upright.height) == (120, 80)
    with Image.open(io.BytesIO(image.data)) as stored:
        assert stored.size == (80, 120)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "0 bytes", id="empty"),
        pytest.param(b"hello, world", "not an image", id="text"),
        pytest.param(b"<svg onload='alert(1)'/>", "SVG", id="svg"),
        pytest.param(encode_image()[:-200], "JPEG", id="truncated"),
    ],
)
def test_what_is_no_image_is_named(data: bytes, message: str) -> None:
    with pytest.raises(BadImage, match=rf"^tray\.jpg: .*{message}"):
        bytes_to_image("tray.jpg", data)


def test_repr_holds_no_bytes() -> None:
    assert len(repr(bytes_to_image("a.jpg", encode_image()))) < 200
