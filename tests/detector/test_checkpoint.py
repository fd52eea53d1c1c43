from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rhymes.common.params import section_to_dict
from rhymes.detector.checkpoint import build_record, files_to_sha256
from rhymes.detector.settings import DataFacts, TrainParams
from rhymes.versions.environment import load_environment


@pytest.fixture
def pretrained(
    params: Callable[..., TrainParams], facts: Callable[..., DataFacts]
) -> Callable[[Path | None], Any]:
    """What is recorded of a file of weights."""
    return lambda path: build_record(params(), "retinanet", facts(), [], path)["pretrained"]


def save_weights(folder: Path, content: bytes = b"1") -> Path:
    folder.mkdir()
    (folder / "ckpt.index").write_bytes(b"index")
    (folder / "ckpt.data-00000-of-00001").write_bytes(content)
    return folder


def test_of_one_file_the_hash_is_that_of_its_bytes(
    pretrained: Callable[[Path | None], Any], tmp_path: Path
) -> None:
    (tmp_path / "a.h5").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert pretrained(tmp_path / "a.h5") == {"file": "a.h5", "sha256": digest}
    assert pretrained(None) is None


@pytest.mark.parametrize("name", ["", "ckpt.index"], ids=["folder", "index file"])
def test_a_checkpoint_is_known_by_its_contents_wherever_it_lies(
    pretrained: Callable[[Path | None], Any], tmp_path: Path, name: str
) -> None:
    (tmp_path / "x").mkdir()
    here, there = save_weights(tmp_path / "w"), save_weights(tmp_path / "x" / "w")
    (tmp_path / "y").mkdir()
    other = save_weights(tmp_path / "y" / "w", b"2")
    assert pretrained(here / name) == pretrained(there / name)
    assert pretrained(here / name) != pretrained(other / name)


def test_no_path_is_recorded(
    params: Callable[..., TrainParams], facts: Callable[..., DataFacts], tmp_path: Path
) -> None:
    folder = save_weights(tmp_path / "w")
    record = build_record(params(pretrained=str(folder)), "retinanet", facts(), [], folder)
    assert str(tmp_path) not in str(record)


def test_whatever_a_training_depends_on_changes_the_record(
    params: Callable[..., TrainParams], facts: Callable[..., DataFacts], tmp_path: Path
) -> None:
    """So that it never goes on from another one's progress, whose key is a hash of the record."""
    data = tmp_path / "train.tfrecord"
    data.write_bytes(b"1")
    changes = {
        "backbone": "resnet_18", "image_size": 64, "steps": 7, "batch_size": 9, "validations": 2,
        "learning_rate": 0.5, "seed": 5, "strategy": "mirrored",
    }  # fmt: skip
    unlike = [params(), *(params(**{key: value}) for key, value in changes.items())]
    records = [build_record(each, "retinanet", facts(), [data], None) for each in unlike]
    records.append(build_record(params(), "mask_rcnn", facts(), [data], None))
    data.write_bytes(b"2")
    records.append(build_record(params(), "retinanet", facts(), [data], None))
    assert len({str(record) for record in records}) == len(changes) + 3
    assert records[0]["params"].keys() == section_to_dict(params()).keys() - {"pretrained"}
    assert records[0]["code"]["sha256"] != files_to_sha256([]), "the code counts as well"
    assert records[0]["environment"] == load_environment(), "so do Python and the libraries"
