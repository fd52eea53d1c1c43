"""What DVC's files say: dvc.lock, the cache, the configuration; read without DVC.

The format is DVC's schema 2.0 (dvc/schema.py): stages by name, each with deps, params and outs, an
out with its md5. A folder's md5 ends in `.dir` and is that of a JSON list of its files, md5 and
relpath; the cache keeps what has an md5 under files/md5/<two digits>/<the others>.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import platformdirs
import yaml
from configobj import ConfigObj, ConfigObjError  # type: ignore[import-untyped]
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from rhymes.common.errors import InputError

_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")


@dataclass(frozen=True)
class Lock:
    """What a dvc.lock says of the outputs.

    Attributes:
        outs: Path of an output -> its md5, with `.dir` for a folder.
    """

    outs: Mapping[str, str]


@dataclass(frozen=True)
class LockedStage:
    """What a stage ran with and what it wrote, when it last ran to its end.

    Attributes:
        deps: Path of a dependency -> its md5, with `.dir` for a folder.
        params: Sections of params.yaml that it depends on, with their values.
        outs: As of a lock.
        cmd: Its command; a list of commands is one text, a line each.
    """

    deps: Mapping[str, str]
    params: Mapping[str, Any]
    outs: Mapping[str, str]
    cmd: str = ""


def text_to_lock(text: str | bytes, where: str) -> Lock:
    """Read a dvc.lock.

    Args:
        text: Its content.
        where: What to call it in errors.

    Raises:
        InputError: it is no dvc.lock of schema 2.0.
    """
    try:
        # Every scalar as text: ten times as fast, and no hash is taken for a number.
        value = yaml.load(text, yaml.CBaseLoader)  # noqa: S506 - a loader of text alone
        outs = {
            str(out["path"]): str(out["md5"])
            for stage in value["stages"].values()
            for out in stage.get("outs", [])
            if "md5" in out
        }
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{where}: not a dvc.lock of schema 2.0 ({type(error).__name__})"
        ) from None
    for path, md5 in outs.items():
        if not _MD5.fullmatch(md5):
            raise InputError(f"{where}: {path} has the md5 {md5!r}, which is none")
    return Lock(outs)


def text_to_stages(text: str | bytes, where: str) -> dict[str, LockedStage]:
    """Read the stages of a dvc.lock; parameters have their types, which takes a second.

    Args:
        text: Its content.
        where: What to call it in errors.

    Raises:
        InputError: it is no dvc.lock of schema 2.0.
    """
    text_to_lock(text, where)
    try:
        # By YAML 1.2, as DVC wrote it and as params.yaml is read.
        stages = YAML(typ="safe", pure=True).load(text)["stages"]
        return {name: _value_to_stage(value) for name, value in stages.items()}
    except (YAMLError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{where}: not a dvc.lock of schema 2.0 ({type(error).__name__})"
        ) from None


def _value_to_stage(value: Mapping[str, Any]) -> LockedStage:
    params = {
        section: values
        for sections in value.get("params", {}).values()
        for section, values in sections.items()
    }
    deps, outs = (
        {str(entry["path"]): str(entry["md5"]) for entry in value.get(key, []) if "md5" in entry}
        for key in ("deps", "outs")
    )
    cmd = value.get("cmd", "")
    return LockedStage(deps, params, outs, cmd if isinstance(cmd, str) else "\n".join(cmd))


def folder_to_md5(folder: Path, prefix: str = "") -> str:
    """Hash a folder as DVC does (dvc_data/hashfile/tree.py), with `.dir`; links are followed.

    Args:
        folder: All files below it count.
        prefix: What stands before their paths, such as `1/` for a folder of the one hashed.
    """
    paths = (path for path in folder.rglob("*") if path.is_file())
    return files_to_md5(
        {prefix + path.relative_to(folder).as_posix(): file_to_md5(path) for path in paths}
    )


def files_to_md5(files: Mapping[str, str]) -> str:
    """Hash a folder of which path and md5 of each file are known."""
    entries = [{"md5": md5, "relpath": path} for path, md5 in sorted(files.items())]
    return hashlib.md5(json.dumps(entries).encode(), usedforsecurity=False).hexdigest() + ".dir"


def file_to_md5(path: Path) -> str:
    """Return the md5 of a file's bytes as 32 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def object_path(cache: Path, md5: str) -> Path:
    """Where the cache keeps what has an md5."""
    return cache / "files" / "md5" / md5[:2] / md5[2:]


def load_output(lock: Lock, cache: Path, path: str) -> bytes | None:
    """Read a file of an output, or an output that is a file, from the cache.

    Args:
        lock: That names the output.
        cache: DVC's cache folder.
        path: Of the file, relative to the repository, by `/`.

    Returns:
        Its bytes; None where the lock has no such output, or the folder no such file.

    Raises:
        InputError: the cache does not hold it, or what it holds is broken.
    """
    found = find_output(lock, cache, path)
    return None if found is None else _load_object(cache, found, path)


