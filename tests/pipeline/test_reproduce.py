"""Two clones in other surroundings lock the same bytes, also where the training was killed."""

from __future__ import annotations

import fcntl
from typing import Any

import pytest

from rhymes.common.errors import InputError
from tools.clones import SURROUNDINGS, Clone
from tools.kill_training import experiment_to_lock, list_left, run_starts
from tools.killing import at_step, in_writing
from tools.lock_comparison import entries_to_table, locks_to_entries

pytestmark = [pytest.mark.pipeline, pytest.mark.tf]

REPRO, TEMP = ["dvc", "repro"], ["dvc", "exp", "run", "--temp"]


@pytest.fixture(scope="module")
def clone(whole: Any, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A second clone, where nothing has run yet."""
    made = Clone(whole.repository.path, tmp_path_factory.mktemp("second"), SURROUNDINGS[1])
    (made.path / "params.yaml").write_bytes(whole.params)
    return made


def test_killed_trainings_end_in_the_bytes_of_an_undisturbed_one(whole: Any, clone: Clone) -> None:
    """Killed in an experiment's folder, then in the workspace, which goes on from there."""
    assert run_starts(clone, [(TEMP, in_writing())]) == []
    (lock,) = clone.scratch.glob("*/lock")
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # as a training beside it would
        with pytest.raises(InputError, match="the same parameters, data and code is running"):
            clone.run(REPRO)
    assert run_starts(clone, [(REPRO, at_step(8)), (REPRO, None)]) == []
    assert list_left(clone) == []
    differing = [e for e in locks_to_entries(whole.lock, clone.lock()) if not e.is_equal]
    assert not differing, entries_to_table(differing)
    assert clone.lock() == whole.lock


def test_the_run_cache_gives_what_was_trained(whole: Any, clone: Clone) -> None:
    (clone.path / "dvc.lock").unlink()
    assert "Running stage" not in clone.run(REPRO)
    assert clone.lock() == whole.lock
    clone.run(TEMP)
    assert experiment_to_lock(clone) == whole.lock
