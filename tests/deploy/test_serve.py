"""A container of TensorFlow Serving, which knows no SIGTERM, lets running calls end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# Says that it runs, is busy for a while, says that it is done, and then waits for ever.
BUSY = "import time; print('runs', flush=True); time.sleep({}); print('done', flush=True); {}"
FOREVER = "time.sleep(600)"


def start(root: Path, mark: Path, seconds: float, code: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "DRAIN_MARK": str(mark), "DRAIN_SECONDS": str(seconds)}
    command = ["bash", str(root / "deploy/serve.sh"), sys.executable, "-c", code]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def wait_for_line(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == f"{line}\n"


def test_running_call_ends_before_the_server_does(root: Path, tmp_path: Path) -> None:
    mark = tmp_path / "draining"
    process = start(root, mark, 2, BUSY.format(1, FOREVER))
    wait_for_line(process, "runs")
    process.send_signal(signal.SIGTERM)
    limit = time.monotonic() + 20
    while not mark.exists() and time.monotonic() < limit:
        time.sleep(0.02)
    assert mark.exists(), "the health check cannot turn red"
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out == "done\n"
    assert "2 seconds to end" in err
    assert not mark.exists()


def test_server_that_ends_earlier_is_not_waited_for(root: Path, tmp_path: Path) -> None:
    process = start(root, tmp_path / "draining", 600, BUSY.format(1, "pass"))
    wait_for_line(process, "runs")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("code", "status"),
    [
        pytest.param("raise SystemExit(3)", 3, id="its own exit code"),
        pytest.param("import os; os.abort()", 128 + signal.SIGABRT, id="killed"),
    ],
)
def test_end_of_the_server_is_told(root: Path, tmp_path: Path, code: str, status: int) -> None:
    process = start(root, tmp_path / "draining", 1, code)
    process.communicate(timeout=30)
    assert process.returncode == status


def test_mark_of_an_earlier_life_is_removed(root: Path, tmp_path: Path) -> None:
    mark = tmp_path / "draining"
    mark.touch()
    process = start(root, mark, 0.1, BUSY.format(0, FOREVER))
    wait_for_line(process, "runs")
    assert not mark.exists()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)


def test_stops_where_no_mark_can_be_written(root: Path, tmp_path: Path) -> None:
    process = start(root, tmp_path / "no folder/draining", 0.1, BUSY.format(0, FOREVER))
    wait_for_line(process, "runs")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "cannot be written" in err


def test_arguments_come_through_as_they_are(root: Path, tmp_path: Path) -> None:
    command = ["bash", str(root / "deploy/serve.sh"), "printf", "%s|", "a b", "*", "$x"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert result.stdout == "a b|*|$x|"
