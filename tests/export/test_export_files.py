from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhymes.common.errors import InputError
from rhymes.export.export_files import load_export_file


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An export with a picture, and everything that a path in it could be besides."""
    folder = tmp_path / "export"
    (folder / "images").mkdir(parents=True)
    (folder / "images/a.jpg").write_bytes(b"picture")
    (folder / "images/a%20b.jpg").write_bytes(b"percent")
    (folder / "images/c:d.jpg").write_bytes(b"colon")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (folder / "inside.jpg").symlink_to("images/a.jpg")
    (folder / "outside.jpg").symlink_to("../secret.jpg")
    (folder / "up").symlink_to("..")
    (folder / "loop").symlink_to("loop")
    (folder / "dangling").symlink_to("images/gone.jpg")
    (folder / "zero").symlink_to("/dev/zero")
    os.mkfifo(folder / "fifo")
    return folder


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("images/a.jpg", b"picture", id="plain"),
        pytest.param("./images//a.jpg", b"picture", id="not normalised"),
        pytest.param("inside.jpg", b"picture", id="symbolic link that stays inside"),
        pytest.param("images/a%20b.jpg", b"percent", id="percent is a percent"),
        pytest.param("images/c:d.jpg", b"colon", id="colon"),
    ],
)
def test_file_of_the_export(export: Path, path: str, expected: bytes) -> None:
    assert load_export_file(export, path, 100) == expected


def test_export_behind_a_symbolic_link(export: Path) -> None:
    link = export.parent / "link"
    link.symlink_to(export)
    assert load_export_file(link, "inside.jpg", 100) == b"picture"


def test_no_more_is_read_than_a_check_needs(export: Path) -> None:
    assert load_export_file(export, "images/a.jpg", 3) == b"pict"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        pytest.param("../secret.jpg", "'..' in a path is refused", id="up"),
        pytest.param("images/../../secret.jpg", "'..'", id="down and up"),
        pytest.param("images/../images/a.jpg", "'..'", id="up but inside"),
        pytest.param("/etc/passwd", "an absolute path is refused", id="absolute"),
        pytest.param("//host/a.jpg", "an absolute path is refused", id="without a scheme"),
        pytest.param("..\\secret.jpg", "a backslash in a path is refused", id="backslash"),
        pytest.param("images/a.jpg\0.png", "a NUL character", id="NUL"),
        pytest.param("outside.jpg", "leads out of the export's folder", id="link to a file"),
        pytest.param("up/secret.jpg", "leads out of the export's folder", id="link to a folder"),
        pytest.param("zero", "leads out of the export's folder", id="link to a device"),
        pytest.param("loop", "leads to itself", id="link to itself"),
        pytest.param("dangling", "no such file", id="link to nothing"),
        pytest.param("fifo", "not a regular file", id="FIFO, which would wait for ever"),
        pytest.param("images", "not a regular file", id="folder"),
        pytest.param(".", "not a regular file", id="the folder itself"),
        pytest.param("images/A b.jpg", "no such file in the export's folder", id="missing"),
        pytest.param("images/a b.jpg", "no such file", id="percent is not decoded"),
        pytest.param(" images/a.jpg", "begins or ends with a space", id="space"),
        pytest.param("images/a.jpg/b", "no such file", id="below a file"),
        pytest.param("x" * 5000, "File name too long", id="too long"),
    ],
)
def test_path_is_refused(export: Path, path: str, reason: str) -> None:
    with pytest.raises(InputError) as error:
        load_export_file(export, path, 100)
    assert reason in str(error.value)
    assert str(export) not in str(error.value)


@given(st.lists(st.sampled_from(["..", ".", "/", "up", "images", "secret.jpg", "\\", "a.jpg", ""])))
def test_no_path_leads_to_the_secret(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str]
) -> None:
    root = tmp_path_factory.getbasetemp() / "fixed"
    if not root.exists():
        (root / "export/images").mkdir(parents=True)
        (root / "export/images/a.jpg").write_bytes(b"picture")
        (root / "export/up").symlink_to("..")
        (root / "secret.jpg").write_bytes(b"secret")
    try:
        found = load_export_file(root / "export", "/".join(parts), 100)
    except InputError:
        return
    assert found == b"picture"