def find_output(lock: Lock, cache: Path, path: str) -> str | None:
    """Return the md5 of a file of an output, or of an output that is a file; see `load_output`."""
    wanted = PurePosixPath(path)
    for out, md5 in lock.outs.items():
        if out == path and not md5.endswith(".dir"):
            return md5
        if md5.endswith(".dir") and wanted.is_relative_to(out):
            inside = wanted.relative_to(out).as_posix()
            return load_folder_files(cache, md5, out).get(inside)
    return None


def load_folder_files(cache: Path, md5: str, path: str) -> dict[str, str]:
    """Read the list of a folder's files from the cache.

    Args:
        cache: DVC's cache folder.
        md5: Of the folder, with `.dir`.
        path: What to call it in errors.

    Returns:
        Path below the folder -> md5.

    Raises:
        InputError: the cache does not hold it, or it names what lies outside the folder.
    """
    data = _load_object(cache, md5, path)
    try:
        entries: list[dict[str, Any]] = json.loads(data)
        files = {str(entry["relpath"]): str(entry["md5"]) for entry in entries}
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: the cache's list of its files ({md5}) is broken") from None
    for name, digest in files.items():
        if not _MD5.fullmatch(digest):
            raise InputError(f"{path}: the cache's list of its files has the md5 {digest!r}")
        if not _is_inside(name):
            raise InputError(f"{path}: the cache's list of its files has the path {name!r}")
    return files


def _is_inside(path: str) -> bool:
    return not path.startswith("/") and not {"", ".", ".."} & set(path.split("/"))


def _load_object(cache: Path, md5: str, path: str) -> bytes:
    try:
        return object_path(cache, md5).read_bytes()
    except OSError:
        raise not_in_cache(path) from None


def not_in_cache(path: str) -> InputError:
    """The error for bytes that a lock names and this machine does not have."""
    return InputError(
        f"{path}: not in this machine's cache; dvc fetch --all-commits gets it from a remote"
    )


def load_cache_folder(dvc: Path) -> Path:
    """Return DVC's cache folder as it is configured.

    Args:
        dvc: the repository's `.dvc`, resolved.

    Raises:
        InputError: a configuration is broken.
    """
    found = _find_option(dvc, "cache", "dir")
    if found is None:
        return dvc / "cache"
    file, folder = found
    return (file.parent / Path(folder).expanduser()).resolve()


def find_cache_folders(dvc: Path, folder: Path) -> list[Path]:
    """Return the cache of a repository, and of another one in which a folder lies.

    Args:
        dvc: the repository's `.dvc`.
        folder: any.

    Raises:
        InputError: a configuration is broken.
    """
    inside = folder.resolve()
    around = (parent / ".dvc" for parent in (inside, *inside.parents))
    nearest = next((each for each in around if each.is_dir()), dvc)
    return [load_cache_folder(each) for each in dict.fromkeys((dvc.resolve(), nearest.resolve()))]


def load_default_remote(dvc: Path) -> str | None:
    """Name DVC's default remote; None where there is none.

    Args:
        dvc: the repository's `.dvc`.

    Raises:
        InputError: a configuration is broken.
    """
    found = _find_option(dvc, "core", "remote")
    return found[1] or None if found else None


def _find_option(dvc: Path, section: str, name: str) -> tuple[Path, str] | None:
    """The file that decides about an option, and its value: what is nearest decides."""
    folders = (
        os.environ.get("DVC_GLOBAL_CONFIG_DIR") or platformdirs.user_config_dir("dvc", "iterative"),
        os.environ.get("DVC_SYSTEM_CONFIG_DIR") or platformdirs.site_config_dir("dvc", "iterative"),
    )
    files = (dvc / "config.local", dvc / "config", *(Path(each) / "config" for each in folders))
    for file in files:
        values = _load_config(file).get(section)
        if isinstance(values, dict) and isinstance(values.get(name), str):
            return file, values[name]
    return None


def _load_config(file: Path) -> dict[str, Any]:
    """Read one configuration; DVC itself takes a second to import."""
    if not file.is_file():
        return {}
    try:
        # ConfigObj, because that is what DVC reads and writes these files with.
        values: dict[str, Any] = ConfigObj(str(file), encoding="utf-8").dict()
    except (ConfigObjError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: not a DVC configuration: {error}") from None
    # Names of options are the same in any case; of sections as well.
    return {
        key.lower(): {name.lower(): each for name, each in value.items()}
        for key, value in values.items()
        if isinstance(value, dict)
    }
