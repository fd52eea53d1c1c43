"""A published version's bytes, from DVC's cache or its remote, checked by both of their hashes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tqdm import tqdm

from rhymes.common.errors import InputError
from rhymes.registry.commands import run_dvc
from rhymes.registry.published_versions import PublishedVersion
from rhymes.registry.tags import ARTIFACT, MODEL
from rhymes.versions.dvc import (
    folder_to_md5,
    load_cache_folder,
    load_default_remote,
    load_folder_files,
    object_path,
)
from rhymes.versions.model_folder import check_files, load_identity, load_manifest

_CHUNK = 1 << 20


def save_version(root: Path, version: PublishedVersion, aside: Path) -> Path:
    """Write a version's files below an empty folder, and check them.

    This machine's cache is asked first; DVC is started where it lacks a file.

    Args:
        root: of the repository in which the version is published.
        version: to write.
        aside: the empty folder.

    Returns:
        The version's own folder.

    Raises:
        InputError: the bytes are not to be had, or are not those that were published.
    """
    cache = load_cache_folder((root / ".dvc").resolve())
    model = aside / "model"
    files = _find_cached(cache, version.provenance.md5)
    if files is not None:
        _copy_files(cache, files, model, f"{ARTIFACT} {version.number}")
    else:
        _download(root, version, model.resolve())
    return _check_model(model, version)


def _download(root: Path, version: PublishedVersion, model: Path) -> None:
    remote = load_default_remote((root / ".dvc").resolve())
    if remote is None:
        raise InputError(
            f"{ARTIFACT} {version.number}: not in this machine's cache, and there is no DVC "
            "remote; where it was published: dvc remote add --default NAME URL, commit .dvc/config,"
            f" and dvc push --all-tags {MODEL}"
        )
    # DVC's own command for one path of one commit. The remote is today's: the commit may be older.
    commit = str(version.tag.commit)
    what = (str(root.resolve()), str(MODEL), "--rev", commit, "--remote", remote)
    run_dvc(root, "get", *what, "--out", str(model))


def _find_cached(cache: Path, md5: str) -> dict[str, str] | None:
    """Path -> md5 of a folder of which the cache has every file; None where one is missing."""
    if not object_path(cache, md5).is_file():
        return None
    files = load_folder_files(cache, md5, str(MODEL))
    return files if all(object_path(cache, each).is_file() for each in files.values()) else None


def _copy_files(cache: Path, files: dict[str, str], folder: Path, title: str) -> None:
    sources = {path: object_path(cache, md5) for path, md5 in sorted(files.items())}
    total = sum(source.stat().st_size for source in sources.values())
    with tqdm(total=total, desc=title, unit="B", unit_scale=True, disable=None) as bar:
        for path, source in sources.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            digest = hashlib.md5(usedforsecurity=False)
            # Written anew, not linked: a link would share the cache's bytes and its rights.
            with source.open("rb") as read, target.open("xb") as written:
                while chunk := read.read(_CHUNK):
                    digest.update(chunk)
                    written.write(chunk)
                    bar.update(len(chunk))
            if digest.hexdigest() != files[path]:
                raise InputError(
                    f"{source}: its bytes are not those of its name; remove it, and the same "
                    "command again takes it from the DVC remote"
                )


def _check_model(model: Path, version: PublishedVersion) -> Path:
    """Check that a folder is what was published, to the byte; return the version's own folder."""
    title = f"{ARTIFACT} {version.number}"
    if model.is_symlink() or any(path.is_symlink() for path in model.rglob("*")):
        raise InputError(
            f"{title}: DVC made links instead of files; `dvc config cache.type reflink,copy`"
        )
    if folder_to_md5(model) != version.provenance.md5:
        raise InputError(f"{title}: the bytes are not those of the tag {version.tag.name}")
    folder = model / str(version.number)
    if [path.name for path in model.iterdir()] != [folder.name]:
        raise InputError(f"tag {version.tag.name}: its {MODEL} is not version {version.number}")
    if load_identity(folder) != version.provenance.identity:
        raise InputError(f"tag {version.tag.name}: it is about a model with another manifest")
    check_files(folder, load_manifest(folder) or [])
    return folder
