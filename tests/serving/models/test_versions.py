from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from rhymes.serving.models.model_config import All, Latest, Specific
from rhymes.serving.models.version_folder import CompleteFolder
from rhymes.serving.models.versions import BasePathWatch, choose_versions, list_versions
from tests.support.version_folders import make_config, save_version

DUPLICATE = (
    "Duplicate version directories detected. Version 1 will be loaded from {}, {} will be ignored."
)


def test_folders_named_by_numbers_are_versions(tmp_path: Path) -> None:
    names = ["1", "00000123", "9223372036854775807", "0"]
    ignored = ["v1", "1.0", "-1", "+1", " 2", "1_0", "٣", ".2.part", "9223372036854775808", "tmp"]
    for name in [*names, *ignored]:
        (tmp_path / name).mkdir()
    (tmp_path / "7").write_bytes(b"no folder")
    (tmp_path / "8").symlink_to(tmp_path / "1")
    (tmp_path / "9").symlink_to("nowhere")
    listing = list_versions(tmp_path)
    assert list(listing.folders) == [0, 1, 8, 123, 9223372036854775807]
    assert listing.folders[123] == tmp_path / "00000123"
    assert not listing.warnings


def test_the_last_of_two_names_for_a_number_counts(tmp_path: Path) -> None:
    for name in ("01", "1", "001"):
        (tmp_path / name).mkdir()
    listing = list_versions(tmp_path)
    assert dict(listing.folders) == {1: tmp_path / "1"}
    assert listing.warnings == (
        DUPLICATE.format("01", "001"),
        DUPLICATE.format("1", "01"),
    )


@pytest.mark.parametrize(
    ("policy", "versions"),
    [
        pytest.param(Latest(), [10], id="latest"),
        pytest.param(Latest(2), [2, 10], id="latest two"),
        pytest.param(Latest(9), [1, 2, 10], id="more than there are"),
        pytest.param(All(), [1, 2, 10], id="all"),
        pytest.param(Specific(frozenset({1, 10, 11})), [1, 10], id="specific"),
        pytest.param(Specific(frozenset()), [], id="none"),
    ],
)
def test_policies(policy: Any, versions: list[int]) -> None:
    folders = {number: Path(str(number)) for number in (1, 2, 10)}
    assert list(choose_versions(folders, policy)) == versions


def test_trouble_is_logged_when_it_is_new(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watch = BasePathWatch()
    config = make_config(tmp_path, policy=Specific(frozenset({1, 2})))
    absent = (
        "Version {} of servable m, which was requested to be served as a 'specific' version in the "
        "servable's version policy, was not found in the file system"
    )
    none = (
        f"No versions of servable m found under base path {tmp_path}. Did you forget to name your "
        "leaf directory as a number (eg. '/1/')?"
    )
    with caplog.at_level(logging.WARNING, "rhymes.serving"):
        assert watch.poll(config) == {}
        watch.poll(config)
    assert [record.message for record in caplog.records] == [
        absent.format(1),
        absent.format(2),
        none,
    ]
    caplog.clear()
    save_version(tmp_path, 2)
    with caplog.at_level(logging.WARNING, "rhymes.serving"):
        found = watch.poll(config)
        assert found is not None
        assert isinstance(found[2].found, CompleteFolder)
        (tmp_path / "2").rename(tmp_path / "away")
        watch.poll(config)
    assert [record.message[:9] for record in caplog.records] == ["Version 2", "No versio"]


def test_a_base_path_that_is_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"")
    with caplog.at_level(logging.WARNING, "rhymes.serving"):
        assert BasePathWatch().poll(make_config(path)) is None
    assert f"Could not find base path {path} for servable m with error" in caplog.text
    assert "Not a directory" in caplog.text
