from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhymes.common.errors import InputError, UnavailableError
from rhymes.export.export_files import ExportFiles


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An export with an image, and everything that a path in it could be besides."""
    folder = tmp_path / "export"
    (folder / "images").mkdir(parents=True)
    (folder / "images/a.jpg").write_bytes(b"image")
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
        pytest.param("images/a.jpg", b"image", id="plain"),
        pytest.param("./images//a.jpg", b"image", id="not normalised"),
        pytest.param("inside.jpg", b"image", id="symbolic link that stays inside"),
        pytest.param("images/a%20b.jpg", b"percent", id="percent is a percent"),
        pytest.param("images/c:d.jpg", b"colon", id="colon"),
    ],
)
def test_file_of_the_export(export: Path, path: str, expected: bytes) -> None:
    assert ExportFiles(export).load(path, 100) == expected


def test_export_behind_a_symbolic_link(export: Path) -> None:
    link = export.parent / "link"
    link.symlink_to(export)
    assert ExportFiles(link).load("inside.jpg", 100) == b"image"


def test_no_more_is_read_than_a_check_needs(export: Path) -> None:
    assert ExportFiles(export).load("images/a.jpg", 3) == b"imag"


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
        pytest.param("x" * 5000, "no such file: File name too long", id="too long"),
    ],
)
def test_path_is_refused(export: Path, path: str, reason: str) -> None:
    with pytest.raises(InputError) as error:
        ExportFiles(export).load(path, 100)
    assert reason in str(error.value)
    assert str(export) not in str(error.value)


@given(st.lists(st.sampled_from(["..", ".", "/", "up", "images", "secret.jpg", "\\", "a.jpg", ""])))
def test_no_path_leads_to_the_secret(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str]
) -> None:
    root = tmp_path_factory.getbasetemp() / "fixed"
    if not root.exists():
        (root / "export/images").mkdir(parents=True)
        (root / "export/images/a.jpg").write_bytes(b"image")
        (root / "export/up").symlink_to("..")
        (root / "secret.jpg").write_bytes(b"secret")
    try:
        found = ExportFiles(root / "export").load("/".join(parts), 100)
    except InputError:
        return
    assert found == b"image"


NAMES = {"NFC": unicodedata.normalize("NFC", "crème"), "NFD": unicodedata.normalize("NFD", "crème")}


@pytest.mark.parametrize("written", NAMES)
@pytest.mark.parametrize("stored", NAMES)
def test_an_accent_may_be_encoded_in_another_way(tmp_path: Path, stored: str, written: str) -> None:
    folder = tmp_path / NAMES[stored]
    folder.mkdir()
    (folder / f"{NAMES[stored]} 1.jpg").write_bytes(b"image")
    path = f"./{NAMES[written]}//{NAMES[written]} 1.jpg"
    assert ExportFiles(tmp_path).load(path, 100) == b"image"


def test_the_very_name_counts_before_its_likes(tmp_path: Path) -> None:
    for form, name in NAMES.items():
        (tmp_path / f"{name}.jpg").write_bytes(form.encode())
    for form, name in NAMES.items():
        assert ExportFiles(tmp_path).load(f"{name}.jpg", 100) == form.encode()


def test_names_that_only_unicode_tells_apart_are_refused(tmp_path: Path) -> None:
    # Two accents on one letter, of which each may be encoded in two ways.
    letters = unicodedata.normalize("NFD", "ǖ")
    half = unicodedata.normalize("NFC", letters[:2]) + letters[2]
    for name in (letters, half):
        (tmp_path / f"{name}.jpg").write_bytes(b"")
    with pytest.raises(InputError, match="2 whose names differ from it in how Unicode encodes"):
        ExportFiles(tmp_path).load(f"{unicodedata.normalize('NFC', letters)}.jpg", 100)


@pytest.mark.parametrize(
    ("stored", "written", "reason"),
    [
        pytest.param("IMG_1.JPG", "img_1.jpg", "'IMG_1.JPG' is there: case", id="case"),
        pytest.param("ﬁg.jpg", "fig.jpg", "'ﬁg.jpg' is there: case and form", id="a ligature"),
        pytest.param("fig\uff11.jpg", "fig1.jpg", "is there", id="a full-width digit"),
        pytest.param("a b.jpg", "a%20b.jpg", "'a b.jpg' is there, of which this is", id="escaped"),
    ],
)
def test_likely_files_are_named(tmp_path: Path, stored: str, written: str, reason: str) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / stored).write_bytes(b"")
    with pytest.raises(InputError) as error:
        ExportFiles(tmp_path).load(f"images/{written}", 100)
    assert str(error.value).startswith("no such file; 'images/")
    assert reason in str(error.value).replace("images/", "")


OBJECT = "files/md5/c5/bd5e4d92ee0ee3b7a3c4a1a3e4d7ab"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache of DVC with an object, and what it holds besides."""
    for name in (OBJECT, OBJECT.removeprefix("files/md5/"), "files/md5/c5/secret", "secret"):
        (tmp_path / "cache" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cache" / name).write_bytes(b"object")
    return tmp_path / "cache"


@pytest.mark.parametrize(
    "name", [OBJECT, pytest.param(OBJECT.removeprefix("files/md5/"), id="before DVC 3")]
)
@pytest.mark.parametrize("behind", ["cache", "link"])
def test_links_into_the_cache_are_followed(
    export: Path, cache: Path, name: str, behind: str
) -> None:
    (cache.parent / "link").symlink_to(cache)
    (export / "cached.jpg").symlink_to(cache / name)
    files = ExportFiles(export, [cache.parent / "other", cache.parent / behind])
    assert files.load("cached.jpg", 100) == b"object"


@pytest.mark.parametrize("name", ["secret", "files/md5/c5/secret", f"../cache2/{OBJECT}"])
def test_only_objects_of_the_cache_are_read(export: Path, cache: Path, name: str) -> None:
    (cache.parent / "cache2" / OBJECT).parent.mkdir(parents=True)
    (cache.parent / "cache2" / OBJECT).write_bytes(b"of another repository")
    (export / "cached.jpg").symlink_to(cache / name)
    with pytest.raises(InputError, match="leads out of the export's folder"):
        ExportFiles(export, [cache]).load("cached.jpg", 100)


def test_an_object_that_the_cache_lacks_may_come(export: Path, cache: Path) -> None:
    (export / "cached.jpg").symlink_to(cache / OBJECT)
    (cache / OBJECT).unlink()
    with pytest.raises(UnavailableError, match="not in DVC's cache; `dvc pull` brings it"):
        ExportFiles(export, [cache]).load("cached.jpg", 100)
