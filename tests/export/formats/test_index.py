"""Which format a folder is taken for, and what is said where that is not plain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rhymes.common.errors import InputError
from rhymes.export.export_folder import ExportFolder
from rhymes.export.formats import FORMATS, find_format, list_names
from tests.support.foreign_folder import write_files

COCO = {"images": [], "annotations": [], "categories": []}
TELLING: dict[str, dict[str, Any]] = {
    "coco": {"sub/a.json": COCO},
    "cvat": {"annotations.xml": "<annotations/>"},
    "label_studio": {"a.json": [{"id": 1, "data": {"image": "a.jpg"}, "annotations": []}]},
    "voc": {"Annotations/a.xml": "<annotation/>"},
    "yolo": {"data.yaml": "names: [CAT]"},
}
"""Format -> files that tell it."""


def test_each_module_of_the_package_is_a_format(root: Path) -> None:
    modules = (root / "rhymes/export/formats").glob("[!_]*.py")
    assert list(FORMATS) == sorted(module.stem for module in modules)
    assert list_names() == ["auto", "rhymes", *FORMATS]
    assert sorted(TELLING) == list(FORMATS), "each has an example here"


@pytest.mark.parametrize("name", TELLING)
@pytest.mark.parametrize("wanted", ["auto", "itself"])
def test_folder_tells_its_format(tmp_path: Path, name: str, wanted: str) -> None:
    write_files(tmp_path, {**TELLING[name], "README.txt": "hello", "notes.json": {"a": 1}})
    found = find_format(ExportFolder(tmp_path), name if wanted == "itself" else wanted)
    assert found is not None
    assert found.format.name == name
    assert found.reason.startswith(f"{FORMATS[name].title}, for {found.files[0]} ")


@pytest.mark.parametrize("name", TELLING)
def test_folder_of_another_format_than_asked_is_an_error(tmp_path: Path, name: str) -> None:
    write_files(tmp_path, {"README.txt": "hello"})
    with pytest.raises(InputError, match=rf"raw.format is {name}, but no file there .* README.txt"):
        find_format(ExportFolder(tmp_path), name)


def test_folder_of_no_format_is_an_error(tmp_path: Path) -> None:
    write_files(tmp_path, {f"{number}.jpg": None for number in range(7)})
    with pytest.raises(InputError, match=r"of no known format: .*coco \(.*0.jpg.* and 2 more"):
        find_format(ExportFolder(tmp_path), "auto")


def test_folder_with_csv_files_alone_may_be_our_own(tmp_path: Path) -> None:
    write_files(tmp_path, {"labels.csv": "a"})
    assert find_format(ExportFolder(tmp_path), "auto") is None


def test_folder_of_several_formats_is_an_error(tmp_path: Path) -> None:
    write_files(tmp_path, TELLING["coco"] | TELLING["yolo"])
    with pytest.raises(InputError, match=r"COCO, for sub/a.json .* or YOLO, .* to coco or yolo$"):
        find_format(ExportFolder(tmp_path), "auto")
    found = find_format(ExportFolder(tmp_path), "yolo")
    assert found is not None
    assert found.files == ["data.yaml"]


def test_hidden_files_tell_nothing(tmp_path: Path) -> None:
    write_files(tmp_path, {".cache/a.json": COCO, ".b.json": COCO, "c.txt": ""})
    assert ExportFolder(tmp_path).files == ["c.txt"]
