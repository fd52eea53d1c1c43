"""What a training was made of, kept beside its checkpoint and carried into the SavedModel."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rhymes.common.files import file_to_sha256
from rhymes.common.params import section_to_dict
from rhymes.detector.settings import DataFacts, Model, TrainParams

_ROOT = Path(__file__).resolve().parent.parent
_PACKAGES = ("detector", "formats", "stages")


def build_record(
    params: TrainParams, model: Model, facts: DataFacts, data: Iterable[Path], weights: Path | None
) -> dict[str, Any]:
    """Describe a training before it runs, by contents alone: no path, no clock, no Git state.

    Args:
        params: the section `train`.
        model: the architecture, with `auto` decided.
        facts: of the data.
        data: the files that are trained and validated on.
        weights: the file of pretrained weights, if any.
    """
    settings = section_to_dict(params)
    # The same weights may lie elsewhere on another machine: their hash says which they are.
    del settings["pretrained"]
    return {
        "model": model,
        "classes": [{"id": i, "name": name} for i, name in enumerate(facts.class_names, start=1)],
        "params": settings,
        "pretrained": _weights_to_record(weights),
        "data": {"sha256": files_to_sha256(data)},
        "code": {"sha256": files_to_sha256(_own_modules(), _ROOT)},
    }


def files_to_sha256(paths: Iterable[Path], root: Path = Path()) -> str:
    """Return one SHA-256 over the paths, which are relative to `root`, and contents of files."""
    lines = sorted(f"{path.as_posix()} {file_to_sha256(root / path)}\n" for path in paths)
    return hashlib.sha256("".join(lines).encode("utf-8")).hexdigest()


def _weights_to_record(weights: Path | None) -> Mapping[str, str] | None:
    if weights is None:
        return None
    files = [weights]
    if weights.is_dir():
        files = sorted(path for path in weights.iterdir() if path.is_file())
    elif weights.suffix == ".index":
        files = sorted(weights.parent.glob(f"{weights.stem}.*"))
    if files == [weights]:
        return {"file": weights.name, "sha256": file_to_sha256(weights)}
    names = [Path(path.name) for path in files]
    return {"file": weights.name, "sha256": files_to_sha256(names, files[0].parent)}


def _own_modules() -> list[Path]:
    """Files of the project's own modules that this process has imported, relative to the root."""
    files = {
        Path(file).resolve()
        for name, module in list(sys.modules.items())
        if name.split(".")[0] in (*_PACKAGES, "__main__")
        and (file := getattr(module, "__file__", None))
    }
    return sorted(path.relative_to(_ROOT) for path in files if path.is_relative_to(_ROOT))
