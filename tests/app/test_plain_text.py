"""What a hostile name may not do in a label. The browser's tests show the same in a real page."""

from __future__ import annotations

import re

import pytest

from app.plain_text import plain

JOINER = "\N{WORD JOINER}"


def read_escapes(text: str) -> str:
    """What a reader of markdown makes of the escapes, if all punctuation is escaped."""
    assert not re.search(r"(?<!\\)(?:\\\\)*(?<![\\])[!-/:-@\[\]^-`{-~]", text), text
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)


@pytest.mark.parametrize(
    "name",
    [
        "tray_0001.jpg",
        "![](http://host.invalid/x.png)",
        "<img src=x onerror=alert(1)>.jpg",
        "[click](javascript:alert(1))",
        "$\\href{javascript:alert(1)}{x}$",
        ":red[warning] :material/delete: :smile:",
        "# heading",
        "1. list",
        "a|b|c",
        "**bold** __bold__ ~~gone~~ `code`",
        "back\\slash",
        "www.host.invalid someone@host.invalid https://host.invalid/",
        "&lt;b&gt; &#33;",
        "crème brûlée 西瓜 🍉",
    ],
)
def test_the_name_is_read_as_it_is(name: str) -> None:
    assert read_escapes(plain(name)).replace(JOINER, "") == name


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        pytest.param(":smile:", r":\w", id="emoji"),
        pytest.param(":material/delete:", r":\w", id="icon"),
        pytest.param("http://host.invalid", r"https?://", id="link"),
        pytest.param("www.host.invalid", r"www\.", id="www"),
        pytest.param("someone@host.invalid", r"@\w", id="mail"),
        pytest.param("a -> b <- c --- d <-> e", r"->|<-|--", id="arrows"),
    ],
)
def test_what_is_found_after_escapes_is_kept_apart(name: str, pattern: str) -> None:
    assert re.search(pattern, name)
    assert not re.search(pattern, read_escapes(plain(name)))


@pytest.mark.parametrize("character", ["\n", "\r", "\0", "\x1b", "\N{RIGHT-TO-LEFT OVERRIDE}"])
def test_what_cannot_be_printed_is_marked(character: str) -> None:
    assert plain(f"a{character}b") == "a\N{REPLACEMENT CHARACTER}b"


def test_long_names_are_cut_in_the_middle() -> None:
    shown = read_escapes(plain("a" * 300 + ".jpg", longest=21))
    assert shown == "a" * 10 + "\N{HORIZONTAL ELLIPSIS}" + "a" * 6 + ".jpg"


def test_numbers_and_paths_are_shown_too() -> None:
    assert plain(12) == "12"
    assert plain("x", longest=1) == "x"
