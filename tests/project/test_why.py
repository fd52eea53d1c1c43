"""Why a stage ran or would run, in a repository in which DVC ran the real stages."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from rhymes import cli
from rhymes.project.why import explain
from rhymes.versions.environment import load_environment
from tests.conftest import ROOT
from tests.support.export_project import run
from tests.support.hostile_server import encode_random_image


@pytest.fixture
def copy(data_versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = Path(shutil.copytree(data_versions, tmp_path / "copy", symlinks=True))
    monkeypatch.chdir(copy)
    return copy


def ask(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert explain.main(arguments) == 0
    return capsys.readouterr().out


def change_params(section: str, **values: object) -> None:
    path = Path("params.yaml")
    params = YAML(typ="safe").load(path)
    params[section] |= values
    path.write_text(json.dumps(params))


def test_nothing_changed(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hash_of_head = run(copy, "git", "rev-parse", "HEAD")[:7]
    assert ask(capsys=capsys) == "".join(
        f"{stage} has had no reason to run since HEAD ({hash_of_head}).\n{stage} is up to date.\n"
        for stage in ("fetch", "coco")
    )


def test_a_parameter_is_named_before_and_after_its_run(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change_params("coco", seed=5)
    planned = ask("coco", capsys=capsys)
    assert planned.endswith(
        "coco would run at the next `dvc repro`:\n  - parameter coco.seed: 1 -> 5\n"
    )
    assert "fetch is up to date" in ask("fetch", capsys=capsys)
    run(copy, "dvc", "repro", "-q")
    past = ask("coco", capsys=capsys)
    assert "coco ran again since HEAD (" in past
    assert "  - parameter coco.seed: 1 -> 5\ncoco is up to date.\n" in past


def test_added_images_are_named_through_the_chain(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ask("coco", "--since", "v1", capsys=capsys)
    assert "coco ran again since v1 (" in out
    changed = "annotations.csv, fingerprints.npy, index.csv"
    assert f"\n  - folder data/export: 3 changed: {changed}\n" in out
    assert "\n  - file data/splits.csv: +31 -1 lines\n" in out
    assert (
        "\n  - fetch, which writes data/export and data/images, ran again:\n"
        "      - folder data/raw: 10 added: 30.jpg, 31.jpg, 32.jpg, ...; "
        "1 changed: annotations.csv (+10 -0 lines)\n"
    ) in out


def test_images_that_are_named_by_their_hash(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = hashlib.sha256(encode_random_image(3)).hexdigest()
    (copy / f"data/images/{name}.jpg").unlink()
    out = ask("fetch", capsys=capsys)
    assert (
        "\n  - output data/images is not as the stage left it: "
        f"1 removed: 3.jpg = {name[:12]}....jpg\n"
    ) in out


def test_a_module_is_named_with_its_lines(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = copy / "rhymes/coco/splits.py"
    path.write_text(path.read_text() + "\n# One\n# Two\n")
    out = ask("coco", capsys=capsys)
    assert "  - module rhymes/coco/splits.py: +3 -0 lines\n" in out
    (copy / "rhymes/export/geometry.py").unlink()
    assert "  - module rhymes/export/geometry.py is missing\n" in ask("coco", capsys=capsys)


def test_what_upstream_would_run_first(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change_params("fetch", jpeg_quality=90)
    out = ask("coco", capsys=capsys)
    assert out.endswith(
        "coco would run at the next `dvc repro`, if a stage before it writes other data:\n"
        "  - fetch, which writes data/export and data/images, would run first:\n"
        "      - parameter fetch.jpeg_quality: 95 -> 90\n"
    )
    everything = ask(capsys=capsys)
    assert everything.endswith("other data:\n  - fetch would run first (see above)\n")


def test_missing_outputs(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(copy / "data/coco")
    cached = "  - output data/coco is missing; `dvc checkout` brings it back from the cache\n"
    assert cached in ask("coco", capsys=capsys)
    shutil.rmtree(copy / ".dvc/cache")
    shutil.rmtree(copy / "data/export")
    out = ask("coco", capsys=capsys)
    assert "  - output data/coco is missing\n" in out
    assert "  - dependency data/export is missing\n" in out
    assert "      - output data/export is missing\n" in out


def test_dvc_yaml_itself(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = json.loads((copy / "dvc.yaml").read_text())
    stage = value["stages"]["coco"]
    stage["cmd"] = "python -X dev -m stages.coco"
    stage["deps"] = [dep for dep in stage["deps"] if dep != "rhymes/export/geometry.py"] + [
        "README"
    ]
    stage["outs"].append("reports/coco")
    (copy / "README").write_text("x")
    (copy / "dvc.yaml").write_text(json.dumps(value))
    out = ask("coco", capsys=capsys)
    for line in (
        "command: python -m stages.coco -> python -X dev -m stages.coco",
        "dependency README is new in dvc.yaml",
        "module rhymes/export/geometry.py is no dependency any more",
        "output reports/coco is new in dvc.yaml",
    ):
        assert f"  - {line}\n" in out


def test_what_never_ran(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "dvc.lock").unlink()
    out = ask("coco", capsys=capsys)
    assert "  - it has no entry in dvc.lock: it has not run yet\n" in out
    assert "  - fetch, which writes data/export and data/images, would run first:\n" in out
    assert "v0 (" in (out := ask("coco", "--since", "v0", capsys=capsys))
    assert ") has no dvc.lock: what ran before it is not known." in out


def test_a_running_dvc_is_not_waited_for(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = copy / ".dvc/tmp/rwlock"
    lock.write_text(json.dumps({str(copy): {"write": {"pid": os.getpid(), "cmd": "x"}}}))
    (copy / ".dvc/tmp/lock").touch()
    assert "coco is up to date." in ask("coco", capsys=capsys)


def test_as_dvc_itself_says(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change_params("coco", seed=2, test_fraction=0.2)
    (copy / "rhymes/export/geometry.py").write_text("# nothing\n")
    shutil.rmtree(copy / "data/images")
    (copy / "data/raw/1.jpg").write_bytes(encode_random_image(99))
    status = json.loads(run(copy, "dvc", "status", "--json"))
    del status["data/raw.dvc"]
    out = ask(capsys=capsys)
    for stage, problems in status.items():
        part = out.split(f"{stage} would run at the next `dvc repro`:\n")[1]
        for problem in problems:
            for names in problem.values() if isinstance(problem, dict) else ():
                for name, what in names.items():
                    if isinstance(what, dict):
                        assert all(f"parameter {section}." in part for section in what)
                    else:
                        assert f" {name}" in part
    assert set(status) == {"fetch", "coco"}, "ours names the key, where DVC names the section"
    assert "file data/splits.csv" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("trian",), "no stage trian in dvc.yaml; it has fetch, coco"),
        (("coco", "--since", "v9"), "v9: no branch, tag, experiment or commit"),
    ],
)
def test_what_there_is_not(
    copy: Path, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["why", *arguments]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dvc.lock", "stages: ["), ("dvc.yaml", "stages: 3"), ("params.yaml", "raw: ["),
        ("dvc.yaml", '{"stages": {"a": {"cmd": ["x", "y"]}}}'),
        ("dvc.yaml", '{"stages": {"a": {"cmd": "x", "deps": ["${raw.exprot}"]}}}'),
    ],
)  # fmt: skip
def test_broken_files(copy: Path, name: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / name).write_text(text)
    assert cli.main(["why", "coco"]) == 1
    assert capsys.readouterr().err.startswith(f"rhymes why: {name}")


def test_this_projects_own_stages_are_understood(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("needs this project's own Git repository")
    monkeypatch.chdir(ROOT)
    out = ask(capsys=capsys)
    for stage in YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]:
        assert f"{stage} " in out


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
@pytest.mark.parametrize(
    ("words", "command"),
    [
        pytest.param(["why"], "python -m rhymes why", id="all"),
        pytest.param(["why", "train"], "python -m rhymes why train", id="a second word"),
        pytest.param(["why", "export"], "python -m rhymes why export", id="a directive of make"),
        pytest.param(["why", "STAGE=train"], "python -m rhymes why train", id="a variable"),
        pytest.param(
            ["why", "train", "SINCE=v1"], "python -m rhymes why train --since v1", id="a revision"
        ),
    ],
)
def test_make_why(words: list[str], command: str) -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "-n", "-o", ".venv/runtime", *words], cwd=ROOT,
        env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert [line for line in lines if line != ":"] == [command]


def train_with(copy: Path, environment: dict[str, str]) -> None:
    """Run a stage that records an environment, which is no dependency of it: as train does."""
    (copy / "environment.json").write_text(json.dumps({"environment": environment}))
    run(copy, "dvc", "repro", "-q", "-f", "train")


@pytest.fixture
def trained(copy: Path) -> dict[str, str]:
    """The repository with a stage that trains; returns the environment of its committed run."""
    pipeline = YAML(typ="safe").load(copy / "dvc.yaml")
    pipeline["stages"]["train"] = {
        "cmd": "mkdir -p models/checkpoint && cp environment.json models/checkpoint/training.json",
        "outs": ["models/checkpoint"],
    }
    (copy / "dvc.yaml").write_text(json.dumps(pipeline))
    environment = load_environment()
    train_with(copy, environment)
    run(copy, "git", "add", "dvc.lock", "dvc.yaml")
    run(copy, "git", "commit", "-qm", "Train")
    return environment


def test_a_training_of_this_environment(
    copy: Path, trained: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "trained with" not in ask("train", capsys=capsys)
    shutil.rmtree(copy / "models")
    assert "trained with" not in ask("train", capsys=capsys), "nothing lies there to compare"


def test_a_training_of_another_environment(
    copy: Path, trained: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    train_with(copy, trained | {"python": "3.9", "numpy": "1.26.4"})
    out = ask("train", capsys=capsys)
    here = f"Python {trained['python']} and NumPy {trained['numpy']}"
    assert (
        "\n  - output models/checkpoint is another, of the same inputs: 1 changed: training.json"
    ) in out
    assert f"\n  - trained with {here} then, with Python 3.9 and NumPy 1.26.4 now\n" in out
    assert out.endswith(
        "train is up to date.\nmodels/checkpoint was trained with Python 3.9 and NumPy 1.26.4; "
        f"this environment has {here}. DVC does not train again for that; a training that runs "
        "here may give other bytes.\n"
    )


def test_a_record_without_an_environment_or_that_is_none(
    copy: Path, trained: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    record = copy / "models/checkpoint/training.json"
    record.unlink()
    record.write_text("{}")
    assert "trained with" not in ask("train", capsys=capsys)
    record.write_text("[]")
    assert cli.main(["why", "train"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("rhymes why: models/checkpoint/training.json: no record of a training (")
