"""The doctor: each thing that a newcomer trips over is found, with what cures it."""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from rhymes.project import doctor, machine_checks, repository_checks
from rhymes.project.findings import Check, Finding, Place
from tests.conftest import ROOT
from tools.deps import all_imports, imported_packages


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository as it is before anything was set up."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True, timeout=60)
    (tmp_path / ".dvc").mkdir()
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def findings(check: Check, folder: Path, python: str = sys.executable) -> list[Finding]:
    return list(check(Place(folder, python)))


def kinds(check: Check, folder: Path) -> set[str]:
    return {finding.kind for finding in findings(check, folder)}


def save_export(folder: Path, *, header: str = "image_url,output_content\n") -> None:
    folder.mkdir(parents=True)
    (folder / "annotations.csv").write_text(header)
    (folder / "categories.csv").write_text("category_image\nABRICOT\n")


def use_export(clone: Path, name: str) -> None:
    path = clone / "params.yaml"
    path.write_text(path.read_text().replace("export: data/sample", f"export: {name}"))


def test_a_new_clone_has_no_problem(clone: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "rhymes/project/doctor.py"), sys.executable],
        cwd=clone,
        env=os.environ | {"GIT_AUTHOR_NAME": "test", "GIT_AUTHOR_EMAIL": "test@localhost"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.endswith("\nNothing stands in the way.\n"), done.stdout
    assert done.stderr == ""
    assert done.returncode == 0
    assert "which the pipeline draws" in done.stdout


def test_a_problem_is_counted_and_makes_it_fail(clone: Path) -> None:
    use_export(clone, "data/raw")
    done = subprocess.run(
        [sys.executable, str(ROOT / "rhymes/project/doctor.py"), "/nowhere/python3.11"],
        cwd=clone, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert (
        "problem  /nowhere/python3.11: not found. Python 3.11, 3.12 or 3.13 is needed"
    ) in done.stdout
    assert "-> install one (Debian, Ubuntu: apt-get install python3-venv" in done.stdout
    assert "problems to mend first." in done.stdout


def save_python(path: Path, version: str, *, ensurepip: str = "true") -> None:
    """Write a program that answers as a Python of that version does."""
    path.write_text(f'#!/bin/sh\n[ "$1" = -c ] && {ensurepip} || echo {version}\n')
    path.chmod(0o755)


@pytest.mark.parametrize("text", ["Python 3.14.0", "Python 3.10.13", "Python 2.7.18", "something"])
def test_another_python_is_a_problem(clone: Path, text: str) -> None:
    save_python(clone / "python", text)
    first = findings(machine_checks.check_python, clone, str(clone / "python"))[0]
    assert first.kind == "problem"
    assert text in first.text


def test_a_python_that_makes_no_environment_is_a_problem(clone: Path) -> None:
    save_python(clone / "python", "Python 3.13.5", ensurepip="exit 1")
    first = findings(machine_checks.check_python, clone, str(clone / "python"))[0]
    assert first.kind == "problem"
    assert "lacks ensurepip" in first.text
    assert "apt-get install python3-venv" in first.cure


def test_the_newest_that_works_is_found(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{clone}{os.pathsep}/bin")
    (clone / "python3.13").write_text("#!/bin/sh\necho 'pyenv: command not found'; exit 127\n")
    (clone / "python3.13").chmod(0o755)
    save_python(clone / "python3.11", "Python 3.11.2")
    save_python(clone / "python3.12", "Python 3.12.3")
    first = findings(machine_checks.check_python, clone, "")[0]
    assert first == Finding("ok", "python3.12 is Python 3.12.3")
    for name in ("python3.11", "python3.12"):
        save_python(clone / name, "Python 3.10.1")
    first = findings(machine_checks.check_python, clone, "")[0]
    assert first.kind == "problem"
    assert first.text.startswith(
        "python3.13: pyenv: command not found; python3.12: Python 3.10.1; python3.11: Python 3.10.1"
    )


def test_a_missing_program_is_a_problem(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(clone))
    texts = [finding.text for finding in findings(machine_checks.check_python, clone)]
    assert texts[1:] == ["git is not installed", "make is not installed"]


def test_a_full_disk_is_a_problem(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_checks, "_DISK_GIB", 10**6)
    assert kinds(machine_checks.check_machine, clone) == {"problem", "ok"}


def test_an_old_environment_is_noted(clone: Path) -> None:
    (finding,) = findings(machine_checks.check_environment, clone)
    assert finding.kind == "note"
    (clone / ".venv").mkdir()
    (clone / ".venv/runtime").touch()
    assert kinds(machine_checks.check_environment, clone) == {"ok"}
    wanted = clone / "requirements.txt"
    wanted.touch()
    os.utime(wanted, (2**32, 2**32))
    (finding,) = findings(machine_checks.check_environment, clone)
    assert "newer" in finding.text


def test_a_taken_port_is_noted(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(machine_checks, "_PORTS", ((port, "the page"),))
        (finding,) = findings(machine_checks.check_ports, clone)
    assert finding == Finding(
        "note", f"port {port} (the page) is taken", "make demo takes the next free one"
    )


def test_no_browser_is_noted(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RHYMES_BROWSER", raising=False)
    monkeypatch.setenv("PATH", str(clone))
    (finding,) = findings(machine_checks.check_browser, clone)
    assert finding.kind == "note"
    assert "apt-get install chromium" in finding.cure


def test_no_repository_is_a_problem(tmp_path: Path) -> None:
    (finding,) = findings(repository_checks.check_git, tmp_path)
    assert finding.kind == "problem"


def test_a_missing_identity_is_a_problem(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"):
        monkeypatch.delenv(name, raising=False)
    texts = [finding.text for finding in findings(repository_checks.check_git, clone)]
    assert texts == ["Git's user.name is not set", "Git's user.email is not set"]
    for key in ("name", "email"):
        subprocess.run(
            ["git", "config", f"user.{key}", "x"], cwd=clone, check=True, timeout=60
        )  # fmt: skip
    assert kinds(repository_checks.check_git, clone) == {"ok"}


@pytest.mark.parametrize(
    ("config", "kind", "told"),
    [
        ("", "note", "no DVC remote"),
        ("['remote \"a\"']\n    url = ../remote\n", "problem", "no folder that can be written"),
        ("['remote \"a\"']\n    url = ..\n", "ok", "can be written"),
        ("['remote \"a\"']\n    url = s3://bucket/path\n", "ok", "not tried"),
        ("['remote \"a\"']\n    url = ssh://me:secret@host/path\n", "ok", "ssh://...@host/path"),
    ],
    ids=["none", "missing folder", "folder", "s3", "password"],
)
def test_remotes(clone: Path, config: str, kind: str, told: str) -> None:
    (clone / ".dvc/config.local").write_text(config)
    (finding,) = findings(repository_checks.check_dvc, clone)
    assert finding.kind == kind
    assert told in finding.text
    assert "secret" not in finding.text


def test_the_lock_of_a_dead_process_is_noted(clone: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait(60)
    (clone / ".dvc/tmp").mkdir()
    lock = clone / ".dvc/tmp/rwlock"
    lock.write_text(f'{{"/x": {{"write": {{"pid": {gone.pid}, "cmd": "dvc repro"}}}}}}')
    assert str(gone.pid) in findings(repository_checks.check_dvc, clone)[-1].text
    lock.write_text(f'{{"/x": {{"write": {{"pid": {os.getpid()}, "cmd": "dvc repro"}}}}}}')
    assert len(findings(repository_checks.check_dvc, clone)) == 1, "a living one is all right"


def test_an_export_is_looked_at(clone: Path) -> None:
    use_export(clone, "data/raw  # mine")
    (finding,) = findings(repository_checks.check_export, clone)
    assert "which is no folder" in finding.text
    save_export(clone / "data/raw")
    assert kinds(repository_checks.check_export, clone) == {"ok"}


@pytest.mark.parametrize("header", ["image_url;output_content\n", "\n", "", "output_content\n"])
def test_an_export_of_another_shape_is_a_problem(clone: Path, header: str) -> None:
    use_export(clone, "'data/raw'")
    save_export(clone / "data/raw", header=header)
    first = findings(repository_checks.check_export, clone)[0]
    assert first.kind == "problem"
    assert "cdn_file_url or image_url" in first.text


def test_a_file_that_is_no_text_is_a_problem(clone: Path) -> None:
    use_export(clone, "data/raw")
    save_export(clone / "data/raw")
    (clone / "data/raw/annotations.csv").write_bytes(b"\xff\xfe\x00\x00")
    first = findings(repository_checks.check_export, clone)[0]
    assert first.kind == "problem"
    assert "annotations.csv" in first.text


def test_params_without_the_section_are_a_problem(clone: Path) -> None:
    (clone / "params.yaml").write_text("train: {}\n")
    (finding,) = findings(repository_checks.check_export, clone)
    assert finding.kind == "problem"


def test_outside_a_checkout_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert doctor.main([]) == 1
    assert "is no checkout of the project" in capsys.readouterr().err


def test_it_needs_the_standard_library_alone() -> None:
    path = Path("rhymes/project/doctor.py")
    for module in {path, Path("rhymes/__init__.py"), *all_imports(path)}:
        assert imported_packages(module) <= {*sys.stdlib_module_names, "rhymes"}, module
        ast.parse((ROOT / module).read_text("utf-8"), feature_version=(3, 8))
