"""Detect in a real browser, against the real server."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import HOSTILE, Open
from tests.support.fake_client import encode_image
from tests.support.restartable_server import RestartableServer
from tools.browser import wait_until_still

pytestmark = pytest.mark.tf

RED, GREEN, BLUE = (1, (10, 10, 20, 20)), (2, (50, 10, 20, 20)), (3, (90, 50, 20, 20))
DRAWN = "[data-testid=stImage] img"


def payload(name: str, data: bytes, kind: str = "image/png") -> dict[str, Any]:
    return {"name": name, "mimeType": kind, "buffer": data}


def tray(name: str = "tray.png", *objects: Any, **options: Any) -> dict[str, Any]:
    return payload(name, encode_image(*(objects or (RED, GREEN, BLUE)), encoding="PNG", **options))


def drop(page: Page, *files: dict[str, Any]) -> None:
    page.set_input_files("input[type=file]", list(files))
    expect(page.get_by_role("button", name=re.compile(r"Remove \d+ image"))).to_be_visible()
    wait_until_still(page)


def expect_objects(page: Page, count: int) -> None:
    name = re.compile(f"^{count} objects? in")
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def download(page: Page, name: str, folder: Path) -> bytes:
    page.get_by_role("tab", name="Download").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name=re.compile(re.escape(name))).click()
    path = folder / "downloaded"
    waiting.value.save_as(path)
    return path.read_bytes()


def test_an_image_is_drawn_with_its_boxes(open_view: Open) -> None:
    page = open_view().page
    drop(page, tray())
    expect_objects(page, 2)
    source = page.locator(DRAWN).first.evaluate("image => image.src")
    with Image.open(io.BytesIO(page.request.get(source).body())) as drawn:
        assert max(drawn.size) == 720
        scale = drawn.width / 120
        red = drawn.getpixel((int(20 * scale), int(20 * scale)))
        assert isinstance(red, tuple)
        assert red != (230, 20, 20), "a mask lies over what is red"


def test_the_threshold_asks_nothing(open_view: Open, server: RestartableServer) -> None:
    page = open_view().page
    drop(page, tray("threshold.png", RED, GREEN, BLUE, size=(121, 80)))
    expect_objects(page, 2)
    asked = server.requests()
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("Home")  # the keyboard alone
    expect_objects(page, 3)
    for _ in range(85):
        page.keyboard.press("ArrowRight")
    expect_objects(page, 1)
    assert server.requests() == asked


def test_downloads_are_what_they_say(open_view: Open, tmp_path: Path) -> None:
    page = open_view().page
    drop(page, tray("one.png"), tray("two.png", RED), tray(f"{HOSTILE}.png", GREEN))
    with Image.open(io.BytesIO(download(page, "Annotated image", tmp_path))) as drawn:
        assert drawn.format == "JPEG"
    prediction = json.loads(download(page, "Prediction (Rhymes JSON)", tmp_path))
    assert [item["attributes"]["label"] for item in prediction["identifications"]] == [
        HOSTILE, "$x$"
    ]  # fmt: skip
    rows = list(
        csv.DictReader(io.StringIO(download(page, "Pre-annotations of 3", tmp_path).decode()))
    )
    assert len(rows) == 3
    with zipfile.ZipFile(io.BytesIO(download(page, "All of 3 images", tmp_path))) as archive:
        assert archive.testzip() is None
        assert "predictions/annotations.csv" in archive.namelist()


def test_the_server_is_killed_and_comes_back(open_view: Open, server: RestartableServer) -> None:
    page = open_view().page
    drop(page, tray("killed.png", RED, size=(122, 80)))
    expect_objects(page, 1)
    server.kill()
    try:
        page.wait_for_timeout(2500)  # what the server said of its versions is kept for two seconds
        page.get_by_text("Labels", exact=True).first.click()
        expect(page.get_by_text("No model server answers")).to_be_visible()
        expect(page.get_by_text("make serve").first).to_be_visible()
    finally:
        server.start()
    expect_objects(page, 1)  # by itself


def bomb() -> bytes:
    """A PNG of a gigapixel in a few hundred kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    header = (32_000).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    pixels = zlib.compress(bytes(32_001) * 3_200, 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("file", "told"),
    [
        pytest.param(payload("text.jpg", b"hello", "image/jpeg"), "not an image", id="text"),
        pytest.param(payload("empty.png", b""), "0 bytes", id="empty"),
        pytest.param(payload("bomb.png", bomb()), "32,?000", id="bomb"),
        pytest.param(
            payload(f"{HOSTILE}.jpg", b"<svg onload=alert(1)>", "image/jpeg"), "onerror", id="html"
        ),
        pytest.param(
            payload("![x](http://host.invalid/a.png).png", b"x"), r"host\.⁠?invalid|host.invalid",
            id="markdown",
        ),
    ],
)  # fmt: skip
def test_hostile_files_are_told_and_the_page_lives(
    open_view: Open, file: dict[str, Any], told: str
) -> None:
    page = open_view().page
    page.set_input_files("input[type=file]", [file])
    warning = page.get_by_role("alert").filter(has_text="Not everything could be taken")
    expect(warning).to_contain_text(re.compile(told))
    assert warning.locator("img").count() == 0
    drop(page, tray())
    expect_objects(page, 2)


def test_a_file_of_another_kind_is_refused_by_name(open_view: Open) -> None:
    page = open_view().page
    page.set_input_files("input[type=file]", [payload("notes.txt", b"hello", "text/plain")])
    expect(page.get_by_text(re.compile("not allowed"))).to_be_visible()
    drop(page, tray())
    expect_objects(page, 2)


def test_two_hundred_images(open_view: Open) -> None:
    page = open_view().page
    files = [tray(f"{i}.png", RED, size=(120 + i % 20, 80 + i // 20)) for i in range(200)]
    page.set_input_files("input[type=file]", files)
    expect(page.get_by_text(re.compile("files were left out"))).to_be_visible(timeout=90_000)
    expect(page.get_by_role("button", name="Remove 100 images")).to_be_visible(timeout=90_000)
    expect_objects(page, 1)


@pytest.mark.parametrize("orientation", [3, 6])
def test_phone_images_are_upright(open_view: Open, orientation: int) -> None:
    page = open_view().page
    data = encode_image(RED, size=(160, 60), orientation=orientation)
    drop(page, payload("phone.jpg", data, "image/jpeg"))
    expect_objects(page, 1)
    box = page.locator(DRAWN).first.bounding_box()
    assert box is not None
    assert box["width"] > 2 * box["height"]
