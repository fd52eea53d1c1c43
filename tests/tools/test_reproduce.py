"""Two clones of small pipelines, run by DVC: what differs is found and named."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tools import reproduce
from tools.clones import SURROUNDINGS

PIPELINE = """
stages:
  same:
    cmd: mkdir same && echo 1 > same/a
    params: [raw.export]
    outs: [same]
  made:
    cmd: mkdir made && echo 1 > made/a && {command} > made/b
    deps: [same]
    outs: [made]
"""


def make_source(path: Path, command: str) -> Path:
    files = {
        "dvc.yaml": PIPELINE.format(command=command),
        "params.yaml": "raw:\n  export: data/sample\ntrain:\n  pretrained: none\n",
        ".dvc/config": "[core]\n    analytics = false\n",
    }
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "Start"]):
        identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        subprocess.run(["git", *identity, *arguments], cwd=path, check=True, timeout=60)
    return path


@pytest.mark.parametrize(
    ("command", "is_equal"),
    [
        pytest.param("echo 2", True, id="the same"),
        pytest.param("date +%N", False, id="the time"),
        pytest.param("python -c 'print(hash(str(1)))'", False, id="the hash seed"),
    ],
)
def test_a_byte_that_differs_is_found(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], command: str, is_equal: bool
) -> None:
    source = make_source(tmp_path / "source", command)
    outcome = reproduce.reproduce(source, tmp_path / "clones", {})
    printed = capfd.readouterr().out
    assert outcome.is_well == is_equal
    assert printed.count("Running stage 'made'") == 2, "DVC's own words are seen"
    if is_equal:
        assert (
            outcome.text == "all equal (equal: 2 of 2 cmd, 1 of 1 params, 2 of 2 outs, 1 of 1 deps)"
        )
    else:
        assert "made: 1 files differ: made/b" in printed
        assert "1 of 2 outs" in outcome.text


def test_a_run_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert reproduce.main(["bccd4-retinanet"]) == 1
    assert "no run bccd4-retinanet; there are sample-mask_rcnn" in capsys.readouterr().err


def test_a_run_without_its_data_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = reproduce.Run({}, tmp_path / "missing")
    monkeypatch.setitem(reproduce.RUNS, "missing", run)
    assert reproduce.main(["missing"]) == 0
    assert f"missing: NOT RUN, for {tmp_path / 'missing'} is not here" in capsys.readouterr().out


def test_three_clones_up_to_a_stage(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = make_source(tmp_path / "source", "date +%N")
    clones = [replace(SURROUNDINGS[0], folder=name) for name in "abc"]
    outcome = reproduce.reproduce(
        source, tmp_path / "clones", {}, plan=reproduce.Plan(clones, until="same")
    )
    printed = capfd.readouterr().out
    assert outcome == (True, "all equal (equal: 1 of 1 cmd, 1 of 1 params, 1 of 1 outs)")
    assert printed.count("Running stage 'same'") == 3
    assert "Running stage 'made'" not in printed
    assert "\na | b\n" in printed
    assert "\na | c\n" in printed


def test_one_of_three_clones_differs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = make_source(tmp_path / "source", "echo $TZ")
    clones = [
        replace(SURROUNDINGS[0], folder=zone[:1], variables={"TZ": zone})
        for zone in ("UTC", "UTC", "EST")
    ]
    clones[1] = replace(clones[1], folder="V")
    outcome = reproduce.reproduce(source, tmp_path / "clones", {}, plan=reproduce.Plan(clones))
    assert not outcome.is_well
    assert "DIFFERENT" in outcome.text
    assert capfd.readouterr().out.count("made: 1 files differ: made/b") == 1


def test_one_python_is_compared_with_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        reproduce.main(["--pythons", "3.13"])
    assert "name two" in capsys.readouterr().err


def test_pythons_that_are_not_there_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reproduce.main(["--pythons", str(tmp_path / "a"), str(tmp_path / "b")]) == 1
    assert f"reproduce: no environment of Python {tmp_path / 'a'}: " in capsys.readouterr().err
