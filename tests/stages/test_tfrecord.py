"""The stage as DVC runs it: a command in a folder with the COCO files and images."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rhymes.coco.tfrecord import load_tfrecord
from tests.support.coco_factory import CocoFactory, real_coco

TRIANGLE = [1.0, 1.0, 9.0, 1.0, 9.0, 9.0]
STAGE = "from stages import tfrecord; tfrecord.main({})"


def prepare(folder: Path, images: int = 9, include_masks: str = "auto", per_shard: int = 4) -> None:
    """Train has so many images, val one without an object, test none."""
    settings = f"{{include_masks: {include_masks}, images_per_shard: {per_shard}}}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(f"tfrecord: {settings}\n")
    first_id = 1
    for split, count in (("train", images), ("val", 1), ("test", 0)):
        factory = CocoFactory(folder / "data/images", ["crème", "b"], first_id)
        for number in range(count):
            factory.add_image(16, 16)
            if split == "train":
                factory.add_polygon(TRIANGLE, category=number % 2 + 1)
        first_id += count
        factory.save(folder / f"data/coco/{split}.json")


def start(folder: Path, root: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *(arguments or ("-m", "stages.tfrecord"))],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(folder: Path, root: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    process = start(folder, root, *arguments, **environment)
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def contents(folder: Path) -> dict[str, bytes]:
    base = folder / "data/tfrecord"
    return {
        path.relative_to(base).as_posix(): path.read_bytes()
        for path in sorted(base.rglob("*"))
        if path.is_file()
    }


def test_the_stage_writes_shards_and_counts(tmp_path: Path, root: Path) -> None:
    prepare(tmp_path)
    code, output, errors = run(tmp_path, root)
    assert (code, errors) == (0, "")
    assert list(contents(tmp_path)) == [
        "test/count.json",
        "train/count.json",
        "train/train-00000-of-00003.tfrecord",
        "train/train-00001-of-00003.tfrecord",
        "train/train-00002-of-00003.tfrecord",
        "val/count.json",
        "val/val-00000-of-00001.tfrecord",
    ]
    counts = {
        split: json.loads((tmp_path / f"data/tfrecord/{split}/count.json").read_bytes())
        for split in ("train", "val", "test")
    }
    assert counts == {
        "train": {"records": 9, "objects": 9, "most_objects": 1, "shards": 3, "masks": True},
        "val": {"records": 1, "objects": 0, "most_objects": 0, "shards": 1, "masks": True},
        "test": {"records": 0, "objects": 0, "most_objects": 0, "shards": 0, "masks": True},
    }
    assert output.splitlines() == [
        "masks are written: 9 of 9 objects have a polygon",
        "train: 9 images, 9 objects, 3 shards",
        "val: 1 images, 0 objects, 1 shards",
        "test: 0 images, 0 objects, 0 shards",
    ]


def test_the_bytes_are_the_same_each_time(tmp_path: Path, root: Path) -> None:
    found = []
    for number, (processes, seed) in enumerate([("", "0"), ("1", "1"), ("2", "2"), ("3", "3")]):
        folder = tmp_path / str(number)
        prepare(folder)
        code, _, errors = run(folder, root, "-c", STAGE.format(processes), PYTHONHASHSEED=seed)
        assert (code, errors) == (0, "")
        found.append(contents(folder))
    assert all(each == found[0] for each in found)


def test_shards_of_an_earlier_run_are_removed(tmp_path: Path, root: Path) -> None:
    prepare(tmp_path, per_shard=2)
    run(tmp_path, root)
    (tmp_path / "data/tfrecord/train/.train-00000-of-00005.tfrecord.1.part").write_bytes(b"half")
    prepare(tmp_path, per_shard=9)
    assert run(tmp_path, root)[0] == 0
    assert [name for name in contents(tmp_path) if name.startswith("train/")] == [
        "train/count.json",
        "train/train-00000-of-00001.tfrecord",
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param("{include_masks: auto}", "images_per_shard: missing", id="missing key"),
        pytest.param(
            "{include_masks: auto, images_per_shard: 0}", "images_per_shard: got 0", id="zero"
        ),
        pytest.param(
            "{include_masks: maybe, images_per_shard: 9}", "include_masks: got 'maybe'", id="maybe"
        ),
        pytest.param(
            "{include_masks: 1, images_per_shard: 9}", "include_masks: got 1", id="number for bool"
        ),
        pytest.param(
            "{include_mask: auto, images_per_shard: 9}", "did you mean 'include_masks'", id="typo"
        ),
    ],
)
def test_a_wrong_parameter_is_named(
    tmp_path: Path, root: Path, settings: str, message: str
) -> None:
    prepare(tmp_path)
    (tmp_path / "params.yaml").write_text(f"tfrecord: {settings}\n")
    code, _, errors = run(tmp_path, root)
    assert code == 1
    assert message in errors
    assert "Traceback" not in errors


def test_a_missing_image_stops_the_stage_with_a_sentence(tmp_path: Path, root: Path) -> None:
    prepare(tmp_path)
    victim = json.loads((tmp_path / "data/coco/train.json").read_text())["images"][3]["file_name"]
    (tmp_path / "data/images" / victim).unlink()
    code, _, errors = run(tmp_path, root)
    assert code == 1
    assert f"tfrecord: data/coco/train.json: image 4: data/images/{victim} could not" in errors
    assert "Traceback" not in errors
    assert not any(name.endswith("count.json") for name in contents(tmp_path))


def test_a_file_that_cannot_grow_stops_the_stage_with_a_sentence(
    tmp_path: Path, root: Path
) -> None:
    prepare(tmp_path)
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900));"
    stage = "from stages import tfrecord, command; command.run_stage('tfrecord', tfrecord.main)"
    code, _, errors = run(tmp_path, root, "-c", limited + stage)
    assert code == 1
    assert ".tfrecord: File too large; the file system or `ulimit -f` allows no" in errors
    assert not any(name.endswith(".tfrecord") for name in contents(tmp_path))


# Before it writes, each image takes a while.
SLOW = """
import time
from rhymes.coco import shards
load = shards.load_image
def load_slowly(*arguments):
    time.sleep(0.05)
    return load(*arguments)
