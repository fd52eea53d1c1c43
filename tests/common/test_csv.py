from __future__ import annotations

import os
from pathlib import Path

import pytest

from rhymes.common.csv import (
    Row,
    escape_formula,
    is_formula,
    load_columns,
    load_rows,
    rows_to_csv,
    save_rows,
)
from rhymes.common.errors import InputError


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"a,b\n1,2\n", [(2, "1", "2")], id="plain"),
        pytest.param(b"\xef\xbb\xbfa,b\n1,2\n", [(2, "1", "2")], id="byte order mark"),
        pytest.param(b"a,b\r\n1,2\r\n", [(2, "1", "2")], id="CRLF"),
        pytest.param(b"a,b\r1,2\r", [(2, "1", "2")], id="CR"),
        pytest.param(b"a,b\n1,2", [(2, "1", "2")], id="no last line end"),
        pytest.param(b'a,b\n"x,""y""","1\n2"\n3,4\n', [(2, 'x,"y"', "1\n2"), (3, "3", "4")],
                     id="quotes, and a cell of two lines is one row"),
        pytest.param(b"a,b\n\n1,2\n\n\n3,4\n", [(3, "1", "2"), (6, "3", "4")], id="blank lines"),
        pytest.param(b"a,b\n, 2 \n", [(2, "", " 2 ")], id="empty and spaces stay"),
        pytest.param("a,b\né,日本\n".encode(), [(2, "é", "日本")], id="UTF-8"),
        pytest.param(b"a,b\n", [], id="no rows"),
        pytest.param(b"a,b\n" + b"x" * 1_000_000 + b",1\n", [(2, "x" * 1_000_000, "1")],
                     id="a cell of a million characters"),
    ],
)  # fmt: skip
def test_rows(table: Path, data: bytes, expected: list[tuple[int, str, str]]) -> None:
    table.write_bytes(data)
    rows = list(load_rows(table, ["a"]))
    assert rows == [Row(number, {"a": a, "b": b}) for number, a, b in expected]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "row 1: no header", id="empty file"),
        pytest.param(b"\n1,2\n", "row 1: no header", id="blank header"),
        pytest.param(b"a,a\n1,2\n", "row 1: column 'a' stands twice", id="doubled column"),
        pytest.param(b"b,c\n1,2\n", "row 1: column 'a' is missing; the header has 'b', 'c'",
                     id="missing column"),
        pytest.param(b"a;b\n1;2\n", "column 'a' is missing; the header has 'a;b'; its cells are "
                     "parted by ';': save the file with commas", id="semicolons"),
        pytest.param(b"a\tb\n1\t2\n", r"its cells are parted by '\t'", id="tabs"),
        pytest.param(b"a,b\n1,2\n1\n", "row 3: 1 cells, but the header has 2", id="short row"),
        pytest.param(b"a,b\n1,2,3\n", "row 2: 3 cells", id="long row"),
        pytest.param(b"a,b\n1,2\n\xff,2\n", "row 3: not UTF-8, but perhaps Windows-1252, "
                     "in which it has '\u00ff,2'; save the file as 'CSV UTF-8'", id="Latin-1"),
        pytest.param("a,b\n1,2\n".encode("utf-16"), "row 1: not UTF-8, but UTF-16", id="UTF-16"),
        pytest.param("a,b\n".encode("utf-16-be"), "row 1: a NUL byte", id="UTF-16 without a mark"),
        pytest.param(b"a,b\n1,\0\n", "row 2: a NUL byte", id="NUL"),
        pytest.param(b'a,b\n1,"2\n3,4\n', "row 2: not valid CSV", id="open quote"),
        pytest.param(b'a,b\n1,"2"3\n', "row 2: not valid CSV", id="text behind a quote"),
    ],
)  # fmt: skip
def test_broken_file_is_an_error_with_its_row(table: Path, data: bytes, reason: str) -> None:
    table.write_bytes(data)
    with pytest.raises(InputError) as error:
        list(load_rows(table, ["a"]))
    assert str(error.value).startswith(f"{table}: {reason}" if "row" in reason else str(table))
    assert reason in str(error.value)


