"""What pyproject.toml says that the project needs, against requirements.in and the imports."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from itertools import chain

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT
from tools.deps import PACKAGES, all_imports, imported_packages

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
NAME: str = PROJECT["name"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]

ROOTS = {
    "draw": ["rhymes/detections/drawing.py"],
    "page": ["app", "rhymes/page/command.py"],
    "serve": ["rhymes/serving/serve.py"],
    "versions": [
        "rhymes/registry/publish.py", "rhymes/registry/fetch.py", "rhymes/data_diff/diff.py",
        "rhymes/corrections/merge.py",        "rhymes/project/why/explain.py",
    ],
    "train": ["stages"],
}  # fmt: skip
"""Extra -> files and folders that need no more than it and the core."""

CORE = ("rhymes.cli", "rhymes.client.client", "rhymes.predictions.predict", "rhymes.project.doctor")
"""Modules that need the core alone."""

BROUGHT = {"tf_keras": "tf-models-official", "pydantic_core": "pydantic", "ml_dtypes": None}
"""Packages that others bring: which distribution, or None where they are used if they are there."""


def pins(requirements: Iterable[str]) -> set[tuple[str, str]]:
    """Names and versions, without extras and markers, of those that are not ours."""
    parsed = [Requirement(text) for text in requirements]
    return {
        (canonicalize_name(each.name), str(each.specifier)) for each in parsed if each.name != NAME
    }


def needed(extra: str) -> set[str]:
    """Names of the distributions that the core and an extra ask for, directly."""
    found: set[str] = set()
    for requirement in map(Requirement, [*PROJECT["dependencies"], *EXTRAS[extra]]):
        if requirement.name == NAME:
            found |= {name for inner in requirement.extras for name in needed(inner)}
        else:
            found.add(canonicalize_name(requirement.name))
    return found


def load_requirements(path: str) -> list[str]:
    """The requirements of a file, without comments and constraints."""
    lines = [line.partition("#")[0].strip() for line in (ROOT / path).read_text().splitlines()]
    return [line for line in lines if line and not line.startswith("-c ")]


def test_extras_are_what_requirements_in_asks_for() -> None:
    asked = pins(load_requirements("requirements.in"))
    said = [*PROJECT["dependencies"], *chain.from_iterable(EXTRAS.values())]
    assert pins(said) == asked


def test_the_page_in_its_container_is_the_extra() -> None:
    asked = {name for name, _ in pins(load_requirements("deploy/requirements-app.in"))}
    assert asked == needed("page")


@pytest.mark.parametrize("extra", ROOTS)
def test_an_extra_has_what_its_modules_import(extra: str) -> None:
    known = importlib.metadata.packages_distributions()
    roots = [
        path.relative_to(ROOT)
        for name in ROOTS[extra]
        for path in ((ROOT / name).rglob("*.py") if (ROOT / name).is_dir() else [ROOT / name])
    ]
    names = needed(extra)
    for path in sorted({path for root in roots for path in {root, *all_imports(root)}}):
        for package in imported_packages(path) - {*sys.stdlib_module_names, *PACKAGES}:
            distributions = {canonicalize_name(each) for each in known.get(package, [])}
            if package in BROUGHT:
                distributions = {name} if (name := BROUGHT[package]) else names
            assert distributions & names, f"{path} imports {package}"


@pytest.mark.parametrize("module", CORE)
def test_the_core_imports_what_the_core_brings(module: str) -> None:
    """Imported in a process in which no other distribution is there."""
    allowed = sorted(set(closure(PROJECT["dependencies"])))
    code = f"""
import importlib, importlib.metadata, sys
allowed = set({allowed!r})
known = importlib.metadata.packages_distributions()
class Absent:
    def find_spec(self, name, path=None, target=None):
        owners = known.get(name.partition('.')[0], [])
        if owners and not allowed & {{each.lower().replace('_', '-') for each in owners}}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)
sys.meta_path.insert(0, Absent())
importlib.import_module({module!r})
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def closure(requirements: Iterable[str]) -> Iterable[str]:
    """Names of distributions with all that they need, as installed here."""
    waiting, seen = list(requirements), set[str]()
    while waiting:
        requirement = Requirement(waiting.pop())
        name = canonicalize_name(requirement.name)
        if name in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(name)
        waiting += importlib.metadata.requires(name) or []
    return seen


def test_the_core_is_light() -> None:
    heavy = {"tensorflow", "dvc", "streamlit", "pandas", "scipy", "matplotlib", "supervision"}
    assert not heavy & set(closure(PROJECT["dependencies"]))


def test_clouds_are_those_of_the_locked_dvc() -> None:
    (dvc,) = re.findall(r"^dvc(==\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    for extra, cloud in (("s3", "s3"), ("gs", "gs"), ("az", "azure")):
        assert f"dvc[{cloud}]{dvc}" in EXTRAS[extra]
    provided = importlib.metadata.metadata("dvc").get_all("Provides-Extra") or []
    assert {"s3", "gs", "azure"} <= set(provided)
