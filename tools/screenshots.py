"""Take the README's images of the page: `make screenshots`, after `make repro`.

The real page in a real browser shows this repository and the detector that it trained:
docs/screenshots/<view>.png. For Compare a second version is trained, much shorter (minutes).
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page
from ruamel.yaml import YAML

from rhymes.common.addresses import LOOPBACK, free_ports
from rhymes.common.files import save_bytes
from rhymes.project.processes import (
    ROOT,
    Child,
    is_serving,
    running_page,
    save_models_config,
    server_command,
)
from tools.browser import open_browser, open_page, wait_until_still

OUT = ROOT / "docs/screenshots"
_MODELS, _IMAGE = ROOT / "models/detector", ROOT / "data/sample/images/tray_0009.jpg"
_SHORT = {"steps": 200, "validations": 1}
_WIDTH, _HEIGHT = 1280, 1120
_START_SECONDS, _TRAIN_SECONDS = 180.0, 3600.0


def main() -> None:
    """Take them all."""
    versions = sorted(_MODELS.glob("[0-9]*"))
    if not versions or not _IMAGE.is_file():
        sys.exit("screenshots: they show the sample and its detector; run make repro first")
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, open_browser() as browser:
        folder = Path(name)
        with shown(folder, _MODELS) as url:
            take(browser, url, "detect", _detect)
            take(browser, f"{url}/data", "data", _data)
            take(browser, f"{url}/model", "model", _model)
        both = folder / "both"
        shutil.copytree(versions[-1], both / "1")
        train_shortly(folder / "short", both / "2")
        with shown(folder, both) as url:
            take(browser, f"{url}/compare", "compare", _compare)


@contextmanager
def shown(folder: Path, base: Path) -> Iterator[str]:
    """Serve every version in a model base path, and show them; yields the page's URL."""
    config = folder / "models.config"
    save_models_config(config, base, "all {}")
    port, rest_port = free_ports(2)
    address = f"{LOOPBACK}:{port}"
    command = server_command(port, rest_port, ["--model_config_file", str(config)])
    with Child("the model server", command, folder / "server.log") as server:
        server.wait_until(lambda: is_serving(address), _START_SECONDS)
        with running_page(address, folder / "page.log") as page:
            yield page.url


def train_shortly(workspace: Path, version: Path) -> None:
    """Train on this repository's data, but half as long; move the exported version there."""
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    params["train"] |= _SHORT
    (workspace / ".dvc").mkdir(parents=True)
    with (workspace / "params.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(params, file)
    (workspace / "data").symlink_to(ROOT / "data")
    print("Training a second version for Compare (minutes) ...", flush=True)
    for stage in ("train", "export"):
        subprocess.run(
            [sys.executable, "-m", f"stages.{stage}"],
            cwd=workspace,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            timeout=_TRAIN_SECONDS,
            check=True,
        )
    shutil.copytree(next((workspace / "models/detector").iterdir()), version)


def take(browser: Browser, url: str, view: str, prepare: Callable[[Page], None]) -> None:
    """Photograph a view, from its top to the end of the window."""
    page = open_page(browser, url, width=_WIDTH, height=_HEIGHT).page
    wait_until_still(page)
    prepare(page)
    page.mouse.move(0, 0)  # no control is lit
    wait_until_still(page)
    page.wait_for_timeout(1000)  # transitions, and what charts draw late
    path, encoded = OUT / f"{view}.png", io.BytesIO()
    with Image.open(io.BytesIO(page.screenshot())) as image:
        # A palette of 256 colours halves what Git keeps, and nobody sees it.
        image.convert("RGB").quantize(256).save(encoded, "PNG", optimize=True)
    save_bytes(path, encoded.getvalue())
    print(path.relative_to(ROOT))
    page.context.close()


def _detect(page: Page) -> None:
    page.set_input_files("input[type=file]", _IMAGE)
    page.wait_for_selector("[data-testid=stImage] img")


def _compare(page: Page) -> None:
    # The server serves as soon as one version is loaded; Compare needs both.
    for _ in range(round(_START_SECONDS)):
        page.wait_for_selector("[data-testid=stImage] img")
        if not page.get_by_text("is loading").count():
            return
        page.wait_for_timeout(1000)
        page.reload()
    sys.exit("screenshots: the second version is still loading")


def _data(page: Page) -> None:
    page.get_by_role("radio", name="Report's predictions").click()
    page.wait_for_selector("[data-testid=stImage] img")


def _model(page: Page) -> None:
    page.wait_for_selector("canvas")


if __name__ == "__main__":
    main()
