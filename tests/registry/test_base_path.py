"""A base path that one process at a time fills."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rhymes.common.errors import InputError
from rhymes.registry import base_path
from rhymes.registry.base_path import filled


def test_another_process_is_waited_for_until_it_ends_or_for_too_long(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = (
        "import sys, time; from pathlib import Path; from rhymes.registry.base_path import filled\n"
        "with filled(Path(sys.argv[1])): print('in', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "in\n"
            monkeypatch.setattr(base_path, "_WAIT_SECONDS", 0.5)
            with pytest.raises(InputError, match=r"filling it for 0\.5 s"), filled(tmp_path):
                pytest.fail("two hold it")
            assert capsys.readouterr().err == f"fetch: waiting for another fetch into {tmp_path}\n"
        finally:
            holder.kill()
    with filled(tmp_path) as base:
        assert base.versions() == []
    assert capsys.readouterr().err == ""
