"""The measurement of memory, on a stage of a few images."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench import memory

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")


@LINUX
def test_both_stages_run_on_the_made_up_export(tmp_path: Path) -> None:
    memory.save_export(tmp_path, 30)
    for stage in memory.STAGES:
        assert 20 * 2**20 < memory.peak_memory(tmp_path, stage) < 2**30
    assert list((tmp_path / "data/tfrecord/train").glob("*.tfrecord"))


@LINUX
def test_the_peak_counts_memory_that_was_given_back_and_that_of_children(tmp_path: Path) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/__init__.py").touch()  # a package that comes before the installed one
    (tmp_path / "stages/hungry.py").write_text(
        "import subprocess, sys, time\n"
        "def eat(): b = b'x' * (100 << 20); del b; time.sleep(0.2)\n"
        "eat()\n"
        "if len(sys.argv) == 1: subprocess.run([sys.executable, __file__, 'child'], check=True)\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "ROOT", tmp_path)
        assert memory.peak_memory(tmp_path, "hungry") > 200 * 2**20


@LINUX
def test_a_stage_that_fails_ends_the_measurement(tmp_path: Path) -> None:
    memory.save_export(tmp_path, 3)
    (tmp_path / "params.yaml").write_text("coco: {}\n")
    with pytest.raises(SystemExit, match=r"stage coco failed:\ncoco: params\.yaml"):
        memory.peak_memory(tmp_path, "coco")
