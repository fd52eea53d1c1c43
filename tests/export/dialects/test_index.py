"""Which dialect answers: by a file's image column, by an item's type."""

from __future__ import annotations

from pathlib import Path

import pytest

from rhymes.common.csv import load_columns
from rhymes.common.errors import InputError
from rhymes.export.dialects import (
    DIALECTS,
    columns_to_dialect,
    item_type_to_dialect,
    load_dialect,
)


def test_each_module_of_the_package_is_a_dialect(root: Path) -> None:
    modules = (root / "rhymes/export/dialects").glob("[!_]*.py")
    assert list(DIALECTS) == sorted(module.stem for module in modules)


def test_no_two_dialects_have_a_name_a_column_or_a_type_in_common() -> None:
    for attribute in ("name", "image_column", "item_type"):
        values = {getattr(dialect, attribute) for dialect in DIALECTS.values()}
        assert len(values) == len(DIALECTS)


@pytest.mark.parametrize("name", DIALECTS)
def test_image_column_and_item_type_tell_the_dialect(name: str) -> None:
    dialect = DIALECTS[name]
    assert columns_to_dialect(["output_content", dialect.image_column]) is dialect
    assert item_type_to_dialect(dialect.item_type) is dialect


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        pytest.param(
            ["cdn_file_url", "image_url"],
            "^the header has both cdn_file_url and image_url; leave one, which names the image$",
            id="both",
        ),
        pytest.param(
            ["file", "output_content"],
            r"^the header needs a column cdn_file_url \(boxes\) or image_url \(polygons\) "
            "that names the image; it has 'file', 'output_content'$",
            id="neither",
        ),
    ],
)
def test_header_that_tells_no_dialect_is_an_error(columns: list[str], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        columns_to_dialect(columns)


def test_error_names_file_and_row(tmp_path: Path) -> None:
    path = tmp_path / "annotations.csv"
    path.write_text("file,output_content\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"annotations\.csv: row 1: the header needs a column"):
        load_dialect(path)


@pytest.mark.parametrize("item_type", ["point", None, ["polygon"], 3])
def test_type_of_no_dialect(item_type: object) -> None:
    assert item_type_to_dialect(item_type) is None


@pytest.mark.parametrize(
    ("name", "dialect"),
    [("bccd3", "boxes"), ("breadboard5", "polygons"), ("microcontroller4", "boxes")],
)
def test_real_exports(shared: Path, name: str, dialect: str) -> None:
    path = shared / "datasets" / name / "annotations.csv"
    assert load_dialect(path) is DIALECTS[dialect]
    assert DIALECTS[dialect].image_column in load_columns(path)
