"""Where a training keeps its progress while it runs, and for how long.

The folder is `.dvc/tmp/rhymes/training/<key>/` of the main repository, because DVC deletes a
stage's outputs before it runs; the key is a hash of all that determines the training, so that other
parameters, data or code never go on from it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from rhymes.common.errors import InputError
from rhymes.detector.progress import Progress, load_progress, save_progress
from rhymes.versions.scratch import scratch_folder

_LIBRARIES = ("tensorflow", "tf-models-official", "tf-keras", "numpy")
_PROGRESS, _LOCK = "progress", "lock"
_FORGOTTEN = 14 * 24 * 3600.0  # seconds after which an abandoned training's progress goes


class Checkpoints:
    """Progress of one training, kept while this process holds the training's lock.

    Args:
        folder: of this training.
        pause: least seconds between two saves that nobody asked for.
    """

    def __init__(self, folder: Path, pause: float) -> None:
        self._path = folder / _PROGRESS
        self._pause = pause
        self._saved = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the last save lies long enough behind."""
        return time.monotonic() - self._saved >= self._pause

    def load(self) -> Progress | None:
        """The last progress, if there is one; one that is broken is told and left out."""
        try:
            return load_progress(self._path)
        except InputError as error:
            print(f"train: {error}; the training begins anew", file=sys.stderr, flush=True)
            return None

    def save(self, progress: Progress) -> None:
        """Replace the last progress."""
        save_progress(self._path, progress)
        self._saved = time.monotonic()


@contextmanager
def open_checkpoints(
    record: Mapping[str, Any], root: Path = Path(), pause: float = 60.0
) -> Iterator[Checkpoints]:
    """Hold the lock of the training that `record` describes; forget its progress when it is done.

    Done is a block that ends without an error; after a kill or an error the progress stays.

    Args:
        record: of `rhymes.detector.record`: parameters, data, code.
        root: of the repository.
        pause: seconds, see `Checkpoints`.

    Raises:
        InputError: another process runs the same training.
    """
    base = scratch_folder("training", root)
    key = _record_to_key(record)
    _forget_abandoned(base, key)
    folder = base / key
    folder.mkdir(exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                "a training with the same parameters, data and code is running already; wait for "
                "it (its result will be taken from DVC's run cache), or change train.seed"
            ) from None
        yield Checkpoints(folder, pause)
        shutil.rmtree(folder, ignore_errors=True)


def _record_to_key(record: Mapping[str, Any]) -> str:
    versions = {name: metadata.version(name) for name in _LIBRARIES}
    text = json.dumps([record, versions], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:32]


def _forget_abandoned(base: Path, key: str) -> None:
    """Remove progress that nobody has gone on from for two weeks."""
    for folder in base.iterdir():
        if folder.name == key or not folder.is_dir():
            continue
        if time.time() - folder.stat().st_mtime > _FORGOTTEN:
            shutil.rmtree(folder, ignore_errors=True)
