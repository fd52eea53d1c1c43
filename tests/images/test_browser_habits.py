"""What we take of what servers and encoders do, in the cases that Chromium is asked about, too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing

import pytest
from PIL import Image

from rhymes.common.errors import InputError
from rhymes.images.download import Downloader, DownloadLimits
from rhymes.images.images import check_image, decode_image, image_to_pixels
from tests.conftest import ROOT
from tests.support.browser_habits import (
    HABITS,
    NOTHING,
    centres,
    habits_served,
    pixels_to_look,
)

MAX_BYTES, MAX_PIXELS = 50_000_000, 1_000_000


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    with habits_served() as served:
        yield served


def take(url: str) -> tuple[bytes, Image.Image]:
    """Download and decode an image as the stage fetch does."""
    limits = DownloadLimits(10, 1, MAX_BYTES, ("127.0.0.1",))
    with closing(Downloader(limits)) as downloader:
        data = downloader.url_to_bytes(url)
    return data, decode_image(data, max_bytes=MAX_BYTES, max_pixels=MAX_PIXELS).pixels


@pytest.mark.parametrize("name", HABITS)
def test_what_we_take(name: str, urls: dict[str, str]) -> None:
    if HABITS[name].expected == NOTHING:
        with pytest.raises(InputError):
            take(urls[name])
        return
    data, pixels = take(urls[name])
    quadrants = [pixels.getpixel(place) for place in centres(*pixels.size)]
    assert pixels_to_look(*pixels.size, quadrants) == HABITS[name].expected
    # What is kept is whole for decoders that are stricter, such as TensorFlow's.
    kept = check_image(data, max_bytes=MAX_BYTES, max_pixels=MAX_PIXELS, keep={"JPEG", "PNG"})
    again = image_to_pixels(kept)
    assert again.shape == (kept.height, kept.width, 3)


def test_the_docs_list_where_browsers_and_we_differ() -> None:
    text = (ROOT / "docs/images-as-browsers-show-them.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE)
    listed = {name: (browser, ours) for name, browser, ours in table[2:] if browser != "---"}
    differ = {n: (h.browser, h.expected) for n, h in HABITS.items() if h.browser != h.expected}
    assert listed == differ
    assert f"In {len(HABITS)} cases that are tests, {len(differ)} differ" in text
