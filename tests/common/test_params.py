from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from rhymes.common.errors import InputError
from rhymes.common.params import load_section, section, section_to_dict


@section
class Group:
    flip: bool
    scale: Annotated[float, Field(ge=1.0, le=2.0)]


@section
class Sample:
    steps: Annotated[int, Field(ge=1)]
    rate: Annotated[float, Field(gt=0.0)]
    model: Literal["small", "large"]
    masks: Literal["auto"] | bool
    pattern: str | None
    hosts: list[str]
    group: Group


GOOD = {
    "steps": "1",
    "rate": "1e-3",
    "model": "small",
    "masks": "auto",
    "pattern": "null",
    "hosts": "[]",
    "group": "{flip: true, scale: 1.5}",
}


def load(tmp_path: Path, **changes: str | None) -> Sample:
    lines = {key: value for key, value in (GOOD | changes).items() if value is not None}
    path = tmp_path / "params.yaml"
    path.write_text("sample:\n" + "".join(f"  {k}: {v}\n" for k, v in lines.items()))
    return load_section("sample", Sample, path)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        pytest.param("rate", "1e-3", 0.001, id="exponent without a point is a float"),
        pytest.param("rate", "1", 1.0, id="an integer is a float"),
        pytest.param("pattern", "no", "no", id="no is a word"),
        pytest.param("masks", "true", True, id="one branch of a union"),
        pytest.param("masks", "auto", "auto", id="other branch of a union"),
        pytest.param("hosts", "[a, b]", ["a", "b"], id="list"),
    ],
)
def test_reads_values_as_yaml_1_2(tmp_path: Path, key: str, text: str, value: object) -> None:
    assert getattr(load(tmp_path, **{key: text}), key) == value


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"steps": "0"}, "sample.steps: got 0; input should be greater", id="range"),
        pytest.param({"steps": "1.0"}, "sample.steps: got 1.0", id="float for an integer"),
        pytest.param({"steps": "true"}, "sample.steps: got True", id="bool for an integer"),
        pytest.param({"steps": "'3'"}, "sample.steps: got '3'", id="text for an integer"),
        pytest.param({"rate": "'1e-3'"}, "sample.rate: got '1e-3'", id="text for a float"),
        pytest.param({"rate": ".nan"}, "sample.rate: got nan; input should be a finite", id="nan"),
        pytest.param({"rate": ".inf"}, "sample.rate: got inf", id="infinity"),
        pytest.param(
            {"model": "tiny"}, "sample.model: got 'tiny'; input should be 'small' or", id="choice"
        ),
        pytest.param({"masks": "1"}, "sample.masks: got 1; input should be", id="union"),
        pytest.param({"hosts": "[1]"}, "sample.hosts: got 1", id="type within a list"),
        pytest.param({"hosts": "a"}, "sample.hosts: got 'a'", id="scalar for a list"),
        pytest.param(
            {"stps": "1"},
            "sample.stps: unknown key; did you mean 'steps'? allowed: steps, rate",
            id="typo",
        ),
        pytest.param(
            {"steps": None}, "sample.steps: missing; needed are steps, rate", id="missing"
        ),
        pytest.param(
            {"group": "{flip: true}"}, "sample.group.scale: missing", id="missing in a group"
        ),
        pytest.param(
            {"group": "{flip: true, scale: 3.0}"},
            "sample.group.scale: got 3.0",
            id="range in a group",
        ),
        pytest.param(
            {"group": "{flip: 1, scale: 1.0}"}, "sample.group.flip: got 1", id="type in a group"
        ),
        pytest.param(
            {"group": "{flip: true, scale: 1.0, skale: 1}"},
            "sample.group.skale: unknown key; did you mean 'scale'?",
            id="typo in a group",
        ),
        pytest.param({"group": "3"}, "sample.group: got 3", id="scalar for a group"),
    ],
)
def test_names_key_value_and_what_is_allowed(
    tmp_path: Path, changes: dict[str, str | None], expected: str
) -> None:
    with pytest.raises(InputError) as error:
        load(tmp_path, **changes)
    assert expected in str(error.value)


def test_names_every_wrong_key_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        load(tmp_path, steps="0", rate="-1")
    assert "sample.steps" in str(error.value)
    assert "sample.rate" in str(error.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("other: {}", "section 'sample' is missing; it needs steps", id="no section"),
        pytest.param("sample: 3", "expected a mapping", id="section is no mapping"),
        pytest.param("- 1", "expected a mapping of sections", id="file is no mapping"),
        pytest.param("", "expected a mapping of sections", id="empty file"),
        pytest.param("a: [", "not valid YAML", id="broken YAML"),
        pytest.param("a: 1\na: 2", "not valid YAML", id="key given twice"),
    ],
)
def test_names_what_is_wrong_with_the_file(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=expected):
        load_section("sample", Sample, path)


def test_says_where_to_run_when_the_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run this in the repository's root"):
        load_section("sample", Sample, tmp_path / "params.yaml")


def test_gives_a_section_back_as_plain_values(tmp_path: Path) -> None:
    values = section_to_dict(load(tmp_path))
    assert values["group"] == {"flip": True, "scale": 1.5}
    assert values["rate"] == 0.001
