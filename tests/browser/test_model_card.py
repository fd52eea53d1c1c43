"""The model card in a real browser: it fits the window, needs no other host, and runs nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from stages import gate
from tests.support.evaluated_model import publish, save_evaluated_model
from tools.browser import open_page


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (400, "dark")], ids=["wide", "narrow and dark"]
)
def test_the_model_card(
    browser: Browser,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    scheme: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    save_evaluated_model()
    publish(without=2)
    gate.main()
    card = (tmp_path / gate.REPORT / "model_card.html").as_uri()
    watched = open_page(browser, card, width=width, scheme=scheme)
    try:
        body = watched.page.locator("body")
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
        assert "FAILED" in body.inner_text()
        drawn = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
        watched.page.wait_for_function(drawn)
        dark = body.evaluate("element => getComputedStyle(element).backgroundColor")
        assert dark == ("rgb(20, 24, 31)" if scheme == "dark" else "rgb(255, 255, 255)")
        assert (watched.foreign, watched.errors, watched.dialogs) == ([], [], [])
    finally:
        watched.page.context.close()
