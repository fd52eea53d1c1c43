"""A real browser, the real page, the real server, and a small repository to show."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from rhymes.project.processes import PageProcess, running_page
from tests.support.restartable_server import RestartableServer
from tools.browser import Watched, find_browser, open_browser, open_page, wait_until_still

NO_BROWSER = "there is no browser; `python -m tools.browser` installs one"
HOSTILE = "<img src=x onerror=alert(1)>"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say in so many words that the page was not tried in a browser."""
    if find_browser() is None:
        terminalreporter.section("NO BROWSER", "!", red=True)
        terminalreporter.line(f"The page was NOT tested in a real browser: {NO_BROWSER}.")


Open = Callable[..., Watched]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if find_browser() is None:
        pytest.skip(NO_BROWSER)
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model base path with two versions of a detector that finds colours."""
    from rhymes.versions.model_folder import save_manifest
    from tests.support.red_detector import save_red_detector

    base = tmp_path_factory.mktemp("models")
    classes = [{"id": i, "name": n} for i, n in enumerate((HOSTILE, "$x$", "BLUE"), start=1)]
    save_manifest(save_red_detector(base / "1", classes=classes))
    shutil.copytree(base / "1", base / "2")
    return base


@pytest.fixture(scope="session")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestartableServer]:
    with RestartableServer(models, tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the page is started in; empty at first."""
    return tmp_path_factory.mktemp("repository")


@pytest.fixture(scope="session")
def page_process(
    server: RestartableServer, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PageProcess]:
    log = tmp_path_factory.mktemp("page") / "log"
    with running_page(server.address, log, folder=folder) as running:
        yield running


@pytest.fixture
def open_view(browser: Browser, page_process: PageProcess) -> Iterator[Open]:
    """Opens a view; at the end nothing may have gone wrong in any."""
    opened: list[Watched] = []

    def open_(view: str = "", **options: object) -> Watched:
        watched = open_page(browser, f"{page_process.url}/{view}", **options)  # type: ignore[arg-type]
        opened.append(watched)
        wait_until_still(watched.page)
        return watched

    yield open_
    for watched in opened:
        errors = watched.page.locator("[data-testid=stException]")
        shown = [errors.nth(i).inner_text() for i in range(errors.count())]
        watched.page.context.close()
        assert not shown
        assert not watched.foreign, "nothing is fetched from other hosts"
        assert not watched.errors
        assert not watched.dialogs, "nothing of a name is run"
    assert page_process.process.poll() is None, "the page lives"
