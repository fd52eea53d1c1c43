"""What the page adds to the model's own time, and what many images at once cost it.

`python -m bench page`: a real browser, the real page, the real server with the detector that
`make repro` trained on the sample. The model's own time is what the server says of each call.
"""

from __future__ import annotations

import io
import re
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from PIL import Image
from playwright.sync_api import Page

from bench.server_process import running_server
from bench.workspace import ROOT
from rhymes.project.processes import running_page
from tools.browser import open_browser, open_page, wait_until_still

DROP_GOAL, MEMORY_GOAL = 400.0, 1.2  # ms, ratio
_MODELS, _IMAGES = ROOT / "models/detector", ROOT / "data/images"
_DROPS, _WARM = 20, 3
_AT_ONCE = 30
_SIDE, _PHONE = 1024, (4000, 3000)  # pixels
_PAUSE = 0.05  # seconds between two looks at the memory
_SETTLE = 5.0  # seconds in which memory may fall back
_PATIENCE_MS = 240_000

# True once the image of this name is drawn and the browser has decoded it.
_IS_DRAWN = """name => [...document.querySelectorAll('[data-testid=stImage] img')].some(
    image => image.alt.startsWith(name) && image.complete && image.naturalWidth > 0)"""
_TIMING = re.compile(r"Answered in \d+ ms: (\d+) in the server")


def main() -> None:
    """Print one line each."""
    if not _MODELS.is_dir() or not _IMAGES.is_dir():
        sys.exit("bench.page: there is no trained detector yet; run make repro first")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            running_server(_MODELS, folder / "server.log") as server,
            running_page(server.address, folder / "page.log") as running,
            open_browser() as browser,
        ):
            page = open_page(browser, running.url).page
            page.set_default_timeout(_PATIENCE_MS)
            wait_until_still(page)
            measure_drop(page)
            other = open_page(browser, f"{running.url}/model").page
            wait_until_still(other)
            measure_many(page, other, psutil.Process(running.process.pid), folder)


def measure_drop(page: Page) -> None:
    """From dropping an image to the drawn result, above the model's own time."""
    above, own = [], []
    for number in range(_WARM + _DROPS):
        name = f"drop{number}.jpg"
        data = enlarge(number, (_SIDE, _SIDE))
        start = time.perf_counter()
        page.set_input_files(
            "input[type=file]", {"name": name, "mimeType": "image/jpeg", "buffer": data}
        )
        page.wait_for_function(_IS_DRAWN, arg=name, polling="raf")
        total = (time.perf_counter() - start) * 1000
        told = _TIMING.search(page.get_by_text(_TIMING).first.inner_text())
        assert told is not None  # noqa: S101 - the locator found it
        if number >= _WARM:
            own.append(float(told[1]))
            above.append(total - own[-1])
        remove_all(page)
    p50, p95 = statistics.median(above), statistics.quantiles(above, n=20)[-1]
    print(
        f"page: from drop to drawn result {p50:.0f} ms above the model's own "
        f"{statistics.median(own):.0f} ms, p50 of {_DROPS} images of {_SIDE} x {_SIDE} pixels "
        f"-> {p50 / DROP_GOAL:.2f}x of the limit of {DROP_GOAL:g} ms (p95 {p95:.0f} ms)"
    )


def measure_many(page: Page, other: Page, process: psutil.Process, folder: Path) -> None:
    """Thirty images of a phone at once: another user's clicks meanwhile, memory afterwards."""
    fresh = process.memory_info().rss
    # The first round fills the page's caches, which keep their size from then on.
    drop_many(page, save_phone_images(folder, 0), lambda: None)
    remove_all(page)
    time.sleep(_SETTLE)
    before = process.memory_info().rss
    calm = statistics.median(click(other) for _ in range(10))
    waits: list[float] = []
    images = save_phone_images(folder, _AT_ONCE)
    with watched_memory(process) as peak:
        seconds = drop_many(page, images, lambda: waits.append(click(other)))
    remove_all(page)
    time.sleep(_SETTLE)
    after = process.memory_info().rss
    megapixels = _PHONE[0] * _PHONE[1] / 1e6
    print(
        f"page: {_AT_ONCE} images of {megapixels:.0f} megapixels at once in {seconds:.0f} s; "
        f"meanwhile another user's click is answered in {statistics.median(waits):.0f} ms (p50), "
        f"{max(waits):.0f} ms (worst of {len(waits)}), {calm:.0f} ms at rest"
    )
    print(
        f"page: memory {before / 2**20:.0f} MiB before, {peak[0] / 2**20:.0f} MiB at most, "
        f"{after / 2**20:.0f} MiB afterwards -> {after / before:.2f}x (goal <= {MEMORY_GOAL:g}x); "
        f"{fresh / 2**20:.0f} MiB before any such images"
    )


def drop_many(page: Page, images: list[Path], meanwhile: Callable[[], None]) -> float:
    """Drop images; return the seconds until the first one is drawn and all are in the table."""
    start = time.perf_counter()
    page.set_input_files("input[type=file]", images)
    is_done = f"() => ({_IS_DRAWN})({images[0].name!r})"
    while not page.evaluate(is_done):
        meanwhile()
        page.wait_for_timeout(50)
        if time.perf_counter() - start > _PATIENCE_MS / 1000:
            sys.exit("bench.page: the images were not drawn in time")
    return time.perf_counter() - start


def remove_all(page: Page) -> None:
    """Take all images away again."""
    page.get_by_role("button", name=re.compile(r"Remove \d+ image")).click()
    page.wait_for_selector("[data-testid=stImage] img", state="detached")
    wait_until_still(page)


def click(page: Page) -> float:
    """Go to the other part of the view Model; milliseconds until it is there."""
    is_quality = page.get_by_text("Precision and recall").count() > 0
    part, shown = ("Training", "Loss on the") if is_quality else ("Quality", "Precision and recall")
    start = time.perf_counter()
    page.get_by_role("radio", name=part).click()
    page.get_by_text(shown).first.wait_for()
    return (time.perf_counter() - start) * 1000


def enlarge(number: int, size: tuple[int, int]) -> bytes:
    """An image of the sample in another size, as a JPEG; each number is another one."""
    paths = sorted(_IMAGES.iterdir())
    with Image.open(paths[number % len(paths)]) as image:
        encoded = io.BytesIO()
        image.resize(size).save(encoded, "JPEG", quality=90)
    return encoded.getvalue()


def save_phone_images(folder: Path, first: int) -> list[Path]:
    """Write images as large as those of a phone."""
    paths = []
    for number in range(first, first + _AT_ONCE):
        path = folder / f"phone{number}.jpg"
        path.write_bytes(enlarge(number, _PHONE))
        paths.append(path)
    return paths


@contextmanager
def watched_memory(process: psutil.Process) -> Iterator[list[int]]:
    """Note the most resident memory that a process has meanwhile, in bytes."""
    peak, is_over = [process.memory_info().rss], threading.Event()

    def watch() -> None:
        while not is_over.wait(_PAUSE):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        is_over.set()
        watcher.join()
