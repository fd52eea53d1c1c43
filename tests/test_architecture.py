"""The rules of the house that no single module can hold: layers, DVC's deps, parameters."""

from __future__ import annotations

import ast
import importlib
import inspect
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from rhymes import client
from rhymes.cli import COMMANDS
from rhymes.common.params import load_params, load_section
from rhymes.metrics import catalogue
from tools.deps import (
    DVC_FILE,
    PACKAGES,
    ROOT,
    current_text,
    direct_imports,
    imported_packages,
)

ORDER = (
    "__main__",
    "cli",
    "project",
    "detector",
    "convert",
    ("predictions", "registry", "corrections"),
    "metrics",
    ("data_diff", "client", "serving", "page"),
    "versions",
    "detections",
    "coco",
    "export",
    "images",
    "wire",
    "common",
)
"""The library from the top down: each package imports what stands below it, none beside it."""
PAGE = ("predictions", "metrics", "registry", "client", *ORDER[8:])
"""What the page may import of the library."""


def order_to_allowed() -> dict[str, set[str]]:
    """For each package: the packages of ours that it may import, without itself."""
    levels = [(level,) if isinstance(level, str) else level for level in ORDER]
    library = {f"rhymes.{name}" for level in levels for name in level}
    allowed = {
        f"rhymes.{name}": {f"rhymes.{lower}" for below in levels[i + 1 :] for lower in below}
        for i, level in enumerate(levels)
        for name in level
    }
    allowed["rhymes.sample"] = {"rhymes.common"}
    allowed["app"] = {f"rhymes.{name}" for name in PAGE}
    library -= {"rhymes.__main__", "rhymes.cli"}
    allowed["stages"] = library - {"rhymes.project"} | {"rhymes.sample"}
    allowed["rhymes.project"].add("stages")  # its commands run in a checkout alone
    allowed["tools"] = library | {"app"}
    allowed["bench"] = library | {"app", "stages", "tools"}
    return allowed


ALLOWED = order_to_allowed()
OFFERED = {client.__name__: set(client.__all__)}
"""Package -> names that its __init__ gives."""
STAGES = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
MODULES = sorted(
    path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py")
)


def package_of(path: Path) -> str:
    """`rhymes.<package>`, also for a module that lies beside them, or the folder at the top."""
    return ".".join(path.with_suffix("").parts[:2]) if path.parts[0] == "rhymes" else path.parts[0]


def test_the_order_names_every_package() -> None:
    library = {f"rhymes.{each.parent.name}" for each in (ROOT / "rhymes").glob("*/__init__.py")}
    library |= {f"rhymes.{each.stem}" for each in (ROOT / "rhymes").glob("[!_]*.py")}
    library |= {"rhymes.__main__"}
    assert library == {name for name in ALLOWED if name.startswith("rhymes.")}


@pytest.mark.parametrize(
    "path", [each for each in MODULES if each.parts[1:] != ("__init__.py",)], ids=str
)
def test_imports_go_one_way(path: Path) -> None:
    package = package_of(path)
    assert {package_of(each) for each in direct_imports(path)} <= ALLOWED[package] | {package}
    imported = imported_packages(path)
    if package not in ("rhymes.detector", "bench"):  # bench measures against it
        assert "official" not in imported, "Model Garden stays in rhymes/detector/"
    if package.startswith("rhymes.") and package != "rhymes.detector":
        heavy = {"tensorflow", "tensorflow_serving"} & imported
        allowed = path.name in ("saved_model.py", "declarations.py")
        assert not heavy or allowed, "only the detector and the loading of a served model need it"
    if package == "app":
        heavy = {"tensorflow", "tensorflow_serving", "dvc"} & imported
        assert not heavy, "the page holds no model and takes no lock"


def test_tests_share_what_lies_in_support() -> None:
    """A test module imports no other one: what two need is in tests/support or a conftest."""
    borrowed = {
        (path.relative_to(ROOT).as_posix(), module)
        for path in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        and (module := node.module or "").startswith("tests.")
        and not module.startswith("tests.support.")
        and not module.endswith(".conftest")
    }
    assert not borrowed


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_lie_where_the_help_says(name: str) -> None:
    module = importlib.import_module(COMMANDS[name].module)
    assert list(inspect.signature(module.main).parameters) == ["arguments"]


def test_modules_import_each_other_by_their_full_names() -> None:
    """What a package's __init__ gives to users of the library is no dependency that DVC is told."""
    for path in MODULES:
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module in OFFERED:
                assert not OFFERED[node.module] & {alias.name for alias in node.names}, path


def test_the_sample_is_drawn_by_its_stage_alone() -> None:
    importers = {
        path for path in MODULES if "rhymes.sample" in map(package_of, direct_imports(path))
    }
    assert {path for path in importers if package_of(path) != "rhymes.sample"} == {
        Path("stages/sample.py")
    }


def test_dvc_yaml_names_what_its_stages_import_and_the_curves_that_they_draw() -> None:
    text = DVC_FILE.read_text(encoding="utf-8")
    assert current_text(text) == text, "stale: run `make deps`"


@pytest.mark.usefixtures("coco_metrics")
def test_a_new_headline_metric_gets_its_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    added = replace(catalogue.find_metric("mask_AP50"), name="AP90")
    monkeypatch.setattr(catalogue, "METRICS", (*catalogue.METRICS, added))
    new = current_text(DVC_FILE.read_text(encoding="utf-8"))
    (masks,) = (
        each["Average precision of masks (val)"]
        for each in YAML(typ="safe").load(new)["plots"]
        if "Average precision of masks (val)" in each
    )
    folder = "reports/train/plots/metrics/val"
    assert masks["y"] == {
        f"{folder}/{key}.tsv": key for key in ("mask_AP", "mask_AP50", "mask_AP90")
    }


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
    from rhymes.detector.settings import TrainParams

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
    assert "pretrained/${train.pretrained}" in STAGES["train"]["deps"]
    for name in ("none", "imagenet"):
        assert (ROOT / "pretrained" / name).is_file(), "DVC needs a file for each value"
