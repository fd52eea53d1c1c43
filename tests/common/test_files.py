from __future__ import annotations

import errno
from pathlib import Path

import pytest

from rhymes.common.files import (
    file_to_sha256,
    folder_written_aside,
    named_errors,
    save_json,
    save_text,
    written_aside,
)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    save_text(path, "old")
    with pytest.raises(RuntimeError), written_aside(path) as aside:
        aside.write_text("new")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with written_aside(path) as aside:
        aside.write_text("half")
        assert not path.exists()
    assert path.read_text() == "half"


def test_a_failed_write_leaves_the_old_folder(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with folder_written_aside(folder) as aside:
        (aside / "a").write_text("old")
    with pytest.raises(RuntimeError), folder_written_aside(folder) as aside:
        (aside / "b").write_text("new")
        raise RuntimeError
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_new_folder_replaces_the_old_one_whole(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    for name in ("a", "b"):
        with folder_written_aside(folder) as aside:
            (aside / name).touch()
    assert [path.name for path in folder.iterdir()] == ["b"]


def test_json_is_utf8_and_refuses_nan(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    save_json(path, {"é": 1})
    assert path.read_bytes() == '{\n "é": 1\n}\n'.encode()
    with pytest.raises(ValueError, match="Out of range"):
        save_json(path, {"a": float("nan")})


def test_line_ends_stay(tmp_path: Path) -> None:
    save_text(tmp_path / "a", "1\r\n2\n")
    assert (tmp_path / "a").read_bytes() == b"1\r\n2\n"


def test_sha256_of_the_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert file_to_sha256(tmp_path / "a") == digest


FULL = OSError(errno.ENOSPC, "No space left on device")


def test_errors_of_the_disk_name_the_file_that_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(OSError, match="No space") as error, written_aside(path) as aside:
        assert aside != path
        raise FULL
    assert error.value.filename == str(path)


def test_errors_of_the_disk_name_the_folder_not_the_one_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with pytest.raises(OSError, match="No such file") as error, folder_written_aside(folder) as new:
        (new / "gone/a").write_text("a")
    assert error.value.filename == str(folder)


def test_errors_of_other_things_keep_their_names(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as error, named_errors(tmp_path / "out"):
        (tmp_path / "in").read_bytes()
    assert error.value.filename == str(tmp_path / "in")
    with pytest.raises(OSError, match="refused") as error, named_errors(tmp_path / "out"):
        raise OSError(errno.ECONNREFUSED, "Connection refused")
    assert error.value.filename is None
