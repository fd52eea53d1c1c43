from __future__ import annotations

import os
import sys
import unicodedata
from pathlib import Path

import pytest

from rhymes.common.errors import InputError
from rhymes.export.export_files import ExportFiles
from rhymes.predictions.image_list import (
    Failure,
    ImageList,
    load_image,
    path_to_text,
    paths_to_images,
)

OUT = Path("/nowhere/out")


def touch(folder: Path, *names: str) -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"data")
    return paths


def found(listed: ImageList, folder: Path) -> list[str]:
    return [str(image.path.relative_to(folder)) for image in listed.images]


def test_folders_give_their_images_in_order_at_any_depth(tmp_path: Path) -> None:
    touch(
        tmp_path, "b.PNG", "a.jpg", "notes.txt", ".hidden.jpg", ".git/x.jpg", "c/2.webp", "c/1.gif",
        "d/1.HEIC", "d/2.avif", "d/3.tif", "a/z.jpeg", "Thumbs.db",
    )  # fmt: skip
    listed = paths_to_images([tmp_path], OUT)
    assert found(listed, tmp_path) == [
        "a.jpg", "b.PNG", "a/z.jpeg", "c/1.gif", "c/2.webp", "d/1.HEIC", "d/2.avif", "d/3.tif",
    ]  # fmt: skip
    assert listed.passed_over == 2
    assert not listed.failures


