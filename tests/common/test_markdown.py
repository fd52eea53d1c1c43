"""Tables in Markdown."""

from __future__ import annotations

import pytest

from rhymes.common.markdown import rows_to_table, text_to_cell


def test_columns_are_padded_for_a_terminal() -> None:
    assert rows_to_table(("class", "now"), [("A|B", 1), ("ÉMU <b>", 20)], is_padded=True) == (
        "| class      | now |\n| ---        | --- |\n| A\\|B       | 1   |\n| ÉMU &lt;b> | 20  |"
    )


def test_numbers_are_set_to_the_right() -> None:
    assert rows_to_table(("class", "AP"), [("A", "0.5")], has_numbers=True) == (
        "| class | AP |\n| --- | ---: |\n| A | 0.5 |"
    )


def test_no_rows() -> None:
    assert rows_to_table(("class", "AP"), []) == "Nothing."


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        pytest.param("a|b", "a\\|b", id="bar"),
        pytest.param("a\\|b", "a\\\\\\|b", id="escaped bar"),
        pytest.param(" a\r\n# b\t", "a # b", id="line break"),
        pytest.param("<script>", "&lt;script>", id="tag"),
        pytest.param("![](http://host/x.png)", "!\\[\\](http://host/x.png)", id="image"),
        pytest.param(7, "7", id="number"),
        pytest.param("é_1", "é_1", id="nothing to escape"),
    ],
)
def test_text_is_no_markup(text: object, cell: str) -> None:
    assert text_to_cell(text) == cell
