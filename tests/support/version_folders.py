"""Version folders of models that need no TensorFlow, and what loads them."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc

from rhymes.serving.models.model_config import ModelConfig
from rhymes.versions.model_folder import save_manifest
from rhymes.wire.errors import WireError

TIMEOUT = 20.0  # seconds; nothing in these tests takes long
WEIGHTS = "variables/variables.data-00000-of-00001"


def make_files(content: str = "good") -> dict[str, bytes]:
    return {"saved_model.pb": content.encode(), WEIGHTS: content.encode() * 100}


def save_version(
    base: Path, version: int | str, content: str = "good", *, manifest: bool = True
) -> Path:
    """Put a version there at once, as a rename would."""
    aside = base.parent / f"{base.name}.aside"
    shutil.rmtree(aside, ignore_errors=True)
    for name, data in make_files(content).items():
        (aside / name).parent.mkdir(parents=True, exist_ok=True)
        (aside / name).write_bytes(data)
    if manifest:
        save_manifest(aside)
    folder = base / str(version)
    base.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    return aside.rename(folder)


class FakeServable:
    """Says what it was loaded from."""

    signatures: Mapping[str, Any] = {}

    def __init__(self, content: str) -> None:
        self.content = content
        self.closed = threading.Event()

    def run(
        self,
        signature: str,
        inputs: Mapping[str, Any],
        outputs: Sequence[str],
        timeout: float | None,
    ) -> dict[str, Any]:
        assert not self.closed.is_set(), "it was freed while it was in use"
        return {"content": self.content}

    def close(self) -> None:
        assert not self.closed.is_set(), "freed twice"
        self.closed.set()


class FakeLoader:
    """Loads fakes, refuses "bad" ones, and notes what it was asked for.

    With `block`, a load waits after it began until `resume` is set.
    """

    def __init__(self) -> None:
        self.loaded: list[FakeServable] = []
        self.attempts: list[str] = []
        self.block = False
        self.began = threading.Event()
        self.resume = threading.Event()

    def __call__(self, folder: Path) -> FakeServable:
        content = (folder / "saved_model.pb").read_text()
        self.attempts.append(content)
        self.began.set()
        if self.block:
            assert self.resume.wait(TIMEOUT)
        for name, data in make_files(content).items():
            assert not (folder / name).is_file() or (folder / name).read_bytes() == data, (
                "a folder was loaded that is not whole"
            )
            if not (folder / name).is_file():
                raise WireError(grpc.StatusCode.NOT_FOUND, f"{name} is missing")
        if content.startswith("bad"):
            raise WireError(grpc.StatusCode.DATA_LOSS, f"{content} is damaged")
        if content.startswith("crash"):
            raise RuntimeError(content)
        servable = FakeServable(content)
        self.loaded.append(servable)
        return servable


def make_config(base: Path, name: str = "m", **settings: Any) -> ModelConfig:
    return ModelConfig(name, base, **settings)
