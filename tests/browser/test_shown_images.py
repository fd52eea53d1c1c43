"""What Chromium shows of what servers and encoders do, which is what annotators drew on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser_habits import HABITS, NOTHING, habits_served, pixels_to_look

LOOK = """async (url) => {
    const image = new Image();
    image.src = url;
    const isShown = await new Promise((end) => {
        image.onload = () => end(true);
        image.onerror = () => end(false);
        setTimeout(() => end(false), 10000);
    });
    if (!isShown) return null;
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width, height];
    const drawing = canvas.getContext("2d");
    drawing.drawImage(image, 0, 0);
    const color = (x, y) => Array.from(drawing.getImageData(x, y, 1, 1).data).slice(0, 3);
    const centres = [[1, 1], [3, 1], [1, 3], [3, 3]];
    return [width, height, centres.map(([x, y]) => color(x * width / 4, y * height / 4))];
}"""
"""Gives size, and colours in the centres of the quadrants; null where nothing is shown."""


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    with habits_served() as served:
        yield served


@pytest.fixture(scope="module")
def empty_page(browser: Browser, urls: dict[str, str]) -> Iterator[Page]:
    page = browser.new_page()
    page.goto(urls[""])
    yield page
    page.close()


@pytest.mark.parametrize("name", HABITS)
def test_what_chromium_shows(name: str, urls: dict[str, str], empty_page: Page) -> None:
    shown = empty_page.evaluate(LOOK, urls[name])
    assert (NOTHING if shown is None else pixels_to_look(*shown)) == HABITS[name].browser