def test_files_keep_the_order_that_they_are_given_in(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg", "a", "folder/c.jpg")
    files = [tmp_path / name for name in ("b.jpg", "folder", "a")]
    assert found(paths_to_images(files, OUT), tmp_path) == ["b.jpg", "folder/c.jpg", "a"]


def test_file_named_twice_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (a,) = touch(tmp_path, "a.jpg")
    Path("link.jpg").symlink_to("a.jpg")
    files = [Path("a.jpg"), a, Path(), Path("../") / tmp_path.name / "a.jpg", Path("link.jpg")]
    assert [image.path for image in paths_to_images(files, OUT).images] == [Path("a.jpg")]


def test_what_is_no_image_is_left_to_the_reader_of_the_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    long = Path("x" * 5000)
    listed = paths_to_images([tmp_path, tmp_path / "missing.jpg", long], OUT)
    reasons = {}
    for image in listed.images:
        with pytest.raises(InputError) as error:
            load_image(image.path, 10)
        reasons[image.path.name[:10]] = str(error.value)
    assert reasons == {
        "pipe.jpg": "not a regular file",
        "loop.jpg": "cannot be read: Too many levels of symbolic links",
        "missing.jp": "cannot be read: No such file or directory",
        "x" * 10: "cannot be read: File name too long",
    }


def test_folder_without_images_fails(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    (failure,) = paths_to_images([tmp_path], OUT).failures
    assert failure.file == str(tmp_path)
    assert "no image in this folder (known by .avif, .bmp, " in failure.reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_folder_that_cannot_be_read_fails(tmp_path: Path) -> None:
    tmp_path.chmod(0)
    try:
        listed = paths_to_images([tmp_path], OUT)
    finally:
        tmp_path.chmod(0o700)
    assert listed.failures == [Failure(str(tmp_path), "cannot be read: Permission denied")]


def test_reading_stops_behind_the_limit(tmp_path: Path) -> None:
    (path,) = touch(tmp_path, "a.jpg")
    assert load_image(path, 10) == b"data"
    assert load_image(path, 2) == b"dat"


HOSTILE = [
    "tray 1.jpg", "tray,1.jpg", 'tray"1.jpg', "tray'1.jpg", "tray\n1.jpg", "=cmd|'calc'!A1.jpg",
    "-rf.jpg", "@import.jpg", "crème brûlée.jpg", unicodedata.normalize("NFD", "crème brûlée.png"),
    "西瓜.jpg", "テスト.jpg", "a\\b.jpg", "..jpg", "a.b.c.jpg", "%2e%2e.jpg", "x" * 250 + ".jpg",
    "noext", "trailing .jpg", "tray 1.jpg.exe'", "a:b.jpg", "🍉.jpeg", "\udcff\udcfe.jpg",
]  # fmt: skip


def test_hostile_names_become_safe_unique_and_readable_as_an_export(tmp_path: Path) -> None:
    files = touch(tmp_path / "in", *HOSTILE)
    listed = paths_to_images(files, OUT)
    assert len(listed.images) == len(HOSTILE)
    assert len({image.stem.lower() for image in listed.images}) == len(HOSTILE)
    for image in listed.images:
        assert image.image == f"images/{image.file_name}"
        assert image.is_copied
        assert set(image.file_name) <= set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
        )
        assert image.file_name[0].isalnum()
        assert len(image.file_name) < 100
        assert "\n" not in image.shown
        image.shown.encode("utf-8")
        touch(tmp_path / "export", image.image)
        assert ExportFiles(tmp_path / "export").load(image.image, 10) == b"data"
    assert listed.images[0].image == "images/tray_1.jpg"
    assert listed.images[1].image == "images/tray_1-2.jpg"


def test_same_names_in_several_folders_are_told_apart(tmp_path: Path) -> None:
    touch(tmp_path, "1/a.jpg", "2/a.jpg", "3/A.JPG", "4/a-2.jpg", "5/a.png")
    listed = paths_to_images([tmp_path], OUT)
    assert [image.file_name for image in listed.images] == [
        "a.jpg", "a-2.jpg", "A-3.JPG", "a-2-2.jpg", "a-4.png",
    ]  # fmt: skip


def test_folder_to_write_is_left_out_of_the_folders_to_read(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "out/images/a.jpg", "out/drawings/a.jpg", "other/out/b.jpg")
    listed = paths_to_images([tmp_path], tmp_path / "out")
    assert found(listed, tmp_path) == ["a.jpg", "other/out/b.jpg"]


def test_file_in_the_folder_to_write_is_refused(tmp_path: Path) -> None:
    files = touch(tmp_path, "out/images/a.jpg")
    with pytest.raises(InputError, match="lies in the folder to write"):
        paths_to_images(files, tmp_path / "out")


def test_images_at_a_url(tmp_path: Path) -> None:
    touch(tmp_path, "in/a 1.jpg", "in/sub/é,#?.jpg", "b.jpg")
    prefix = "https://cdn.example.org/images/"
    listed = paths_to_images([tmp_path / "in", tmp_path / "b.jpg"], OUT, prefix)
    assert [image.image for image in listed.images] == [
        prefix + "a%201.jpg", prefix + "sub/%C3%A9%2C%23%3F.jpg", prefix + "b.jpg",
    ]  # fmt: skip
    assert not any(image.is_copied for image in listed.images)


def test_two_images_at_one_url_are_refused(tmp_path: Path) -> None:
    files = touch(tmp_path, "1/a.jpg", "2/a.jpg")
    with pytest.raises(InputError, match=r"1/a.jpg and .*2/a.jpg would both be http://h/a.jpg"):
        paths_to_images(files, OUT, "http://h/")
    listed = paths_to_images([tmp_path], OUT, "http://h/?file=")
    assert [image.image for image in listed.images] == [
        "http://h/?file=1/a.jpg", "http://h/?file=2/a.jpg",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "prefix", ["", "images/", "file:///x/", "http://", "https://h", "https://h/a", "https://h/ /"]
)
def test_prefix_that_is_no_url_is_refused(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(InputError, match="expected an http"):
        paths_to_images(touch(tmp_path, "a.jpg"), OUT, prefix)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("é.jpg", "é.jpg"),
        ("a\nb\x1b[31m", r"a\nb\x1b[31m"),
        ("\udcff.jpg", r"\xff.jpg"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
    ],
)
def test_path_is_shown_as_one_line_that_any_terminal_can_print(path: str, text: str) -> None:
    assert sys.getfilesystemencoding() == "utf-8"
    assert path_to_text(Path(path)) == text
