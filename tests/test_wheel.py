"""The wheel in empty environments, against a server that runs in this one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.server_process import running_server
from rhymes.common.addresses import free_ports
from rhymes.project.processes import Child, is_page
from tests.conftest import ROOT

pytestmark = [pytest.mark.tf, pytest.mark.wheel]

UV = str(Path(sys.executable).with_name("uv"))
CLEAN = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
SECONDS = 600.0


def run(*command: str | Path, folder: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command outside the checkout, with nothing of this environment on its path."""
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, env=CLEAN, capture_output=True, text=True,
        timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    return done


class Environment:
    """A virtual environment with the wheel in it.

    Attributes:
        bin: Its folder of programs.
    """

    def __init__(self, folder: Path, wheel: Path, extras: str) -> None:
        self.bin = folder / "bin"
        run(UV, "venv", "--quiet", "--python", sys.executable, folder, folder=folder.parent)
        run(
            UV, "pip", "install", "--quiet", "--python", self.bin / "python", "--constraint",
            ROOT / "requirements.txt", f"rhymes-detector{extras} @ {wheel.as_uri()}",
            folder=folder.parent,
        )  # fmt: skip

    def distributions(self, folder: Path) -> set[str]:
        """Names of what is installed."""
        listed = run(
            UV, "pip", "list", "--python", self.bin / "python", "--format", "json", folder=folder
        )
        return {each["name"] for each in json.loads(listed.stdout)}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as `pip wheel .` does it."""
    folder = tmp_path_factory.mktemp("wheel")
    (backend,) = re.findall(
        r'^requires = \["(\S+)"\]$', (ROOT / "pyproject.toml").read_text(), re.M
    )
    run(UV, "venv", "--quiet", "--python", sys.executable, folder / "probe", folder=folder)
    probe = [UV, "pip", "install", "--quiet", "--python", folder / "probe/bin/python", backend]
    there = subprocess.run(probe, env=CLEAN, capture_output=True, text=True, timeout=SECONDS)
    if there.returncode:
        pytest.skip(f"PyPI cannot be reached, so nothing can be installed: {there.stderr.strip()}")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT, folder=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the wheel alone."""
    return Environment(tmp_path_factory.mktemp("core") / "venv", wheel, "")


@pytest.fixture(scope="module")
def address(red_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`rhymes serve` with the red detector."""
    with running_server(red_model, tmp_path_factory.mktemp("server") / "log") as server:
        yield server.address


@pytest.fixture
def folder(tmp_path: Path, image: bytes) -> Path:
    """A folder that is no checkout, with an image in it."""
    (tmp_path / "tray.jpg").write_bytes(image)
    return tmp_path


def test_it_holds_the_library_and_the_page(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "rhymes/py.typed",
        "rhymes/wire/messages.binpb",
        "rhymes/metrics/model_card.html",
        "rhymes/page/app/main.py",
        "rhymes/page/app/icon.png",
        "rhymes/page/app/.streamlit/config.toml",
    } <= names
    modules = {f"{path.relative_to(ROOT)}" for path in (ROOT / "rhymes").rglob("*.py")}
    assert modules <= names
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {
        "rhymes",
        "rhymes_detector",
    }


def test_the_core_is_the_client(core: Environment, folder: Path) -> None:
    heavy = {"tensorflow", "dvc", "streamlit", "pandas", "scipy", "matplotlib", "supervision"}
    assert not heavy & core.distributions(folder)


@pytest.mark.parametrize("page", ["README.md", "docs/serving.md"])
def test_the_examples_of_the_client(
    core: Environment, folder: Path, address: str, page: str
) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S)
    assert "localhost:8500" in example
    example = example.replace("localhost:8500", address) + "\nprint(len(detections))\n"
    done = run(core.bin / "python", "-c", example, folder=folder)
    assert done.stdout.splitlines()[-1] == "2"


def test_predict(core: Environment, folder: Path, address: str) -> None:
    rhymes, arguments = core.bin / "rhymes", ["predict", "tray.jpg", "--out", "out"]
    done = run(rhymes, *arguments, "--server", address, folder=folder)
    assert done.stdout.startswith("predict: 2 objects in 1 of 1 images -> out")
    assert (folder / "out/annotations.csv").is_file()
    assert not (folder / "out/drawings").exists()
    assert "pip install 'rhymes-detector[draw]'" in done.stderr


def test_what_needs_more_says_so(core: Environment, folder: Path) -> None:
    assert "Use a detector" in run(core.bin / "rhymes", "--help", folder=folder).stdout
    for command, extra in (("serve", "serve"), ("page", "page"), ("publish", "versions")):
        refused = run(core.bin / "rhymes", command, folder=folder, code=1)
        assert f"pip install 'rhymes-detector[{extra}]'" in refused.stderr
    doctor = run(core.bin / "rhymes", "doctor", folder=folder, code=1)
    assert "is no checkout of the project" in doctor.stderr


def test_the_page_outside_a_checkout(
    wheel: Path, folder: Path, address: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    page = Environment(tmp_path_factory.mktemp("page") / "venv", wheel, "[page]")
    assert not {"tensorflow", "dvc"} & page.distributions(folder)
    done = run(
        page.bin / "rhymes", "predict", "tray.jpg", "--out", "out", "--server", address,
        folder=folder,
    )  # fmt: skip
    assert "2 objects" in done.stdout
    assert (folder / "out/drawings/tray.jpg").is_file()
    (port,) = free_ports(1)
    command = [str(page.bin / "rhymes"), "page", "--server", address, "--port", str(port)]
    environment = {"PYTHONPATH": ""}
    with Child("the page", command, folder / "log", environment, folder) as running:
        running.wait_until(lambda: is_page(f"http://127.0.0.1:{port}"), 60)
    script = """
from pathlib import Path
import rhymes
from streamlit.testing.v1 import AppTest
at = AppTest.from_file(str(Path(rhymes.__file__).with_name("page") / "app/main.py"))
at.default_timeout = 60
at.run()
at.file_uploader[0].set_value([("tray.jpg", Path("tray.jpg").read_bytes(), "image/jpeg")])
at.run()
assert not at.exception, at.exception
assert not at.error, at.error
print(at.subheader[0].value)
"""
    environment_of_page = {"SERVING_ADDRESS": address}
    shown = subprocess.run(
        [page.bin / "python", "-c", script], cwd=folder, env=CLEAN | environment_of_page,
        capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert "2 objects" in shown.stdout
