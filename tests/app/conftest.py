"""A folder to stand in for the repository, a faked wire, and views opened without a browser."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from tests.support.canned_server import running
from tests.support.color_server import ColorServer

View = Callable[[str], AppTest]

# AppTest looks through every installed package before each run, half a second each time.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)


def run_until(app: AppTest, is_so: Callable[[AppTest], bool], seconds: float = 30) -> None:
    """Run the view again, as its own watch does, until something is so."""
    deadline = time.monotonic() + seconds
    while not is_so(app.run()):
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.1)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository, the current folder; nothing is remembered of other tests."""
    monkeypatch.chdir(tmp_path)
    st.cache_data.clear()
    st.cache_resource.clear()
    return tmp_path


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[ColorServer]:
    """A server that the page talks to."""
    with running(ColorServer()) as server:
        monkeypatch.setenv("SERVING_ADDRESS", server.address)
        yield server


@pytest.fixture
def open_view() -> View:
    """Opens a view by its name."""
    return lambda name: AppTest.from_string(
        f"from app.views import {name}\n{name}.show()", default_timeout=30
    ).run()
