"""What a dvc.lock says, and what the cache holds of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from formats.dvc_lock import Lock, load_output, text_to_lock
from formats.errors import InputError

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
    with pytest.raises(InputError, match=f"^here: .*{message}"):
        text_to_lock(text, "here")


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
