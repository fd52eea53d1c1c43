"""What two dvc.lock say: nothing that differs is passed over."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tools.lock_comparison import differing_files, entries_to_table, locks_to_entries

LOCK = """
schema: '2.0'
stages:
  train:
    cmd: python -m stages.train
    deps:
    - path: data/images
      hash: md5
      md5: 11111111111111111111111111111111.dir
      size: 10
      nfiles: 2
    params:
      params.yaml:
        train:
          learning_rate: 0.001
          steps: 20
    outs:
    - path: models/checkpoint
      hash: md5
      md5: 22222222222222222222222222222222.dir
      size: 20
      nfiles: 3
"""


def test_equal() -> None:
    entries = locks_to_entries(LOCK.encode(), LOCK.encode())
    assert [(e.kind, e.name) for e in entries] == [
        ("cmd", ""),
        ("deps", "data/images"),
        ("params", ""),
        ("outs", "models/checkpoint"),
    ]
    assert all(entry.is_equal for entry in entries)
    table = entries_to_table(entries)
    assert "DIFFERS" not in table
    assert "1 of 1 outs" in table


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        pytest.param("2222.dir", "2223.dir", "outs", id="an output's bytes"),
        pytest.param("nfiles: 3", "nfiles: 4", "outs", id="its number of files"),
        pytest.param("1111.dir", "1112.dir", "deps", id="a dependency's bytes"),
        pytest.param("size: 10", "size: 11", "deps", id="its size"),
        pytest.param("0.001", "0.0010000001", "params", id="a parameter"),
        pytest.param("stages.train", "stages.train -v", "cmd", id="the command"),
        pytest.param("nfiles: 3", "nfiles: 3\n      isexec: true", "outs", id="a file's mode"),
        pytest.param("models/checkpoint", "models/other", "outs", id="a path"),
        pytest.param("    outs:", "  more:\n    outs:", "outs", id="a stage"),
    ],
)
def test_whatever_differs_is_shown(old: str, new: str, kind: str) -> None:
    entries = locks_to_entries(LOCK.encode(), LOCK.replace(old, new).encode())
    differing = [entry for entry in entries if not entry.is_equal]
    assert {entry.kind for entry in differing} == {kind}
    assert entries_to_table(entries).count("DIFFERS") == len(differing)


def save_folder(cache: Path, files: dict[str, bytes]) -> str:
    """Put the list of a folder's files into a cache, as DVC does; return its md5."""
    listed = [
        {"md5": hashlib.md5(data).hexdigest(), "relpath": name}  # noqa: S324
        for name, data in files.items()
    ]
    text = json.dumps(listed).encode()
    md5 = hashlib.md5(text).hexdigest() + ".dir"  # noqa: S324
    path = cache / "files/md5" / md5[:2] / md5[2:]
    path.parent.mkdir(parents=True)
    path.write_bytes(text)
    return md5


def test_names_the_files_that_differ(tmp_path: Path) -> None:
    caches = [tmp_path / "a", tmp_path / "b"]
    folders = [
        {"same": b"1", "sub/other": b"2", "first alone": b"3"},
        {"same": b"1", "sub/other": b"4"},
    ]
    hashes = [save_folder(*each) for each in zip(caches, folders, strict=True)]
    locks = [LOCK.replace("22222222222222222222222222222222.dir", md5).encode() for md5 in hashes]
    (entry,) = [entry for entry in locks_to_entries(*locks) if not entry.is_equal]
    assert differing_files(entry, caches) == [
        "models/checkpoint/first alone",
        "models/checkpoint/sub/other",
    ]