shards.load_image = load_slowly
from stages import tfrecord
tfrecord.main(2)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_in_the_middle_it_leaves_whole_shards_alone(
    tmp_path: Path, root: Path, number: signal.Signals
) -> None:
    prepare(tmp_path, images=40)
    process = start(tmp_path, root, "-c", SLOW)
    folder = tmp_path / "data/tfrecord/train"
    deadline = time.monotonic() + 30
    while not list(folder.glob("*.tfrecord")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert errors.count("Traceback") <= 1, "the stage's own; the others end quietly"
    while processes_left(process.pid):
        assert time.monotonic() < deadline, "processes outlive the stage"
        time.sleep(0.01)
    shards = list(folder.glob("*.tfrecord"))
    assert 0 < len(shards) < 10
    for shard in shards:
        assert len(list(load_tfrecord(shard))) == 4
    assert not (folder / "count.json").exists()
    assert run(tmp_path, root)[0] == 0
    assert len(contents(tmp_path)) == 10 + 1 + 3


def processes_left(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("name", ["breadboard5", "bccd3"])
def test_real_exports_get_masks_where_they_have_polygons(
    tmp_path: Path, root: Path, shared: Path, name: str
) -> None:
    prepare(tmp_path)
    factory = real_coco(shared / "datasets" / name, tmp_path / "data/images", 10)
    factory.save(tmp_path / "data/coco/train.json")
    code, _, errors = run(tmp_path, root)
    assert (code, errors) == (0, "")
    count = json.loads((tmp_path / "data/tfrecord/train/count.json").read_bytes())
    assert count["records"] == 10
    assert count["objects"] == len(factory.annotations)
    assert count["masks"] is (name == "breadboard5")
