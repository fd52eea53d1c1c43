"""Fixtures that tests of several packages share."""

from __future__ import annotations

import gc
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rhymes.common.tensorflow_environment import set_tensorflow_environment
from rhymes.metrics import catalogue

pytest_plugins = ["tests.support.red_server"]

ROOT = Path(__file__).resolve().parent.parent
LONGEST = ("pipeline", "tf")
TOGETHER = (r"tests/browser/", r"tests/pipeline/test_(reproduce|sample)\.py")


def pytest_configure() -> None:
    """Be an entry point: TensorFlow's environment, and Ctrl-C interrupts.

    What a script starts in the background ignores Ctrl-C, children as well.
    """
    set_tensorflow_environment()
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Longest first where workers share the tests, so that they end together."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda each: [each.get_closest_marker(mark) is None for mark in LONGEST])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give a worker all tests of a file, and of files that have a costly fixture in common."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return next((each for each in TOGETHER if re.match(each, file)), file)

    return Scheduling(config, log)


@pytest.fixture(scope="module", autouse=True)
def collected(request: pytest.FixtureRequest) -> Iterator[None]:
    """Free the graphs of a module's tests.

    Each of TensorFlow's objects lets other threads run before it is freed. A million of them, left
    to a server that unloads a model while it is asked, hold that up for half a minute.
    """
    yield
    if request.node.get_closest_marker("tf"):
        gc.collect()


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real exports and backbone weights beside the checkout."""
    folder = ROOT.parent / "shared"
    if not (folder / "datasets").is_dir():
        pytest.skip(f"needs the real exports in {folder}, which are not here")
    return folder


@pytest.fixture(scope="session")
def data_versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two data versions, see there; only to read, so copy it to change it."""
    from tests.support.export_project import make_data_versions

    return make_data_versions(tmp_path_factory.mktemp("versions") / "project")


@pytest.fixture
def coco_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """COCO's metrics alone, for what a test compares whole: no added metric concerns it."""
    names = [f"{kind}_{size}" for kind in ("AP", "AR") for size in ("small", "medium", "large")]
    names += ["AP", "AP50", "AP75", "AR_1", "AR_10", "AR_100"]
    rows = tuple(
        replace(row, is_headline=row.name in ("AP", "AP50"))
        for row in catalogue.METRICS
        if row.name in names
    )
    monkeypatch.setattr(catalogue, "METRICS", rows)
