"""Every view in a real browser: whole, narrow, dark, by keyboard, and while things are missing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from rhymes.common.files import save_json
from tests.browser.conftest import HOSTILE, Open
from tests.support.page_data import REPORT, save_split
from tools.browser import wait_until_still

pytestmark = pytest.mark.tf

RED = (1, (10, 10, 20, 20))
VIEWS = ("", "compare", "data", "model")
NAMES = (HOSTILE, "$x$", "BLUE")


@pytest.fixture
def filled(folder: Path) -> Iterator[Path]:
    """Data and reports to show, for the time of a test."""
    save_split(folder, "test", [RED], names=NAMES)
    save_json(folder / "data/coco/report.json", REPORT)
    ground_truth = hashlib.sha256((folder / "data/coco/test.json").read_bytes()).hexdigest()
    evaluate = folder / "reports/evaluate"
    save_json(evaluate / "model.json", {"version": 1, "identity": "0", "test_sha256": ground_truth})
    save_json(evaluate / "detections.json", [])
    yield folder
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (400, "dark")], ids=["wide", "narrow and dark"]
)
def test_every_view_is_whole(
    filled: Path, open_view: Open, view: str, width: int, scheme: str
) -> None:
    page = open_view(view, width=width, scheme=scheme).page
    expect(page.get_by_role("heading").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate(
        "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
    )
    brightness = sum(int(part) for part in background[4:-1].split(",")[:3])
    assert (brightness < 200) == (scheme == "dark")


@pytest.mark.parametrize("view", ["compare", "data", "model"])
def test_what_is_missing_is_told_and_comes_by_itself(
    folder: Path, open_view: Open, view: str
) -> None:
    page = open_view(view).page
    expect(page.get_by_text("is not there yet").first).to_be_visible()
    expect(page.get_by_text("make repro").first).to_be_visible()


def test_data_comes_by_itself(
    folder: Path, open_view: Open, request: pytest.FixtureRequest
) -> None:
    page = open_view("data").page
    expect(page.get_by_text("is not there yet").first).to_be_visible()
    request.getfixturevalue("filled")
    expect(page.locator("[data-testid=stImage] img")).to_be_visible()


def test_names_run_nothing(filled: Path, open_view: Open) -> None:
    page = open_view("data").page
    for part in ("Likely label errors", "Classes", "Export"):
        page.get_by_text(part, exact=True).click()
        wait_until_still(page)
    for image in page.locator("img").all():
        assert "host.invalid" not in (image.get_attribute("src") or "")


def test_by_keyboard_alone(filled: Path, open_view: Open) -> None:
    page = open_view("data").page
    button = page.get_by_role("button", name="Next")
    reached = False
    for _ in range(40):
        page.keyboard.press("Tab")
        if button.evaluate("element => element === document.activeElement"):
            reached = True
            break
    assert reached, "Tab comes to every control"
    page.keyboard.press("Enter")
    wait_until_still(page)
