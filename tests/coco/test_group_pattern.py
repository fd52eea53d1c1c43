"""Keys that a pattern finds in names, originals beside their copies, and what is documented."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

from rhymes.coco.group_pattern import compile_group_pattern, find_pattern_keys, source_to_key
from rhymes.common.errors import InputError


@pytest.mark.parametrize(
    ("pattern", "source", "key"),
    [
        pytest.param(r"tray(\d+)", "x/tray12_3.jpg", "12", id="first group"),
        pytest.param(r"tray\d+", "x/tray12_3.jpg", "tray12", id="whole match"),
        pytest.param(r"(?P<film>\w+)/(\d+)", "film/3.jpg", "film", id="first of two"),
        pytest.param(r"tray(\d+)", "x/plate.jpg", None, id="no match"),
        pytest.param(r"tray(\d*)", "x/tray.jpg", None, id="empty key joins nothing"),
        pytest.param(r"tray|(\d+)", "x/tray.jpg", None, id="group not met"),
    ],
)
def test_key_of_an_image(pattern: str, source: str, key: str | None) -> None:
    assert source_to_key(source, re.compile(pattern)) == key


def test_broken_pattern() -> None:
    with pytest.raises(InputError, match=r"coco.group_pattern: not a regular expression: '\('"):
        compile_group_pattern("(", "params.yaml: coco.group_pattern")
    assert compile_group_pattern(None, "x") is None


@pytest.mark.parametrize(
    ("pattern", "copy", "original", "joined"),
    [
        pytest.param(r"([^/]+)_aug\d+", "x_aug1.jpg", "x.jpg", True, id="beside it"),
        pytest.param(r"([^/]+)_aug\d+", "x_aug1.jpg", "x.png", True, id="another extension"),
        pytest.param(r"([^/]+)_aug\d+", "aug/x_aug1.jpg", "raw/x.jpg", True, id="another folder"),
        pytest.param(r"([^/]+)_aug\d+", "x_aug1.jpg", "x", True, id="no extension"),
        pytest.param(r"([^/]+)_aug\d+", "x.v2_aug1.jpg", "x.v2.jpg", True, id="dot in the name"),
        pytest.param(
            r"([^/]+)_aug\d+", "https://a/x_aug1.jpg?s=/1.2", "https://a/x.jpg?s=3/4.5", True,
            id="signed URLs",
        ),
        pytest.param(r"(.+)_aug\d+", "a/x_aug1.jpg", "a/x.jpg", True, id="key with folder"),
        pytest.param(r"(.+)_aug\d+", "a/x_aug1.jpg", "b/x.jpg", False, id="x of another folder"),
        pytest.param(r"([^/]+)_aug\d+", "x_aug1.jpg", "xy.jpg", False, id="another name"),
        pytest.param(r"aug\d+_([^/.]+)", "aug1_x.jpg", "x.jpg", True, id="prefix"),
    ],
)  # fmt: skip
def test_original_belongs_to_its_copies(
    pattern: str, copy: str, original: str, joined: bool
) -> None:
    matches = find_pattern_keys([original, copy, copy.replace("aug1", "aug2")], re.compile(pattern))
    assert matches.matching == 2
    assert (matches.keys.get(original) == matches.keys[copy]) == joined
    assert matches.originals == ((original,) if joined else ())
    assert matches.others == (() if joined else (original,))


def test_what_is_reported() -> None:
    names = [f"{n}_aug{m}.jpg" for n in range(3) for m in range(2)] + ["1.jpg", "y.jpg"]
    matches = find_pattern_keys(names, re.compile(r"([^/]+)_aug\d+"))
    matches.check()
    assert matches.to_text() == (
        "coco.group_pattern matches 6 of 8 image names and 1 named like a key, in 3 groups: "
        "'0' of 0_aug0.jpg, '0' of 0_aug1.jpg, '1' of 1_aug0.jpg."
    )
    assert matches.to_report() == {
        "pattern": r"([^/]+)_aug\d+", "matching": 6, "originals": 1, "others": 1, "groups": 3,
        "examples": {"0_aug0.jpg": "0", "0_aug1.jpg": "0", "1_aug0.jpg": "1"},
    }  # fmt: skip
    assert list(matches.warnings()) == [
        "1 image does not match coco.group_pattern, each a group of its own: y.jpg."
    ]


@pytest.mark.parametrize(
    ("pattern", "warning"),
    [
        pytest.param(r"\d+", "", id="good"),
        pytest.param(r"_augment\d", "matches none of 4 image names, such as '0_aug0", id="none"),
        pytest.param(r"0_aug\d", "2 images do not match", id="some"),
        pytest.param(
            r".+", "joins no images: it finds 4 different keys in 4 names", id="each alone"
        ),
        pytest.param(r"aug", "joins all images in one group", id="all together"),
    ],
)
def test_warnings(pattern: str, warning: str) -> None:
    names = [f"{n}_aug{m}.jpg" for n in range(2) for m in range(2)]
    matches = find_pattern_keys(names, re.compile(pattern))
    found = list(matches.warnings())
    assert any(warning in each for each in found) if warning else not found
    if matches.matching:
        matches.check()
    else:
        with pytest.raises(InputError, match="matches none of 4 image names"):
            matches.check()


# For each documented pattern names of which those of one list stay together.
DOCUMENTED = {
    r"([^/]+)_aug\d+": [["x_aug1.jpg", "a/x_aug2.jpg", "x.jpg"], ["y_aug1.jpg", "y.png"]],
    r"(.+)/": [["film1/1.jpg", "film1/2.jpg"], ["film2/1.jpg"]],
    r"([^/]+)\.rf\.[0-9a-f]+": [["x_jpg.rf.0a1b.jpg", "x_jpg.rf.77ff.jpg"], ["y_jpg.rf.0a1b.jpg"]],
    r"tray\d+": [["tray1_left.jpg", "tray1.jpg"], ["tray12_left.jpg", "tray12.jpg"]],
}


def documented(root: Path) -> list[tuple[str, str]]:
    """The -S options with a pattern, as documented: option, and the pattern beside it."""
    text = (root / "docs/bring-your-own-export.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| `(-S [^`]*group_pattern[^`]*)` \|", text, re.MULTILINE)
    return [(option, pattern) for pattern, option in rows]


def test_documented_patterns_join_what_they_should(root: Path) -> None:
    assert {pattern for _, pattern in documented(root)} == set(DOCUMENTED)
    for pattern, together in DOCUMENTED.items():
        names = [name for each in together for name in each]
        keys = find_pattern_keys(names, re.compile(pattern)).keys
        groups = [{keys.get(name) for name in each} for each in together]
        assert all(len(each) == 1 and None not in each for each in groups), pattern
        assert len(set.union(*groups)) == len(together), pattern


def test_documented_options_are_read_by_dvc_as_meant(root: Path, tmp_path: Path) -> None:
    """A shell takes one pair of quotes away, and DVC another."""
    params = tmp_path / "params.yaml"
    for option, pattern in documented(root):
        params.write_text("coco:\n  group_pattern: null\n")
        flag, value = shlex.split(option)
        assert flag == "-S"
        apply_overrides(params, [value])
        assert YAML(typ="safe").load(params.read_text())["coco"]["group_pattern"] == pattern
