"""The rules of the house that no single module can hold: layers, DVC's deps, parameters."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from formats.params import load_params, load_section
from tests.imports import PACKAGES, ROOT, all_imports, direct_imports

ALLOWED = {
    "formats": {"formats"},
    "detector": {"detector", "formats"},
    "serving": {"serving", "formats"},
    "app": {"app", "serving", "formats"},
    "stages": {"stages", "detector", "serving", "formats"},
    "tools": {"tools", "app", "detector", "serving", "formats"},
    "bench": {"bench", "tools", "app", "stages", "detector", "serving", "formats"},
}
STAGES = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
MODULES = sorted(
    path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py")
)


def imported_packages(path: Path) -> set[str]:
    """Top-level packages that a file imports."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_go_one_way(path: Path) -> None:
    package = path.parts[0]
    assert {imported.parts[0] for imported in direct_imports(path)} <= ALLOWED[package]
    if package not in ("detector", "bench"):  # bench measures against it
        assert "official" not in imported_packages(path), "Model Garden stays in detector/"
    if package == "formats":
        assert "tensorflow" not in imported_packages(path), "formats/ is light to import"
    if package == "app":
        heavy = {"tensorflow", "tensorflow_serving", "dvc"} & imported_packages(path)
        assert not heavy, "the page holds no model and takes no lock"
    if package == "serving" and path.name not in ("saved_model.py", "declarations.py"):
        heavy = {"tensorflow", "tensorflow_serving"} & imported_packages(path)
        assert not heavy, "clients are light to import"


@pytest.mark.parametrize("stage", STAGES)
def test_deps_of_a_stage_name_the_modules_that_it_imports(stage: str) -> None:
    module = Path(f"stages/{stage}.py")
    declared = {dep for dep in STAGES[stage]["deps"] if dep.endswith(".py")}
    needed = {module.as_posix(), *(path.as_posix() for path in all_imports(module))}
    assert declared == needed


@pytest.mark.parametrize("stage", STAGES)
def test_params_of_a_stage_are_the_sections_that_it_loads(stage: str) -> None:
    tree = ast.parse((ROOT / f"stages/{stage}.py").read_text(encoding="utf-8"))
    loaded = {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "load_section"
        and isinstance(node.args[0], ast.Constant)
    }
    assert loaded == set(STAGES[stage]["params"])


def test_every_section_of_params_yaml_is_what_its_stage_declares() -> None:
    from detector.settings import TrainParams

    declared = {"train": TrainParams}
    for stage in STAGES:
        if stage != "train":
            module = importlib.import_module(f"stages.{stage}")
            for name in STAGES[stage]["params"]:
                declared[name] = getattr(module, f"{name.capitalize()}Params")
    assert set(load_params(ROOT / "params.yaml")) == set(declared)
    for name, section in declared.items():
        assert isinstance(load_section(name, section, ROOT / "params.yaml"), section)


def test_weights_that_change_under_the_same_name_are_noticed() -> None:
    assert "${train.pretrained}" in STAGES["train"]["deps"]
    for name in ("none", "imagenet"):
        assert (ROOT / name).is_file(), "DVC needs a file for each value that is no path"
