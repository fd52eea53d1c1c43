"""The scanner against json.loads: any layout, any window."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhymes.coco import json_scanner
from rhymes.coco.json_scanner import JsonScanner
from rhymes.common.errors import InputError

DOCUMENT = {
    "info": {"description": "Entrées, \u4e2d\u6587 \u2028", "nested": [[1, [2.5]], {}]},
    "images": [{"id": 1, "name": "café \U0001f355"}, {"id": 2, "name": 'quo"te\\ [],{}'}],
    "numbers": [0, -12, 3.5e-7, True, None, "x"],
    "nothing": [],
    "last": 1234567890123456789,
}


def scan(data: bytes) -> dict[str, Any]:
    """Read a document through a scanner; check that each value's bytes are its JSON."""
    found: dict[str, Any] = {}
    scanner = JsonScanner(Path("a.json"), io.BytesIO(data))
    for key in scanner.keys():  # noqa: SIM118
        if isinstance(json.loads(data)[key], list):
            elements = list(scanner.elements())
            found[key] = [element.value for element in elements]
            assert [json.loads(data[each.start : each.end]) for each in elements] == found[key]
        else:
            placed = scanner.value()
            found[key] = placed.value
            assert json.loads(data[placed.start : placed.end]) == placed.value
    return found


def by_lines(document: dict[str, Any]) -> str:
    """A record a line, as the COCO files of the pipeline have it."""
    parts = []
    for key, value in document.items():
        text = json.dumps(value)
        if isinstance(value, list):
            text = (
                "[\n" + ",\n".join(json.dumps(each, ensure_ascii=False) for each in value) + "\n]"
            )
        parts.append(f"{json.dumps(key)}: {text}")
    return "{" + ",\n".join(parts) + "}\n"


@pytest.mark.parametrize("window", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(json.dumps(DOCUMENT), id="one line, escapes"),
        pytest.param(json.dumps(DOCUMENT, ensure_ascii=False), id="one line, UTF-8"),
        pytest.param(json.dumps(DOCUMENT, indent=4, ensure_ascii=False), id="indented"),
        pytest.param(json.dumps(DOCUMENT, separators=(",", ":")), id="without spaces"),
        pytest.param(json.dumps(DOCUMENT, indent="\t").replace("\n", "\r\n"), id="tabs, CR LF"),
        pytest.param(" \n" + json.dumps(DOCUMENT) + "\n\n", id="space around"),
        pytest.param("{}", id="empty"),
    ],
)
def test_any_layout_is_read(text: str, window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_scanner, "_WINDOW", window)
    assert scan(text.encode()) == json.loads(text)


@pytest.mark.parametrize("block", [9, 30, 1 << 14])
@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(['{"a": 1},', '{"b": 2},', '{"c": 3}'], id="a line each"),
        pytest.param(['{"a": 1}, {"b": 2},', '{"c": 3}'], id="two on a line"),
        pytest.param(['{"a": [{},', '{"b": 2},', "{}]}"], id="one over lines that look whole"),
        pytest.param(['{"a": 1,', '"b": 2},', '{"c": 3}'], id="one over two lines"),
        pytest.param([' {"a": 1} ,', '\t{"b": 2},', '{"c": 3}'], id="space around"),
        pytest.param(['{"a": 1},', "", '{"b": 2},', '{"c": 3}'], id="a blank line"),
        pytest.param(["1,", "[2,", "3],", '"x"'], id="no objects"),
        pytest.param(['{"a": "' + "x" * 100 + '"},', '{"b": 2}'], id="longer than a block"),
    ],
)
def test_lines_are_no_elements_by_themselves(
    lines: list[str], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_scanner, "_BLOCK", block)
    text = '{"list": [\n' + "\n".join(lines) + "\n]}\n"
    assert scan(text.encode()) == json.loads(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(st.text(), VALUES, max_size=4),
    st.integers(1, 90),
    st.sampled_from(["line", 0, 2, None]),
)
@settings(max_examples=200, deadline=None)
def test_any_document_is_read(
    document: dict[str, Any], window: int, layout: str | int | None
) -> None:
    text = json.dumps(document, indent=layout) if layout != "line" else by_lines(document)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_scanner, "_WINDOW", window)
        assert scan(text.encode("utf-8")) == document


@pytest.mark.parametrize("window", [5, 1 << 20])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "expected '{', found ''", id="empty file"),
        pytest.param("[1]", "expected '{', found '\\[1", id="no object"),
        pytest.param('{"a": 1', "expected '}', found ''", id="cut off behind a value"),
        pytest.param('{"a": [1, 2', "expected", id="cut off in an array"),
        pytest.param(
            '{"a": [{"b": 1}, {"b"', "byte 17: expected a value", id="cut off in a record"
        ),
        pytest.param('{"a" 1}', "expected ':'", id="no colon"),
        pytest.param('{"a": 1 "b": 2}', "expected '}', found '\"", id="no comma"),
        pytest.param('{"a": 1} x', "expected the end of the file", id="more behind"),
        pytest.param('{"a": NaN}', "byte 6: expected a value", id="NaN is no JSON"),
        pytest.param('{"a": [1, oops]}', "byte 10: expected a value", id="no value"),
        pytest.param("{3: 1}", "expected a key", id="a number for a key"),
    ],
)
def test_what_is_not_json_is_refused(
    text: str, message: str, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_scanner, "_WINDOW", window)
    scanner = JsonScanner(Path("a.json"), io.BytesIO(text.encode()))
    with pytest.raises(InputError, match=f"^a.json: not valid JSON.*{message}"):
        for _ in scanner.keys():  # noqa: SIM118
            if scanner._peek() == b"[":
                list(scanner.elements())
            else:
                scanner.value()


def test_bytes_that_are_no_utf8_are_refused() -> None:
    scanner = JsonScanner(Path("a.json"), io.BytesIO(b'{"a": "\xff"}'))
    with pytest.raises(InputError, match="byte 6: expected a value"):
        for _ in scanner.keys():  # noqa: SIM118
            scanner.value()
