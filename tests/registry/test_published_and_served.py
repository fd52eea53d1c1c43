"""The whole way, by the documented commands: publish twice, fetch, serve, compare, roll back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rhymes.client.client import DetectorClient
from rhymes.serving.server import ModelServer, ServerOptions
from rhymes.versions.model_folder import load_identity, save_manifest
from tests.support.red_detector import save_red_detector
from tests.support.registry_project import Project, start_project

pytestmark = pytest.mark.tf

TIMEOUT = 60.0


@pytest.fixture(scope="module")
def detectors(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Real SavedModels; the second names its classes otherwise."""
    base = tmp_path_factory.mktemp("detectors")
    folders = {}
    for number in (1, 2):
        classes = [{"id": i, "name": f"C{i} of {number}"} for i in (1, 2, 3)]
        folders[number] = save_red_detector(base / str(number), classes=classes)
        save_manifest(folders[number])
    return folders


@pytest.fixture(scope="module")
def clone(detectors: dict[int, Path], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A clone without a cache of a repository in which two versions were published and shared."""
    folder = tmp_path_factory.mktemp("shared")
    project = start_project(folder / "project", detectors[1])
    project.run("git", "init", "-q", "--bare", "-b", "main", str(folder / "central.git"))
    project.git("remote", "add", "origin", str(folder / "central.git"))
    project.run("dvc", "remote", "add", "-q", "--default", "storage", "../storage")
    project.commit("remote")
    for number in (1, 2):
        if number == 2:
            project.build(export={"version": 2, "source": str(detectors[2])})
        shown = project.run("python", "-m", "rhymes", "publish")
        assert f"detector@v{number}.0.0 is registered" in shown
        # What it says that is to be done, done.
        for line in shown.partition("To share it:\n")[2].splitlines():
            project.run("sh", "-c", line)
    clone = Project(folder / "clone")
    project.git("clone", "-q", str(folder / "central.git"), str(clone.path))
    return clone


def wait_for(client: DetectorClient, *versions: int) -> None:
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        found = [each.version for each in client.versions() if each.state == "AVAILABLE"]
        if sorted(found) == sorted(versions):
            return
        time.sleep(0.1)
    raise AssertionError(f"expected {versions}: {client.versions()}")


@pytest.fixture
def served(clone: Project, tmp_path: Path) -> Iterator[tuple[Path, DetectorClient]]:
    """A base path that `rhymes.registry.fetch` filled; a client of a server of its newest two."""
    base = tmp_path / "served"
    shown = clone.run("python", "-m", "rhymes", "fetch", str(base))
    assert [line for line in shown.splitlines() if line.startswith("fetch: ")] == [
        f"fetch: detector {number}: {base / str(number)} fetched" for number in (1, 2)
    ]
    config = tmp_path / "models.config"
    config.write_text(
        f'model_config_list {{ config {{ name: "detector" base_path: "{base}" '
        'model_platform: "tensorflow" model_version_policy { latest { num_versions: 2 } } } }'
    )
    options = ServerOptions(model_config_file=config, port=0, file_system_poll_wait_seconds=0.1)
    with (
        ModelServer(options) as server,
        DetectorClient(f"127.0.0.1:{server.port}") as client,
    ):
        yield base, client


def test_two_versions_answer_and_one_is_rolled_back(
    clone: Project,
    detectors: dict[int, Path],
    served: tuple[Path, DetectorClient],
    image: bytes,
) -> None:
    base, client = served
    wait_for(client, 1, 2)
    for number, folder in detectors.items():
        answer = client.answer(image, version=number)
        assert answer.identity == load_identity(folder)
        assert client.describe(number).class_names[1] == f"C1 of {number}"
    assert client.answer(image).version == 2
    clone.run("python", "-m", "rhymes", "fetch", str(base), "--versions", "1", "--only")
    wait_for(client, 1)
    assert client.answer(image).version == 1
    clone.run("python", "-m", "rhymes", "fetch", str(base))
    wait_for(client, 1, 2)
    assert client.answer(image).version == 2


def test_dvc_finds_the_published_version(
    clone: Project, detectors: dict[int, Path], tmp_path: Path
) -> None:
    out = tmp_path / "got"
    clone.run("dvc", "artifacts", "get", ".", "detector", "--rev", "v1.0.0", "-o", str(out))
    assert load_identity(out / "1") == load_identity(detectors[1])
