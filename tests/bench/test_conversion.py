"""The measurement of the stages' speed, on a few images."""

from __future__ import annotations

import re

import pytest

from bench import conversion


def test_a_line_for_each_stage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(conversion, "COUNT", 40)
    monkeypatch.setattr(conversion, "ROUNDS", 1)
    conversion.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(",")[0] for line in lines] == ["coco", "tfrecord"]
    for line in lines:
        assert (found := re.search(r"-> ([\d.]+)x \(goal <= [\d.]+x\)$", line)), line
        assert float(found[1]) > 0


def test_a_stage_that_fails_ends_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "COUNT", 3)
    monkeypatch.setattr(conversion, "_STAGE", "def work(): raise SystemExit('broken')\n")
    with pytest.raises(SystemExit, match="a run failed:\nbroken"):
        conversion.main()
