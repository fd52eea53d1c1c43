"""What a module imports, read from its text: the ground truth for layers and for DVC's deps."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("stages", "formats", "detector", "serving", "app", "tools", "bench")


def module_path(name: str) -> Path | None:
    """The file of a module of ours, relative to the root; None for other people's."""
    if name.split(".")[0] not in PACKAGES:
        return None
    base = ROOT.joinpath(*name.split("."))
    if base.is_dir():
        return base.relative_to(ROOT) / "__init__.py"
    path = base.with_suffix(".py")
    return path.relative_to(ROOT) if path.is_file() else None


def direct_imports(path: Path) -> set[Path]:
    """Files of ours that a file imports, wherever in it the import stands."""
    found: set[Path] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from package import module` names a module, `from module import name` does not.
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        found |= {found_path for name in names if (found_path := module_path(name))}
    return {each for each in found if each.name != "__init__.py" and each != path}


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
