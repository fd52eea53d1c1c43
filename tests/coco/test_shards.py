"""Shards: what goes into which, what stops them, and what is left then."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rhymes.coco import shards
from rhymes.coco.coco_index import CocoIndex, load_coco_index
from rhymes.coco.shards import (
    choose_masks,
    index_to_summary,
    load_image,
    plan_shards,
    save_shard,
    save_shards,
)
from rhymes.coco.tfrecord import example_to_features, load_tfrecord
from rhymes.common.errors import InputError
from tests.support.coco_factory import CocoFactory

TRIANGLE = [1.0, 1.0, 9.0, 1.0, 9.0, 9.0]


@pytest.fixture
def factory(tmp_path: Path) -> CocoFactory:
    """Seven images with a triangle each."""
    factory = CocoFactory(tmp_path / "images", ["a", "b"])
    for number in range(7):
        factory.add_image(16, 16)
        factory.add_polygon(TRIANGLE, category=number // 4 + 1)
    return factory


def index_of(factory: CocoFactory) -> CocoIndex:
    return load_coco_index(factory.save(factory.folder.parent / "a.json"))


def plan(factory: CocoFactory, images_per_shard: int) -> list[shards.Shard]:
    folder = factory.folder.parent / "train"
    return list(plan_shards(index_of(factory), factory.folder, folder, images_per_shard, True))


def source_ids(path: Path) -> list[Any]:
    records = [example_to_features(record) for record in load_tfrecord(path)]
    return [int(bytes(record["image/source_id"][0])) for record in records]


@pytest.mark.parametrize(
    ("images_per_shard", "expected"),
    [
        pytest.param(1, [[1], [2], [3], [4], [5], [6], [7]], id="one each"),
        pytest.param(3, [[1, 4, 7], [2, 5], [3, 6]], id="dealt out"),
        pytest.param(7, [[1, 2, 3, 4, 5, 6, 7]], id="just one"),
        pytest.param(200, [[1, 2, 3, 4, 5, 6, 7]], id="room to spare"),
    ],
)
def test_images_are_dealt_out(
    factory: CocoFactory, images_per_shard: int, expected: list[list[int]]
) -> None:
    planned = plan(factory, images_per_shard)
    count = len(expected)
    names = [f"train-{number:05d}-of-{count:05d}.tfrecord" for number in range(count)]
    assert [shard.path.name for shard in planned] == names
    assert list(save_shards(planned, 1)) == [len(ids) for ids in expected]
    assert [source_ids(shard.path) for shard in planned] == expected
    assert sorted(planned[0].path.parent.iterdir()) == [shard.path for shard in planned]


def test_a_split_without_images_has_no_shard(tmp_path: Path) -> None:
    factory = CocoFactory(tmp_path / "images", ["a"])
    assert plan(factory, 3) == []
    summary = index_to_summary(index_of(factory), 3, True)
    assert summary == {
        "records": 0, "objects": 0, "most_objects": 0, "shards": 0, "masks": True
    }  # fmt: skip


def test_the_summary_counts(factory: CocoFactory) -> None:
    factory.add_polygon(TRIANGLE)
    assert index_to_summary(index_of(factory), 3, False) == {
        "records": 7, "objects": 8, "most_objects": 2, "shards": 3, "masks": False
    }  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "boxes", "expected"),
    [
        pytest.param("auto", 0, True, id="auto, polygons alone"),
        pytest.param("auto", 1, False, id="auto, one box among them"),
        pytest.param("auto", None, False, id="auto, no object at all"),
        pytest.param(True, 0, True, id="true, polygons alone"),
        pytest.param(True, None, True, id="true, no object at all"),
        pytest.param(False, 0, False, id="false"),
        pytest.param(False, 1, False, id="false, one box among them"),
    ],
)
def test_masks_are_for_all_objects_or_for_none(
    tmp_path: Path, setting: Any, boxes: int | None, expected: bool
) -> None:
    one, other = (CocoFactory(tmp_path / name / "images", ["a"]) for name in "ab")
    for factory in (one, other):
        factory.add_image(16, 16)
    if boxes is not None:
        one.add_polygon(TRIANGLE)
        for _ in range(boxes):
            other.add_object([1, 2, 3, 4])
    assert choose_masks(setting, [index_of(one), index_of(other)]) is expected


def test_masks_for_boxes_are_refused_with_the_count(factory: CocoFactory) -> None:
    for _ in range(2):
        factory.add_object([1, 2, 3, 4])
    with pytest.raises(InputError, match="include_masks is true, but 2 of 9 objects"):
        choose_masks(True, [index_of(factory)])


def spoil_missing(factory: CocoFactory) -> None:
    (factory.folder / factory.images[4]["file_name"]).unlink()


def spoil_bytes(factory: CocoFactory) -> None:
    path = factory.folder / factory.images[4]["file_name"]
    path.write_bytes(path.read_bytes()[:-1])


def spoil_name(factory: CocoFactory) -> None:
    factory.images[4]["file_name"] = "../secret.jpg"


def spoil_box(factory: CocoFactory) -> None:
    factory.annotations[4]["bbox"] = [1, 2, 0, 4]


def spoil_type(factory: CocoFactory) -> None:
    factory.annotations[4]["bbox"] = ["1", 2, 3, 4]


def spoil_area(factory: CocoFactory) -> None:
    del factory.annotations[4]["area"]


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(spoil_missing, r"\.jpg could not be read: No such file", id="missing"),
        pytest.param(spoil_bytes, r"\.jpg was changed: the SHA-256", id="changed"),
        pytest.param(spoil_name, r"'\.\./secret\.jpg' is not <SHA-256>\.jpg", id="leaves folder"),
        pytest.param(spoil_box, "annotation 5: bbox", id="empty box"),
        pytest.param(spoil_area, "missing or has a wrong type: KeyError.'area'", id="no area"),
        pytest.param(spoil_type, "missing or has a wrong type: TypeError", id="text for a number"),
    ],
)
def test_an_image_that_cannot_be_used_is_named_and_leaves_no_shard(
    factory: CocoFactory, spoil: Any, message: str, processes: int
) -> None:
    spoil(factory)
    planned = plan(factory, 3)
    with pytest.raises(InputError, match=rf"a\.json: image 5: .*{message}"):
        list(save_shards(planned, processes))
    assert not planned[1].path.exists()
    left = {path.name for path in planned[1].path.parent.iterdir()}
    assert left <= {planned[0].path.name, planned[2].path.name}


def test_an_older_shard_stays_when_a_new_one_fails(factory: CocoFactory) -> None:
    (shard,) = plan(factory, 7)
    save_shard(shard)
    before = shard.path.read_bytes()
    spoil_missing(factory)
    with pytest.raises(InputError, match="could not be read"):
        save_shard(shard)
    assert shard.path.read_bytes() == before


def test_a_full_disk_is_reported(factory: CocoFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shards, "save_tfrecord", fail)
    (shard,) = plan(factory, 7)
    with pytest.raises(OSError, match="No space left") as error:
        save_shard(shard)
    assert error.value.filename == str(shard.path)
    assert list(shard.path.parent.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:-3], id="cut off"),
        pytest.param(lambda data: data[:50] + b"?" + data[51:], id="other byte"),
        pytest.param(lambda _: b"", id="empty"),
    ],
)
def test_what_is_not_on_the_disk_as_written_is_not_renamed(
    factory: CocoFactory, monkeypatch: pytest.MonkeyPatch, damage: Any
) -> None:
    def save_and_damage(path: Path, records: Iterator[bytes]) -> int:
        count = save(path, records)
        path.write_bytes(damage(path.read_bytes()))
        return count

    save = shards.save_tfrecord
    monkeypatch.setattr(shards, "save_tfrecord", save_and_damage)
    (shard,) = plan(factory, 7)
    with pytest.raises(InputError, match=r"damaged|0 records were read back, 7 were written"):
        save_shard(shard)
    assert list(shard.path.parent.iterdir()) == []


def test_shards_are_planned_as_they_are_needed(factory: CocoFactory) -> None:
    planned = iter(plan(factory, 1))
    written = save_shards(planned, 2)
    next(written)
    assert len(list(planned)) == 2, "five of seven handed out: one done, four in the queue"
    written.close()


def test_a_killed_process_stops_the_stage(
    factory: CocoFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = os.getpid()

    def kill_own_process(*_: object) -> bytes:
        assert os.getpid() != parent
        os.kill(os.getpid(), 9)
        return b""

    monkeypatch.setattr(shards, "load_image", kill_own_process)
    with pytest.raises(InputError, match="a process that was writing shards was killed"):
        list(save_shards(plan(factory, 3), 2))


def test_an_image_is_read_as_it_is(factory: CocoFactory) -> None:
    name = factory.images[0]["file_name"]
    assert load_image(factory.folder, name) == (factory.folder / name).read_bytes()


def test_the_bytes_do_not_depend_on_the_processes(factory: CocoFactory) -> None:
    contents = []
    for processes in (1, 2, 5):
        planned = plan(factory, 2)
        assert sum(save_shards(planned, processes)) == 7
        contents.append([shard.path.read_bytes() for shard in planned])
    assert contents[0] == contents[1] == contents[2]
    labels = [
        label
        for shard in planned
        for record in load_tfrecord(shard.path)
        for label in example_to_features(record)["image/object/class/label"]
    ]
    assert Counter(labels) == {1: 4, 2: 3}