def test_rows_are_read_as_a_stream(table: Path) -> None:
    table.write_bytes(b"a,b\n1,2\nbroken\n")
    rows = load_rows(table)
    assert next(rows).number == 2
    with pytest.raises(InputError, match="row 3"):
        next(rows)


def test_what_is_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv: not found"):
        list(load_rows(tmp_path / "none.csv"))
    with pytest.raises(InputError, match="not a file"):
        list(load_rows(tmp_path))
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(InputError, match="not a file"):
        list(load_rows(tmp_path / "fifo"))


def test_columns(table: Path) -> None:
    table.write_bytes(b"\xef\xbb\xbfimage_url,output_content\n")
    assert load_columns(table) == ["image_url", "output_content"]


def test_real_exports(shared: Path) -> None:
    for name, rows in [("bccd3", 364), ("breadboard5", 110), ("microcontroller4", 149)]:
        path = shared / "datasets" / name / "annotations.csv"
        assert sum(1 for _ in load_rows(path, ["output_content"])) >= rows


@pytest.mark.parametrize(
    ("row", "line"),
    [
        pytest.param(("a", 1, 0.5), "a,1,0.5", id="plain"),
        pytest.param(("a b", "é", "'"), "a b,é,'", id="nothing to quote"),
        pytest.param(("a,b", 'c"d'), '"a,b","c""d"', id="comma and quote"),
        pytest.param(("a\nb", "c"), '"a\nb",c', id="line feed"),
        pytest.param(("a\rb", "c"), '"a\rb",c', id="carriage return"),
        pytest.param((None, ""), ",", id="nothing"),
        pytest.param(("",), '""', id="one empty cell is no blank line"),
    ],
)
def test_a_written_row(row: tuple[object, ...], line: str) -> None:
    assert rows_to_csv([row]) == f"{line}\n"


def test_what_is_written_is_read(table: Path) -> None:
    cells = ["", " ", "a,b", '"', "a\r\nb", "a\rb", "a\nb", "=1+1", "é日本", "\t"]
    save_rows(table, ("first", "second"), zip(cells, reversed(cells), strict=True))
    read = [tuple(row.cells.values()) for row in load_rows(table, ("first", "second"))]
    assert read == list(zip(cells, reversed(cells), strict=True))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\ta", "\ra"])
def test_a_formula_is_escaped(text: str) -> None:
    assert is_formula(text)
    assert escape_formula(text) == f"'{text}"


def test_other_text_is_not_escaped() -> None:
    for text in ("", "a=1", "1-1", "'=1"):
        assert escape_formula(text) == text


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        pytest.param(" output_content", "' output_content' seems to be meant", id="space before"),
        pytest.param("output_content ", "'output_content ' seems to be meant", id="space behind"),
        pytest.param("Output_Content", "'Output_Content' seems to be meant", id="case"),
        pytest.param("output content", "'output content' seems to be meant", id="two words"),
        pytest.param("\ufeff\ufeffoutput_content", "'\\ufeffoutput_content' seems", id="two marks"),
        pytest.param("'output_content'", "seems to be meant for 'output_content'", id="quotes"),
        pytest.param("output_contents", "is 'output_contents' meant for 'output_content'?", id="s"),
    ],
)
def test_likely_columns_are_named(tmp_path: Path, header: str, hint: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"{header},other\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="row 1: column 'output_content' is missing") as error:
        list(load_rows(path, ["output_content"]))
    assert hint in str(error.value)


def test_a_single_column_without_a_header_is_likely(tmp_path: Path) -> None:
    path = tmp_path / "categories.csv"
    path.write_text("SALAD\nBREAD\n", encoding="utf-8")
    with pytest.raises(InputError, match="if 'SALAD' is no name of a column, write 'category_im"):
        list(load_rows(path, ["category_image"]))


def test_nothing_is_guessed_where_nothing_is_near(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("x,y\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError) as error:
        list(load_rows(path, ["output_content"]))
    assert str(error.value).endswith("is missing; the header has 'x', 'y'")
