"""Processes of ours: waited for, ended, and never left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from rhymes.common.addresses import free_ports, is_free
from rhymes.project.processes import Child, ChildError, is_page, is_serving

SLEEP = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 30
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_it_prints_goes_to_its_log(tmp_path: Path) -> None:
    log = tmp_path / "logs/a.log"
    with Child("it", SLEEP, log) as child:
        child.wait_until(lambda: "here" in log.read_text(), 30)
        child.check()
        pid = child.process.pid
    wait_until_gone(pid)


def test_one_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no room'); raise SystemExit(3)"]
    with (
        Child("the server", command, tmp_path / "log") as child,
        pytest.raises(ChildError, match=r"(?s)the server ended with status 3:.*no room"),
    ):
        child.wait_until(lambda: False, 30)


def test_one_that_is_never_ready_is_told(tmp_path: Path) -> None:
    with (
        Child("the page", SLEEP, tmp_path / "log") as child,
        pytest.raises(ChildError, match=r"the page was not ready in 0\.2 s"),
    ):
        child.wait_until(lambda: False, 0.2)


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    deaf = "import signal; signal.signal(15, signal.SIG_IGN); import time; print('on', flush=True)"
    command = [sys.executable, "-c", f"{deaf}; time.sleep(60)"]
    child = Child("it", command, tmp_path / "log")
    child.wait_until(lambda: "on" in (tmp_path / "log").read_text(), 30)
    assert child.stop(0.5) == -signal.SIGKILL


@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs util-linux's setpriv")
def test_none_outlives_a_parent_that_was_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from rhymes.project.processes import Child\n"
        f"child = Child('it', {SLEEP!r}, Path({str(tmp_path / 'log')!r}))\n"
        "print(child.process.pid, flush=True); time.sleep(60)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        deadline = time.monotonic() + 30
        while "here" not in (tmp_path / "log").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        parent.kill()
        wait_until_gone(pid)


def test_ports() -> None:
    first, second = free_ports(2)
    assert first != second
    assert is_free(first)
    assert not is_serving(f"127.0.0.1:{first}")
    assert not is_page(f"http://127.0.0.1:{first}")
