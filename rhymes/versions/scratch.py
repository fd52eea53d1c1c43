"""Folders for what must survive a stage: DVC deletes a stage's outputs before it runs."""

from __future__ import annotations

from pathlib import Path

from rhymes.common.errors import InputError
from rhymes.versions.dvc import load_cache_folder


def scratch_folder(name: str, root: Path = Path()) -> Path:
    """Return the folder `.dvc/tmp/rhymes/<name>` of the main repository; it is made if need be.

    `dvc exp run --temp` and `--queue` run in a new copy under the main repository's
    `.dvc/tmp/exps/`, with that repository's cache folder in the copy's `.dvc/config.local`
    (dvc/repo/experiments/executor/local.py). So the main repository is the one whose `.dvc` holds
    the cache folder. A clone that uses another clone's cache shares its scratch as well. Where
    the cache is no part of a repository (a shared one, `/srv/dvc-cache`), an experiment is known
    by the `.dvc/tmp/exps` in its own path, and any other repository keeps its scratch itself.

    Args:
        name: of the folder; whoever writes there keys what it writes by what determines it.
        root: the repository's root, by default the current folder.

    Raises:
        InputError: `root` is not the root of a DVC repository, or its configuration is broken.
    """
    own = (root / ".dvc").resolve()
    if not own.is_dir():
        raise InputError(f"{own}: not found; run this in the root of the repository")
    folder = _main_dvc_folder(own) / "tmp" / "rhymes" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _main_dvc_folder(own: Path) -> Path:
    cache = load_cache_folder(own)
    if cache.parent.name == ".dvc" and cache.parent.is_dir():
        return cache.parent
    for parent in own.parents:
        if parent.parts[-3:] == (".dvc", "tmp", "exps"):
            return parent.parent.parent
    return own
