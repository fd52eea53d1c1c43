from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import grpc
import pytest

from rhymes.serving.models.version_folder import (
    STILL_POLLS,
    CompleteFolder,
    FolderWatch,
    IncompleteFolder,
    folder_to_fingerprint,
)
from rhymes.versions import model_folder
from rhymes.versions.model_folder import MANIFEST_FILE, save_manifest
from tests.support.version_folders import WEIGHTS, save_version


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_version(tmp_path / "models", 1)


def settle(watch: FolderWatch) -> CompleteFolder | IncompleteFolder:
    for _ in range(STILL_POLLS - 1):
        watch.poll()
    return watch.poll()


def test_a_folder_that_is_its_manifest_s_is_whole_at_once(folder: Path) -> None:
    whole = FolderWatch(folder).poll()
    assert isinstance(whole, CompleteFolder)
    assert whole.identity == hashlib.sha256((folder / MANIFEST_FILE).read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("path", "data", "reason"),
    [
        pytest.param(WEIGHTS, b"short", "bytes, but", id="truncated"),
        pytest.param(WEIGHTS, b"x" * 400, "other bytes than the manifest says", id="other bytes"),
        pytest.param(WEIGHTS, None, "missing, but the manifest names it", id="missing"),
        pytest.param("variables/more", b"", "the manifest does not name it", id="more variables"),
        pytest.param("assets/words.txt", b"", "the manifest does not name it", id="more assets"),
        pytest.param(str(MANIFEST_FILE), b"{", "not a manifest", id="half a manifest"),
        pytest.param(str(MANIFEST_FILE), b"", "not a manifest", id="empty manifest"),
        pytest.param(
            str(MANIFEST_FILE), b'{"files": []}', "does not name it", id="manifest of nothing"
        ),
        pytest.param("saved_model.pb", None, "Could not find SavedModel", id="no saved_model.pb"),
    ],
)
def test_one_that_is_not_says_why_once_it_stands_still(
    folder: Path, path: str, data: bytes | None, reason: str
) -> None:
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).unlink() if data is None else (folder / path).write_bytes(data)
    watch = FolderWatch(folder)
    for _ in range(STILL_POLLS - 1):
        assert watch.poll() == IncompleteFolder(None)
    found = watch.poll()
    assert isinstance(found, IncompleteFolder)
    assert found.error is not None
    assert reason in found.error.message
    assert str(folder) in found.error.message


@pytest.mark.parametrize("path", ["notes.txt", ".hidden", "assets.extra/more", "variables.txt"])
def test_files_that_tensorflow_does_not_read_do_no_harm(folder: Path, path: str) -> None:
    (folder / path).write_bytes(b"x")
    assert isinstance(FolderWatch(folder).poll(), CompleteFolder)


def test_without_a_manifest_it_must_stand_still(tmp_path: Path) -> None:
    folder = save_version(tmp_path / "models", 1, manifest=False)
    watch = FolderWatch(folder)
    watch.poll()
    watch.poll()
    (folder / WEIGHTS).write_bytes(b"grown" * 1000)
    assert [type(watch.poll()) for _ in range(3)] == [
        IncompleteFolder,
        IncompleteFolder,
        CompleteFolder,
    ]
    os.utime(folder / WEIGHTS, ns=(1, 1))
    assert [type(watch.poll()) for _ in range(3)] == [
        IncompleteFolder,
        IncompleteFolder,
        CompleteFolder,
    ]


def test_without_a_manifest_names_sizes_and_times_are_the_identity(tmp_path: Path) -> None:
    identities = set()
    for number, stamp in ((1, 5), (2, 5), (3, 6)):
        folder = save_version(tmp_path / "models", number, manifest=False)
        for path in folder.rglob("*"):
            os.utime(path, ns=(stamp, stamp))
        whole = settle(FolderWatch(folder))
        assert isinstance(whole, CompleteFolder)
        identities.add(whole.identity)
    assert len(identities) == 2


