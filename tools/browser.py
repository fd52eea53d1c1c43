"""A real browser for tests, measurements and images of the page.

    python -m tools.browser   look for one; install it if this may be done; say loudly if it cannot

The browser is the system's Chromium or Chrome (`RHYMES_BROWSER` names another), driven by
Playwright.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

from rhymes.project.machine_checks import BROWSERS

_INSTALL_SECONDS = 900
_LOCAL = {"127.0.0.1", "localhost", ""}
_WAIT_MS = 30_000


def find_browser() -> Path | None:
    """The browser to drive: `RHYMES_BROWSER`, one on the path, or Playwright's own."""
    if named := os.environ.get("RHYMES_BROWSER"):
        return Path(named) if Path(named).is_file() else None
    for name in BROWSERS:
        if found := shutil.which(name):
            return Path(found)
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    return own if own.is_file() else None


def install_browser() -> str:
    """Install one by the means that there are; return what went wrong, empty if nothing did."""
    if os.environ.get("RHYMES_BROWSER"):
        return f"RHYMES_BROWSER={os.environ['RHYMES_BROWSER']} is no file"
    if shutil.which("apt-get") and os.geteuid() == 0:
        commands = [["apt-get", "update", "-q"], ["apt-get", "install", "-qy", "chromium"]]
    else:
        commands = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    for command in commands:
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{' '.join(command)}: {error}"
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            return f"{' '.join(command)}: {''.join(last) or f'status {done.returncode}'}"
    return ""


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start the browser without a window.

    Raises:
        RuntimeError: there is none.
    """
    path = find_browser()
    if path is None:
        raise RuntimeError("no browser; `python -m tools.browser` looks for one and installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            # Root, as in containers, has no sandbox; there /dev/shm is small, too.
            args=["--no-sandbox", "--disable-dev-shm-usage"],
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watched:
    """A page and what it did that it should not.

    Attributes:
        page: Playwright's page.
        foreign: URLs on other hosts that it asked for.
        errors: Uncaught errors of its scripts.
        dialogs: What it wanted to say in a dialog, as an injected script would.
    """

    page: Page
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)


def open_page(
    browser: Browser, url: str, *, width: int = 1280, height: int = 900, scheme: str = "light"
) -> Watched:
    """Open a URL in a session of its own, and watch it.

    Args:
        browser: That has it.
        url: To open.
        width: Of the window, in pixels.
        height: Of the window, in pixels.
        scheme: "light" or "dark", as the system would say.
    """
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        accept_downloads=True,
    )
    page = context.new_page()
    page.set_default_timeout(_WAIT_MS)
    watched = Watched(page)

    def on_request(request: object) -> None:
        asked = str(getattr(request, "url", ""))
        if (
            urlsplit(asked).scheme in ("http", "https", "ws", "wss")
            and (urlsplit(asked).hostname or "") not in _LOCAL
        ):
            watched.foreign.append(asked)

    def on_dialog(dialog: object) -> None:
        watched.dialogs.append(str(getattr(dialog, "message", "")))
        getattr(dialog, "dismiss", lambda: None)()

    page.on("request", on_request)
    page.on("pageerror", lambda error: watched.errors.append(str(error)))
    page.on("dialog", on_dialog)
    page.goto(url)
    return watched


def wait_until_still(page: Page) -> None:
    """Wait until the page has run and drawn what it has to."""
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.wait_for_selector("[data-testid=stSkeleton]", state="detached")
    page.wait_for_function("[...document.images].every(image => image.complete)", timeout=_WAIT_MS)


def main() -> None:
    """Make sure that there is a browser, or say that there is none."""
    if find_browser() is not None:
        return
    print("There is no browser for the page's tests yet; installing one.", file=sys.stderr)
    problem = install_browser()
    if find_browser() is None:
        line = "!" * 80
        print(
            f"{line}\nNO BROWSER: the tests of the page in a real browser will NOT run.\n"
            f"{problem}\n"
            "Install Chromium or Chrome, or name one in RHYMES_BROWSER.\n" + line,
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
