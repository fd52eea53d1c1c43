"""Repositories in which a version waits to be published, or is."""

from __future__ import annotations

from pathlib import Path

import pytest

from rhymes.registry.publishing import publish
from tests.support.registry_project import GIT_SETTINGS, Project, start_project
from tests.support.version_folders import save_version


@pytest.fixture(autouse=True)
def _git_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GIT_SETTINGS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Folders of versions that no TensorFlow could load, with manifests."""
    base = tmp_path_factory.mktemp("sources")
    return {number: save_version(base, number, f"model {number}") for number in (1, 2)}


@pytest.fixture(scope="session")
def built_once(sources: dict[int, Path], tmp_path_factory: pytest.TempPathFactory) -> Project:
    return start_project(tmp_path_factory.mktemp("built") / "project", sources[1])


@pytest.fixture(scope="session")
def published_once(
    built_once: Project, sources: dict[int, Path], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    project = built_once.copy(tmp_path_factory.mktemp("published") / "project")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in GIT_SETTINGS.items():
            patch.setenv(name, value)
        assert publish(project.path, is_offline=True).is_new
        project.commit("Publish 1")
        project.build(export={"version": 2, "source": str(sources[2])})
        assert publish(project.path, is_offline=True).is_new
        project.commit("Publish 2")
    return project


@pytest.fixture
def built(built_once: Project, tmp_path: Path) -> Project:
    """Version 1 is built and committed, nothing is published; a copy, to change."""
    return built_once.copy(tmp_path / "project")


@pytest.fixture
def published(published_once: Project, tmp_path: Path) -> Project:
    """Versions 1 and 2 are published and committed; a copy, to change."""
    return published_once.copy(tmp_path / "project")


@pytest.fixture
def second(published: Project) -> Project:
    """Version 1 is published, version 2 is built and committed; a copy, to change."""
    published.git("reset", "-q", "--hard", "detector@v2.0.0")
    published.git("tag", "--delete", "detector@v2.0.0")
    return published
