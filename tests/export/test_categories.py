"""Class names from the CSV, and which class a label means."""

from __future__ import annotations

from pathlib import Path

import pytest

from rhymes.common.errors import InputError
from rhymes.export.categories import LabelMatcher, load_categories

COMPOSED, DECOMPOSED = "CR\u00caPE", "CRE\u0302PE"


def write(folder: Path, text: str) -> Path:
    path = folder / "categories.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param("category_image\r\nRBC\r\nWBC\r\n", ("RBC", "WBC"), id="spreadsheet"),
        pytest.param("category_image\nWBC\nRBC", ("WBC", "RBC"), id="the file's order"),
        pytest.param("\ufeffcategory_image\nRBC\n", ("RBC",), id="byte order mark"),
        pytest.param('id,category_image\n1,"a, b"\n', ("a, b",), id="another column"),
        pytest.param(
            "category_image\nlogic gate\nA-B/C\nd'été\n\\x\n",
            ("logic gate", "A-B/C", "d'été", "\\x"),
            id="spaces, dashes, quotes, accents",
        ),
        pytest.param('category_image\n" RBC "\n', ("RBC",), id="blanks around"),
    ],
)
def test_names(tmp_path: Path, text: str, names: tuple[str, ...]) -> None:
    categories = load_categories(write(tmp_path, text))
    assert categories.names == names
    assert categories.warnings == ()


def test_doubled_and_empty_names_are_passed_over_with_a_warning(tmp_path: Path) -> None:
    text = f'category_image\n{COMPOSED}\n" "\nRBC\n{DECOMPOSED}\nRBC \nrbc\n'
    categories = load_categories(write(tmp_path, text))
    assert categories.names == (COMPOSED, "RBC", "rbc")
    empty, doubled = categories.warnings
    assert "1 row without a name, passed over: row 3" in empty
    assert "2 doubled names" in doubled
    assert "row 5" in doubled


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("name\nRBC\n", "column 'category_image' is missing", id="other header"),
        pytest.param("category_image\n", "no class name", id="header only"),
        pytest.param('category_image\n""\n', "no class name", id="only empty names"),
        pytest.param("", "no header", id="empty file"),
        pytest.param('category_image\nA\n"B\nC"\n', "row 3.*line break", id="line break"),
    ],
)
def test_unusable_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_categories(write(tmp_path, text))


@pytest.mark.parametrize(
    ("label", "separator", "class_id"),
    [
        pytest.param("salad", None, 1, id="exact"),
        pytest.param(" salad\n", None, 1, id="blanks around"),
        pytest.param("Salad", None, None, id="case matters"),
        pytest.param(DECOMPOSED, None, 3, id="accent as two code points"),
        pytest.param("salad-2", None, None, id="no separator configured"),
        pytest.param("salad-2", "-", 1, id="instance"),
        pytest.param("salad -2-3", "-", 1, id="first separator"),
        pytest.param("salad-bar", "-", 2, id="whole label first"),
        pytest.param("salad-bar-2", "-", 1, id="only the first part"),
        pytest.param("-2", "-", None, id="nothing before the separator"),
        pytest.param("soup", "-", None, id="unknown, no separator in it"),
        pytest.param("salad::2", "::", 1, id="separator of two characters"),
    ],
)
def test_class_of_a_label(label: str, separator: str | None, class_id: int | None) -> None:
    assert LabelMatcher(["salad", "salad-bar", COMPOSED], separator).class_id(label) == class_id


@pytest.mark.parametrize(
    ("label", "similar"),
    [
        pytest.param("PLATELETS", "Platelets", id="case"),
        pytest.param("Platelet", "Platelets", id="letter missing"),
        pytest.param("WBC", None, id="nothing like it"),
    ],
)
def test_similar_class(label: str, similar: str | None) -> None:
    assert LabelMatcher(["Platelets", "RBC"]).similar(label) == similar
