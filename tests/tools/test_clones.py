"""Clones of a small repository, and changes of their parameters."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rhymes.common.errors import InputError
from tools.clones import (
    SURROUNDINGS,
    Clone,
    list_uncommitted,
    pythons_to_surroundings,
    set_params,
)
from tools.killing import Kill, at_step, load_step, run_killed
from tools.reproduce import texts_to_changes

PARAMS = """# Settings.
raw:
  export: data/raw   # a folder
train:
  steps: 400
  learning_rate: 1.0e-3
  pretrained: none
  augmentation:
    flip: true
"""
FILES = {
    "params.yaml": PARAMS,
    "dvc.lock": "schema: '2.0'\n",
    ".dvc/config": "[cache]\n    dir = /srv/shared\n",
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    for name, text in FILES.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "Start"]):
        identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        subprocess.run(["git", *identity, *command], cwd=path, check=True, timeout=60)
    return path


@pytest.fixture
def clone(source: Path, tmp_path: Path) -> Clone:
    return Clone(source, tmp_path / "clones", SURROUNDINGS[1])


def test_a_clone_begins_with_nothing_done_and_shares_no_cache(clone: Clone) -> None:
    from rhymes.versions.dvc import load_cache_folder

    assert not (clone.path / "dvc.lock").exists()
    assert load_cache_folder(clone.path / ".dvc") == clone.cache
    assert not clone.cache.exists()


def test_surroundings_differ_in_all_that_must_not_matter(source: Path, tmp_path: Path) -> None:
    seen = []
    for surroundings in SURROUNDINGS:
        clone = Clone(source, tmp_path / "clones", surroundings)
        script = "umask; pwd; echo $HOME $TZ $LC_ALL $PYTHONHASHSEED $DVC_SITE_CACHE_DIR"
        seen.append(clone.run(["sh", "-c", script]).split())
    assert all(a != b for a, b in zip(*seen, strict=False))


def test_a_clone_for_each_python(source: Path, tmp_path: Path) -> None:
    (source / "requirements.txt").write_text("")
    made = pythons_to_surroundings([sys.executable, sys.executable], source, tmp_path / "made")
    seen = []
    for surroundings in made:
        clone = Clone(source, tmp_path / "clones", surroundings)
        seen.append(clone.run(["python", "-c", "import sys; print(sys.prefix)"]).strip())
    assert seen == [str(tmp_path / "made/environment-1"), str(tmp_path / "made/environment-2")]


def test_what_is_not_committed_is_named(source: Path) -> None:
    assert list_uncommitted(source) == []
    (source / "params.yaml").write_text("a: 1\n")
    (source / "new file").touch()
    assert list_uncommitted(source) == ["params.yaml", "new file"]


def test_changes_keep_comments_and_all_else(clone: Clone, source: Path) -> None:
    set_params(clone.path, {"train.steps": "20", "train.augmentation.flip": "false"}, source)
    text = (clone.path / "params.yaml").read_text()
    assert text == PARAMS.replace("400", "20").replace("flip: true", "flip: false")


@pytest.mark.parametrize("key", ["train.step", "trian.steps", "steps", "train.steps.more"])
def test_an_unknown_key_is_refused(clone: Clone, source: Path, key: str) -> None:
    with pytest.raises(InputError, match=rf"params\.yaml has no {key}"):
        set_params(clone.path, {key: "1"}, source)


def test_an_export_that_dvc_tracks_is_read_from_the_source(clone: Clone, source: Path) -> None:
    (clone.path / "data").mkdir()
    (clone.path / "data/raw.dvc").touch()
    set_params(clone.path, {}, source)
    assert f"export: {source}/data/raw" in (clone.path / "params.yaml").read_text()


def test_settings_of_the_command_line() -> None:
    assert texts_to_changes(["a.b=1", "c.d=x=y"]) == {"a.b": "1", "c.d": "x=y"}
    with pytest.raises(InputError, match="expected section"):
        texts_to_changes(["a.b"])


# Takes a second a step and leaves a child of its own, as DVC does.
TRAINING = """
mkdir -p reports/train; echo $$ > pid; sleep 100 & echo $! > child
for step in 1 2 3 4; do
  echo "{\\"step\\": $step}" > reports/train/metrics.json; echo step $step; sleep 1
done
wait
"""


def test_kills_all_that_was_started_and_in_time(clone: Clone) -> None:
    (clone.path / "reports/train").mkdir(parents=True)
    old = clone.path / "reports/train/metrics.json"
    old.write_text('{"step": 9}')  # of a training before
    os.utime(old, (time.time() - 60,) * 2)
    killed = run_killed(clone, ["sh", "-c", TRAINING], at_step(2))
    assert killed.is_met
    assert killed.printed == "step 1\nstep 2\n"
    assert load_step(clone, 0) == 2
    for name in ("pid", "child"):
        pid = int((clone.path / name).read_text())
        state = Path(f"/proc/{pid}/stat")
        deadline = time.monotonic() + 20
        while state.exists() and state.read_text().split()[2] != "Z":
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("command", "kill", "message"),
    [
        pytest.param("true", at_step(1), "ended before it could be killed", id="too short"),
        pytest.param("exit 3", None, r"failed \(status 3\)", id="fails"),
    ],
)
def test_what_was_not_killed_is_an_error(
    clone: Clone, command: str, kill: Kill | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        run_killed(clone, ["sh", "-c", command], kill)


def test_what_ignores_other_signals_is_killed(clone: Clone) -> None:
    deaf = f"trap '' TERM INT HUP; {TRAINING}"
    assert run_killed(clone, ["sh", "-c", deaf], at_step(1)).printed.startswith("step 1")


@pytest.mark.parametrize("is_written", [True, False], ids=["half", "whole already"])
def test_says_whether_a_file_was_being_written(clone: Clone, is_written: bool) -> None:
    folder = clone.scratch / "key"
    folder.mkdir(parents=True)
    kill = Kill("in writing", lambda *_: (clone.path / "on").exists(), in_writing=True)
    name = ".progress.1.part" if is_written else "progress"
    command = ["sh", "-c", f"touch '{folder}/{name}' on; sleep 60"]
    assert run_killed(clone, command, kill).is_met == is_written
