"""Bytes that a user gives."""

from __future__ import annotations

import hashlib
import io

import pytest
from PIL import Image

from app.picture import bytes_to_picture
from rhymes.client.errors import BadImage
from tests.support.fake_client import encode_picture


def test_a_good_jpeg_stays_as_it_is() -> None:
    data = encode_picture((1, (10, 10, 20, 20)))
    picture = bytes_to_picture("a.jpg", data)
    assert picture.upright.data == picture.data == data
    assert picture.digest == hashlib.sha256(data).hexdigest()


def test_a_phone_picture_is_turned() -> None:
    picture = bytes_to_picture("a.jpg", encode_picture(size=(120, 80), orientation=6))
    assert (picture.upright.width, picture.upright.height) == (120, 80)
    with Image.open(io.BytesIO(picture.data)) as stored:
        assert stored.size == (80, 120)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "0 bytes", id="empty"),
        pytest.param(b"hello, world", "not an image", id="text"),
        pytest.param(b"<svg onload='alert(1)'/>", "SVG", id="svg"),
        pytest.param(encode_picture()[:-200], "JPEG", id="truncated"),
    ],
)
def test_what_is_no_picture_is_named(data: bytes, message: str) -> None:
    with pytest.raises(BadImage, match=rf"^tray\.jpg: .*{message}"):
        bytes_to_picture("tray.jpg", data)


def test_repr_holds_no_bytes() -> None:
    assert len(repr(bytes_to_picture("a.jpg", encode_picture()))) < 200
