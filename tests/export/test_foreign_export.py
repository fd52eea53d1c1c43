"""Another tool's export as CSV files: rows that lead back to it, classes, the folder's split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rhymes.common.csv import load_rows
from rhymes.common.errors import InputError
from rhymes.export.categories import load_categories
from rhymes.export.cells import cell_to_items
from rhymes.export.export_folder import ExportFolder
from rhymes.export.foreign_export import ForeignExport, convert_foreign_export
from rhymes.export.formats import find_format
from tests.support.foreign_folder import write_files


def coco(*names: str, label: str = "CAT") -> dict[str, Any]:
    return {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(names)],
        "annotations": [{"id": 1, "image_id": 0, "category_id": 1, "bbox": [1, 2, 3.25, 4]}],
        "categories": [{"id": 1, "name": label}],
    }


def convert(root: Path, out: Path, categories: str = "categories.csv") -> ForeignExport:
    folder = ExportFolder(root)
    found = find_format(folder, "auto")
    assert found is not None
    out.mkdir()
    return convert_foreign_export(folder, found, categories, out)


def test_rows_lead_back_to_the_files(tmp_path: Path) -> None:
    root = write_files(
        tmp_path / "in", {"a.jpg": None, "b.jpg": None, "a.json": coco("a.jpg", "b.jpg")}
    )
    made = convert(root, tmp_path / "out")
    rows = [row.cells for row in load_rows(tmp_path / "out/annotations.csv")]
    assert [(row["image_url"], row["origin"], row["annotator"]) for row in rows] == [
        ("a.jpg", "a.json: image 0", ""), ("b.jpg", "a.json: image 1", ""),
    ]  # fmt: skip
    ((item,), nothing) = (cell_to_items(row["output_content"]) for row in rows)
    assert (item["data"], item["attributes"], nothing) == ([1, 2, 3.25, 4], {"label": "CAT"}, [])
    assert load_categories(tmp_path / "out/categories.csv").names == ("CAT",)
    assert made == ForeignExport(2, {}, ())
    assert not (tmp_path / "out/splits.csv").exists()


def test_split_of_the_folder_can_be_kept(tmp_path: Path) -> None:
    files = {"train.json": coco("a.jpg", "b.jpg"), "valid.json": coco("c.jpg", "b.jpg")}
    root = write_files(tmp_path / "in", files | dict.fromkeys(("a.jpg", "b.jpg", "c.jpg")))
    made = convert(root, tmp_path / "out")
    assert made.splits == {"train": 1, "val": 1}
    assert made.notes == ("images in more than one split of the folder, pinned to none: 1",)
    pins = (tmp_path / "out/splits.csv").read_text(encoding="utf-8")
    assert pins == "image,split\na.jpg,train\nc.jpg,val\n"


def test_name_that_no_file_can_have_is_a_row_all_the_same(tmp_path: Path) -> None:
    convert(write_files(tmp_path / "in", {"train.json": coco("a\ud800.jpg")}), tmp_path / "out")
    (row,) = load_rows(tmp_path / "out/annotations.csv")
    assert row.cells["image_url"] == "a?.jpg"


def test_classes_that_lie_there_count(tmp_path: Path) -> None:
    files = {"a.jpg": None, "a.json": coco("a.jpg"), "some.csv": "category_image\nDOG\n"}
    made = convert(write_files(tmp_path / "in", files), tmp_path / "out", "some.csv")
    assert load_categories(tmp_path / "out/categories.csv").names == ("DOG",)
    assert made.notes == (
        "classes in the annotations, of which those count that some.csv names: 1",
    )


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        pytest.param(coco() | {"annotations": []}, "a.json .* names no image", id="image"),
        pytest.param(
            coco("a.jpg") | {"annotations": [], "categories": []}, "no object there has a class",
            id="class",
        ),
        pytest.param(coco("a.jpg", label="\ud800"), "holds no character", id="surrogate"),
    ],
)  # fmt: skip
def test_export_that_is_of_no_use_is_an_error(tmp_path: Path, made: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        convert(write_files(tmp_path / "in", {"a.json": made}), tmp_path / "out")
