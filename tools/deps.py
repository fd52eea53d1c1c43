"""Write each stage's modules, and the curves of each metric, into dvc.yaml: `make deps`.

A stage's `deps` name exactly the modules that it imports, directly or through others, so that a
change of code runs those stages again that use it, and no other. They are read from the text of the
modules, with what these load from a file of their own name; what a stage reads besides stays as it
was written by hand, above them.

The plots of the training's validations name a file for each headline metric of
`rhymes.metrics.catalogue`.
"""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path

from rhymes.metrics.catalogue import IouType, metrics

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("rhymes", "stages", "app", "tools", "bench")
DVC_FILE = ROOT / "dvc.yaml"

_STAGE = re.compile(r"  (\w+):\n")
_OURS = re.compile(rf"    - (?:{'|'.join(PACKAGES)})/\S+\n")
# Lines of a plot: a curve each of boxes, or of masks.
_CURVE = "      reports/train/plots/metrics/val/{0}.tsv: {0}\n"
_CURVES = re.compile(r"(?:      reports/train/plots/metrics/val/(\w+)\.tsv: \1\n)+")


def module_path(name: str) -> Path | None:
    """The file of a module of ours, relative to the root; None for other people's."""
    if name.split(".")[0] not in PACKAGES:
        return None
    base = ROOT.joinpath(*name.split("."))
    if base.is_dir():
        return base.relative_to(ROOT) / "__init__.py"
    path = base.with_suffix(".py")
    return path.relative_to(ROOT) if path.is_file() else None


def imported_packages(path: Path) -> set[str]:
    """Top-level packages that a file imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@cache
def direct_imports(path: Path) -> frozenset[Path]:
    """Files of ours that a file imports, wherever in it the import stands."""
    found = set(_listed_modules(path))
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from package import module` names a module, `from module import name` does not.
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        found |= {found_path for name in names if (found_path := module_path(name))}
    return frozenset(each for each in found if each != path and _has_code(each))


def _listed_modules(path: Path) -> list[Path]:
    """The modules that a package imports because they are there (`pkgutil.iter_modules`)."""
    called = (node.func for node in ast.walk(_tree(path)) if isinstance(node, ast.Call))
    if not any(isinstance(each, ast.Attribute) and each.attr == "iter_modules" for each in called):
        return []
    return [each.relative_to(ROOT) for each in (ROOT / path).parent.glob("*.py")]


def _has_code(path: Path) -> bool:
    """Whether a file is more than the docstring of a package."""
    return path.name != "__init__.py" or len(_tree(path).body) > 1


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


@cache
def all_imports(path: Path) -> frozenset[Path]:
    """Files of ours that a file imports, directly or through others, without itself."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        new = direct_imports(waiting.pop()) - found
        found |= new
        waiting.extend(new)
    return frozenset(found - {path})


def stage_modules(stage: str) -> list[str]:
    """A stage's own module and all that it imports, as dvc.yaml names them, sorted.

    A file beside a module with the module's name and another ending is what that module loads.
    """
    module = Path(f"stages/{stage}.py")
    return sorted(
        beside.relative_to(ROOT).as_posix()
        for path in {module, *all_imports(module)}
        for beside in (ROOT / path).parent.glob(f"{path.stem}.*")
    )


def text_with_modules(text: str) -> str:
    """Return dvc.yaml's text with each stage's modules as they are imported now."""
    lines: list[str] = []
    stage, inside = "", False
    for line in text.splitlines(keepends=True):
        if inside and not line.startswith("    - "):
            lines += [f"    - {module}\n" for module in stage_modules(stage)]
            inside = False
        if found := _STAGE.fullmatch(line):
            stage = found[1]
        inside = inside or (bool(stage) and line == "    deps:\n")
        if not (inside and _OURS.fullmatch(line)):
            lines.append(line)
    return "".join(lines)


def text_with_curves(text: str) -> str:
    """Return dvc.yaml's text with a curve for each headline metric, in the plots that have some."""

    def curves(found: re.Match[str]) -> str:
        iou_type: IouType = "segm" if "/mask_" in found[0] else "bbox"
        shown = metrics(iou_type, is_headline=True)
        return "".join(_CURVE.format(metric.key) for metric in shown)

    return _CURVES.sub(curves, text)


def current_text(text: str) -> str:
    """Return dvc.yaml's text as code and catalogue are now."""
    return text_with_curves(text_with_modules(text))


def main() -> int:
    """Rewrite dvc.yaml where it is stale; return the exit code."""
    text = DVC_FILE.read_text(encoding="utf-8")
    new = current_text(text)
    if new == text:
        print("dvc.yaml names the modules and curves that there are.")
        return 0
    aside = DVC_FILE.with_name(".dvc.yaml.part")
    aside.write_text(new, encoding="utf-8")
    aside.replace(DVC_FILE)
    print("dvc.yaml now names the modules and curves that there are.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
