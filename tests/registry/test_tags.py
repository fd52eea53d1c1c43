"""Names of tags, and what a tag's message says."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from rhymes.common.errors import InputError
from rhymes.registry.provenance import (
    provenance_to_message,
    tag_to_provenance,
)
from rhymes.registry.tags import ARTIFACT, MODEL, Name, Tag, text_to_name

VALUES = {
    "artifact": "detector",
    "version": 1,
    "tag": "detector@v1.0.0",
    "model": {"md5": "0" * 32 + ".dir", "identity": "1" * 64},
    "test": {"metrics": {"AP": None, "AP50": 0.5, "images": 3}},
}
SIGNATURE = "-----BEGIN PGP SIGNATURE-----\n{}\n-----END PGP SIGNATURE-----\n"


@pytest.mark.parametrize(
    ("text", "name", "is_withdrawal"),
    [
        ("detector@v1.0.0", Name(1), False),
        ("detector@v12.3.4", Name(12, 3, 4), False),
        ("detector@v1.0.0!", Name(1), True),
        ("detector@v1.0.0!#2", Name(1), True),
        (f"detector@v{2**63 - 1}.0.0", Name(2**63 - 1), False),
    ],
)
def test_names_of_gto(text: str, name: Name, is_withdrawal: bool) -> None:
    assert text_to_name(text) == (name, is_withdrawal)
    assert str(name) == text.split("!")[0]


@pytest.mark.parametrize(
    "text",
    [
        "detector@vX", "detector@v1", "detector@v1.0", "detector@v1.0.0.0", "detector@v01.0.0",
        "detector@v0.0.0", "detector@v1.0.0-rc1", "detector@v1.0.0+x", "detector@v1.0.0\n",
        "detector@v-1.0.0", "detector@v\uff11.0.0", "Detector@v1.0.0", "xdetector@v1.0.0",
        "detector#prod#1", f"detector@v{2**63}.0.0", f"detector@v{'9' * 5000}.0.0",
    ],
)  # fmt: skip
def test_other_names(text: str) -> None:
    assert text_to_name(text) is None


def test_dvc_yaml_names_the_artifact(root: Path) -> None:
    artifacts = YAML(typ="safe").load(root / "dvc.yaml")["artifacts"]
    assert artifacts[ARTIFACT]["path"] == MODEL.as_posix()
    assert artifacts[ARTIFACT]["type"] == "model"


def test_numbers_are_compared_as_numbers() -> None:
    assert sorted([Name(10), Name(9, 10), Name(9, 9)]) == [Name(9, 9), Name(9, 10), Name(10)]


def test_a_message_is_read_back_whatever_stands_behind_it() -> None:
    message = provenance_to_message(VALUES)
    assert message.startswith("detector 1: AP50 0.500 on 3 test images\n\n{")
    for text in (message, message + SIGNATURE):
        found = tag_to_provenance(Tag(Name(1), "0" * 40, text, False))
        assert (found.values, found.identity) == (VALUES, "1" * 64)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("", "its message holds no provenance"),
        ("Registering artifact detector version v1.0.0", "its message holds no provenance"),
        ("x\n\n{", "its message holds no provenance"),
        ("x\n\n[]", "its message holds no provenance"),
        ('x\n\n{"model": []}', "its message holds no provenance"),
        ("x\n\n" + "{" * 100_000, "its message holds no provenance"),
        ("x\n\n" + '{"a":' * 100_000, "its message holds no provenance"),
        (
            provenance_to_message(VALUES | {"tag": "detector@v2.0.0"}),
            "its message is that of detector@v2.0.0, version 1",
        ),
        (provenance_to_message(VALUES | {"version": 3}), "detector@v1.0.0, version 3"),
    ],
)
def test_a_message_that_is_not_ours(message: str, said: str) -> None:
    with pytest.raises(InputError, match=rf"^tag detector@v1\.0\.0: .*{said}"):
        tag_to_provenance(Tag(Name(1), "0" * 40, message, False))
