"""Fixtures that tests of several packages share."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Let Ctrl-C interrupt: what a script starts in the background ignores it, children as well."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
    from tests.export_project import make_data_versions

    return make_data_versions(tmp_path_factory.mktemp("versions") / "project")
