"""The files that CI, pre-commit and Renovate read, without any of them."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support.commands import fits_schema
from tools.deps import ROOT

WORKFLOW = ROOT / ".github/workflows/ci.yaml"
HOOKS = ROOT / ".pre-commit-config.yaml"
RENOVATE = ROOT / "renovate.json"
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
LOCKS = ("requirements.txt", "requirements-dev.txt", "deploy/requirements-app.txt")


def load_yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path)


@pytest.mark.parametrize(
    ("path", "schema", "right", "wrong"),
    [
        (WORKFLOW, "vendor.github-workflows", "runs-on:", "run-on:"),
        (WORKFLOW, "custom.github-workflows-require-timeout", "timeout-minutes: 90", ""),
        (RENOVATE, "vendor.renovate", '"enabled": true', '"enabled": "always"'),
    ],
)
def test_file_fits_its_schema(
    path: Path, schema: str, right: str, wrong: str, tmp_path: Path
) -> None:
    text = path.read_text("utf-8")
    assert fits_schema(path, schema)
    assert right in text
    bad = tmp_path / path.name
    bad.write_text(text.replace(right, wrong))
    assert not fits_schema(bad, schema)


def test_workflow_may_only_read() -> None:
    workflow = load_yaml(WORKFLOW)
    assert workflow["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in workflow["jobs"].values())


def test_workflow_runs_what_a_contributor_runs_on_each_python() -> None:
    job = load_yaml(WORKFLOW)["jobs"]["check"]
    assert job["strategy"]["matrix"] == {"python": ["3.11", "3.12", "3.13"]}
    assert job["env"]["PYTHON"] == "python${{ matrix.python }}"
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]


@pytest.mark.parametrize("named", ["", "python3.13", "/opt/my python/bin/python3"])
def test_ci_passes_the_interpreter_on(named: str, tmp_path: Path) -> None:
    make = tmp_path / "make"
    make.write_text(f'#!/bin/sh\nfor each; do echo "<$each>"; done >> "{tmp_path}/calls"\n')
    make.chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHON"}
    environment["PATH"] = f"{tmp_path}{os.pathsep}{environment['PATH']}"
    if named:
        environment["PYTHON"] = named
    subprocess.run([ROOT / ".ci/run"], env=environment, check=True, timeout=60)
    chosen = [f"<PYTHON={named}>"] if named else []
    assert (tmp_path / "calls").read_text().splitlines() == [*chosen, "<lint>", *chosen, "<test>"]


def test_hooks_run_the_locked_tools_and_all_that_lint_runs() -> None:
    hooks = [hook for repo in load_yaml(HOOKS)["repos"] for hook in repo["hooks"]]
    assert [repo["repo"] for repo in load_yaml(HOOKS)["repos"]] == ["local"]
    assert {hook["language"] for hook in hooks} == {"system"}
    programs = [Path(shlex.split(hook["entry"])[0]) for hook in hooks]
    assert {program.parent for program in programs} == {Path(".venv/bin")}
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert recipe
    linters = re.findall(r"^\t@([\w-]+)", recipe[1], re.MULTILINE)
    assert set(linters) <= {program.name for program in programs}


def test_locks_name_the_command_that_renovate_repeats() -> None:
    patterns = json.loads(RENOVATE.read_text("utf-8"))["pip-compile"]["managerFilePatterns"]
    command = re.search(r"^LOCK := (.*)$", MAKEFILE, re.MULTILINE)
    assert command
    for lock in LOCKS:
        assert any(re.search(pattern.strip("/"), lock) for pattern in patterns)
        header = (ROOT / lock).read_text("utf-8").splitlines()[1]
        source = Path(lock).with_suffix(".in").as_posix()
        assert header == f"#    {command[1]} --output-file={lock} {source}"


def test_renovate_finds_the_version_of_uv() -> None:
    (manager,) = json.loads(RENOVATE.read_text("utf-8"))["customManagers"]
    (pattern,) = manager["matchStrings"]
    found = re.findall(pattern.replace("(?<", "(?P<"), MAKEFILE)
    assert len(found) == 1
    assert re.fullmatch(r"[0-9.]+", found[0])


def test_what_must_move_together_is_one_group() -> None:
    rules = json.loads(RENOVATE.read_text("utf-8"))["packageRules"]
    (names,) = (
        rule["matchPackageNames"] for rule in rules if rule.get("groupName") == "TensorFlow"
    )
    assert set(names) >= {"tensorflow", "tensorflow-serving-api", "tf-models-official"}
