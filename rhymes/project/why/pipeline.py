"""dvc.yaml and the files as they lie -> each stage as dvc.lock would have it if it ran now.

Only what this project's dvc.yaml uses is read: templates of params.yaml (`${raw.export}`), whole
sections as params, one file of params. DVC itself is not asked: it waits for a lock while a stage
runs, and does not say which files of a folder changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from rhymes.common.errors import InputError
from rhymes.common.params import PARAMS_FILE, flatten, load_params
from rhymes.versions.dvc import LockedStage, file_to_md5, files_to_md5

MISSING = ""
"""Stands for the md5 of what is not there."""

_TEMPLATE = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True)
class Pipeline:
    """The stages of a dvc.yaml, by name, in its order, as the files as they lie make them.

    Attributes:
        stages: What dvc.lock would say; of a missing file the md5 is `MISSING`.
        folders: For each folder among deps and outs its files: path below it -> md5.
    """

    stages: Mapping[str, LockedStage]
    folders: Mapping[str, Mapping[str, str]]

    def writer(self, path: str) -> str | None:
        """Name the stage that writes a path, or a file in it; None where it is no output."""
        for name, stage in self.stages.items():
            if any(is_below(path, out) or is_below(out, path) for out in stage.outs):
                return name
        return None


def is_below(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies in it."""
    return PurePosixPath(path).is_relative_to(folder)


def load_pipeline(root: Path) -> Pipeline:
    """Read dvc.yaml and params.yaml, and hash what they name; this reads all of the data.

    Raises:
        InputError: One of the two cannot be read, or dvc.yaml has what is not understood here.
    """
    params = load_params(root / PARAMS_FILE)
    declared = load_params(root / "dvc.yaml").get("stages")
    if not isinstance(declared, dict):
        raise InputError("dvc.yaml: no stages")
    filled = {name: _fill(stage, params, name) for name, stage in declared.items()}
    paths = sorted({str(p) for s in filled.values() for key in ("deps", "outs") for p in s[key]})
    hasher = _Hasher(root)
    bar = tqdm(paths, "hash", unit=" paths", disable=None, leave=False)
    md5s = {path: hasher.path_to_md5(path) for path in bar}
    stages = {
        name: LockedStage(
            {path: md5s[path] for path in stage["deps"]},
            {section: params.get(section) for section in stage["params"]},
            {path: md5s[path] for path in stage["outs"]},
            stage["cmd"],
        )
        for name, stage in filled.items()
    }
    return Pipeline(stages, hasher.folders)


def _fill(stage: Any, params: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Put the values of params.yaml into a stage's templates."""
    values = dict(flatten(params))

    def fill(text: object) -> str:
        if not isinstance(text, str):
            raise InputError(f"dvc.yaml: {name}: {text!r} is not understood here; write a text")
        unknown = [key for key in _TEMPLATE.findall(text) if key not in values]
        if unknown:
            raise InputError(f"dvc.yaml: {name}: params.yaml has no {unknown[0]}")
        return _TEMPLATE.sub(lambda match: str(values[match[1]]), text)

    if not isinstance(stage, dict) or not isinstance(stage.get("cmd"), str):
        raise InputError(f"dvc.yaml: {name}: needs a cmd that is one text")
    lists = {
        key: [
            fill(next(iter(each)) if isinstance(each, dict) else each)
            for each in stage.get(key, [])
        ]
        for key in ("deps", "params", "outs")
    }
    return {"cmd": fill(stage["cmd"]), **lists}


class _Hasher:
    """Hashes files once, whatever names them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[Path, str] = {}
        self.folders: dict[str, dict[str, str]] = {}

    def path_to_md5(self, path: str) -> str:
        whole = self._root / path
        if not whole.is_dir():
            return self._file(whole)
        found = {
            each.relative_to(whole).as_posix(): self._file(each)
            for each in sorted(whole.rglob("*"))
            if each.is_file() and not _is_ignored(each.relative_to(whole))
        }
        # A stage that runs at the moment may have removed some.
        self.folders[path] = {name: md5 for name, md5 in found.items() if md5 != MISSING}
        return files_to_md5(self.folders[path])

    def _file(self, path: Path) -> str:
        if path not in self._files:
            try:
                self._files[path] = file_to_md5(path)
            except (FileNotFoundError, NotADirectoryError):
                return MISSING
        return self._files[path]


def _is_ignored(path: Path) -> bool:
    """As .dvcignore has it."""
    return path.suffix == ".pyc" or "__pycache__" in path.parts