def test_the_same_files_are_hashed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Path] = []
    original = model_folder.file_to_sha256

    def count(path: Path) -> str:
        hashed.append(path)
        return original(path)

    monkeypatch.setattr(model_folder, "file_to_sha256", count)
    # A file that was written a moment ago is hashed again: another write may leave its times.
    monkeypatch.setattr("rhymes.serving.models.version_folder._STAMP_SECONDS", -1)
    watch = FolderWatch(folder)
    for _ in range(5):
        assert isinstance(watch.poll(), CompleteFolder)
    assert len(hashed) == 2
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes())
    os.utime(folder / WEIGHTS, ns=(7, 7))
    for _ in range(5):
        assert isinstance(watch.poll(), CompleteFolder)
    assert len(hashed) == 4


@pytest.mark.parametrize("is_replaced", [True, False])
def test_other_bytes_of_the_same_size_and_time_are_noticed(
    folder: Path, is_replaced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rhymes.serving.models.version_folder._STAMP_SECONDS", -1)
    path, watch = folder / WEIGHTS, FolderWatch(folder)
    found = path.stat()
    assert isinstance(watch.poll(), CompleteFolder)
    time.sleep(0.02)  # the system's clock for files ticks that slowly
    target = folder / "aside" if is_replaced else path
    target.write_bytes(b"x" * found.st_size)
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
    target.rename(path)
    assert isinstance(watch.poll(), IncompleteFolder)


def test_a_file_just_written_is_hashed_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = FolderWatch(folder)
    assert isinstance(watch.poll(), CompleteFolder)
    fingerprint = folder_to_fingerprint(folder)
    (folder / WEIGHTS).write_bytes(b"x" * (folder / WEIGHTS).stat().st_size)
    # As if both writes had come in one tick of the clock.
    monkeypatch.setattr(
        "rhymes.serving.models.version_folder.folder_to_fingerprint", lambda _: fingerprint
    )
    assert isinstance(watch.poll(), IncompleteFolder)


def test_links_into_a_cache_are_followed(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    for number, path in enumerate(sorted(path for path in folder.rglob("*") if path.is_file())):
        path.rename(cache / str(number))
        path.symlink_to(cache / str(number))
    watch = FolderWatch(folder)
    whole = watch.poll()
    assert isinstance(whole, CompleteFolder)
    assert watch.holds(whole)
    (cache / "1").write_bytes(b"x")
    assert isinstance(watch.poll(), IncompleteFolder)
    assert not watch.holds(whole)


def test_a_dead_link_is_an_error(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).symlink_to("nowhere")
    found = settle(FolderWatch(folder))
    assert isinstance(found, IncompleteFolder)
    assert found.error is not None
    assert found.error.code is grpc.StatusCode.UNAVAILABLE
    assert WEIGHTS in found.error.message


def test_a_link_to_a_folder_above_does_not_hang(folder: Path) -> None:
    (folder / "variables" / "again").symlink_to(folder)
    (folder / "again").symlink_to(folder)
    assert isinstance(FolderWatch(folder).poll(), CompleteFolder)


def test_a_manifest_cannot_point_outside(folder: Path) -> None:
    entry = {"path": "../../secret", "size": 1, "sha256": "0"}
    (folder / MANIFEST_FILE).write_text(json.dumps({"files": [entry]}))
    found = settle(FolderWatch(folder))
    assert isinstance(found, IncompleteFolder)
    assert "outside" in str(found.error)


def test_what_was_whole_is_looked_at_again(folder: Path) -> None:
    watch = FolderWatch(folder)
    whole = watch.poll()
    assert isinstance(whole, CompleteFolder)
    assert watch.holds(whole)
    save_version(folder.parent, 1)
    assert watch.holds(whole), "rewritten with the same bytes"
    (folder / WEIGHTS).write_bytes(b"x")
    assert not watch.holds(whole)
    save_manifest(folder)
    assert not watch.holds(whole), "whole again, but other bytes"
    (folder / MANIFEST_FILE).unlink()
    assert not watch.holds(whole)


def test_a_folder_that_vanishes(folder: Path) -> None:
    watch = FolderWatch(folder)
    whole = watch.poll()
    folder.rename(folder.with_name("away"))
    assert watch.poll() == IncompleteFolder(None)
    assert isinstance(whole, CompleteFolder)
    assert not watch.holds(whole)
