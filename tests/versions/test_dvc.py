"""What a dvc.lock says, and what the cache holds of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from rhymes.common.errors import InputError
from rhymes.versions.dvc import (
    Lock,
    LockedStage,
    folder_to_md5,
    load_cache_folder,
    load_default_remote,
    load_output,
    text_to_lock,
    text_to_stages,
)

DIGITS = "12345678901234567890123456789012"


def put(cache: Path, data: bytes, suffix: str = "") -> str:
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest() + suffix
    path = cache / "files/md5" / md5[:2] / md5[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return md5


def put_folder(cache: Path, **files: bytes) -> str:
    entries = [{"md5": put(cache, data), "relpath": name} for name, data in files.items()]
    return put(cache, json.dumps(entries).encode(), ".dir")


def test_outs_are_read_as_text() -> None:
    lock = text_to_lock(
        "schema: '2.0'\nstages:\n  train:\n    cmd: x\n    deps:\n    - path: a\n      md5: b\n"
        f"    outs:\n    - path: no\n      hash: md5\n      md5: {DIGITS}\n      size: 1\n"
        "  frozen:\n    cmd: y\n",
        "dvc.lock",
    )
    assert lock == Lock({"no": DIGITS})


def test_stages_keep_the_types_of_their_parameters() -> None:
    text = (
        "schema: '2.0'\nstages:\n  train:\n    cmd: x\n    deps:\n"
        f"    - {{path: a.py, hash: md5, md5: '{DIGITS}'}}\n    - {{path: cloud, etag: x}}\n"
        "    params:\n      params.yaml:\n        train: {rate: 1e-3, steps: 5, name: 'no'}\n"
        f"    outs:\n    - {{path: m, md5: '{DIGITS}.dir'}}\n  sample:\n    cmd: y\n"
    )
    assert text_to_stages(text, "dvc.lock") == {
        "train": LockedStage(
            {"a.py": DIGITS},
            {"train": {"rate": 0.001, "steps": 5, "name": "no"}},
            {"m": f"{DIGITS}.dir"},
            "x",
        ),
        "sample": LockedStage({}, {}, {}, "y"),
    }


def test_a_folder_is_hashed_as_dvc_hashes_it(tmp_path: Path) -> None:
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.db.local import LocalHashFileDB
    from dvc_objects.fs.local import LocalFileSystem

    for name in ("1/b", "1/a é", "1/sub/c", "1.json", "10/x"):
        path = tmp_path / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    system = LocalFileSystem()
    database = LocalHashFileDB(system, str(tmp_path / "odb"), tmp_dir=str(tmp_path / "tmp"))
    _, _, made = build(database, str(tmp_path / "model"), system, "md5", dry_run=True)
    assert folder_to_md5(tmp_path / "model") == made.hash_info.value
    _, _, made = build(database, str(tmp_path / "model/1"), system, "md5", dry_run=True)
    assert folder_to_md5(tmp_path / "model/1") == made.hash_info.value
    assert folder_to_md5(tmp_path / "model/1", "1/") != made.hash_info.value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(b"stages: [", "not a dvc.lock", id="no YAML"),
        pytest.param(b"[]", "not a dvc.lock", id="a list"),
        pytest.param(b"stages: {a: {outs: [{md5: x}]}}", "not a dvc.lock", id="no path"),
        pytest.param(b"\xff\xfe\xff", "not a dvc.lock", id="no text"),
        pytest.param(
            b"stages: {a: {outs: [{path: b, md5: ../../etc/passwd}]}}", "'../../etc/passwd', which",
            id="a path for a hash",
        ),
    ],
)  # fmt: skip
def test_what_is_no_lock_is_named(text: bytes, message: str) -> None:
    for read in (text_to_lock, text_to_stages):
        with pytest.raises(InputError, match=f"^here: .*{message}"):
            read(text, "here")


def test_files_are_found_in_the_cache(tmp_path: Path) -> None:
    lock = Lock({"one.json": put(tmp_path, b"1"), "folder": put_folder(tmp_path, a=b"2", b=b"3")})
    assert load_output(lock, tmp_path, "one.json") == b"1"
    assert load_output(lock, tmp_path, "folder/b") == b"3"
    assert load_output(lock, tmp_path, "folder/c") is None
    assert load_output(lock, tmp_path, "other") is None


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        pytest.param(None, "not in this machine's cache; dvc fetch", id="no folder"),
        pytest.param("nothing", "is broken", id="no JSON"),
        pytest.param([{"relpath": "a"}], "is broken", id="no md5"),
        pytest.param([{"relpath": "a", "md5": "../../../x"}], "has the md5", id="a path"),
        pytest.param([{"relpath": "../a", "md5": DIGITS}], "has the path '../a'", id="outside"),
        pytest.param([{"relpath": "a", "md5": DIGITS}], "not in this machine's cache", id="file"),
    ],
)
def test_what_the_cache_lacks_is_named(tmp_path: Path, listed: Any, message: str) -> None:
    md5 = DIGITS + ".dir"
    if listed is not None:
        data = listed.encode() if isinstance(listed, str) else json.dumps(listed).encode()
        md5 = put(tmp_path, data, ".dir")
    with pytest.raises(InputError, match=f"^folder.*{message}"):
        load_output(Lock({"folder": md5}), tmp_path, "folder/a")


@pytest.mark.parametrize("levels", [(), ("system",), ("system", "global"), ("repo",),
                                    ("system", "global", "repo"), ("repo", "local"),
                                    ("global", "local")], ids=" ".join)  # fmt: skip
@pytest.mark.parametrize("folder", ["cache-of-{}", "/srv/{}", "~/{}"])
def test_the_configuration_is_read_as_dvc_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, levels: tuple[str, ...], folder: str
) -> None:
    from dvc.config import Config

    for level in ("system", "global"):
        monkeypatch.setenv(f"DVC_{level.upper()}_CONFIG_DIR", str(tmp_path / level))
    dvc = tmp_path / "project/.dvc"
    dvc.mkdir(parents=True)
    files = {"repo": dvc / "config", "local": dvc / "config.local"}
    for level in levels:
        file = files.get(level, tmp_path / level / "config")
        file.parent.mkdir(exist_ok=True)
        file.write_text(
            f"[Core]\n    Remote = of-{level}\n['remote \"of-{level}\"']\n    url = /x\n"
            f"[cache]\n    dir = {folder.format(level)}\n"
        )
    config = Config(str(dvc))
    assert load_default_remote(dvc) == config["core"].get("remote")
    expected = Path(config["cache"].get("dir", dvc / "cache"))
    assert load_cache_folder(dvc) == expected.resolve()


def test_an_own_option_goes_before_a_far_one_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path))
    (tmp_path / "config").write_text("[core]\n    remote = far\n[cache]\n    dir = /srv/far\n")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[cache]\n    dir = /srv/near\n[core]\n    remote =\n")
    assert load_cache_folder(tmp_path / ".dvc") == Path("/srv/near")
    assert load_default_remote(tmp_path / ".dvc") is None, "an empty name takes it away"
