"""The command line `rhymes`: its help, what it runs, what it says of what it cannot run."""

from __future__ import annotations

import errno
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rhymes import cli
from rhymes.cli import COMMANDS
from rhymes.common.errors import InputError
from tests.conftest import ROOT


def run(
    *arguments: str, folder: Path, code: str = "", timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run the command as a process; `code` runs before it in the same interpreter."""
    script = f"{code}\nimport sys\nfrom rhymes.cli import main\nsys.exit(main({list(arguments)!r}))"
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def without(*packages: str) -> str:
    """Code after which these packages are not installed."""
    return (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {packages!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
    )


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"]])
def test_help_has_a_line_for_each_command(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, command in COMMANDS.items():
        assert [line for line in lines if line.split()[:1] == [name]] == [
            f"  {name:8} {command.summary}"
        ]
    assert max(map(len, lines)) <= 100


def test_no_command_is_an_error_with_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("usage: rhymes COMMAND")
    assert captured.out == ""


@pytest.mark.parametrize(
    ("name", "advice"), [("sreve", "did you mean serve?"), ("xyz", "`rhymes --help` lists all")]
)
def test_unknown_commands(name: str, advice: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([name]) == 2
    assert capsys.readouterr().err == f"rhymes: there is no command '{name}'; {advice}\n"


def test_help_needs_the_standard_library_alone(tmp_path: Path) -> None:
    code = (
        "import atexit, json, sys\n"
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))"
    )
    done = run("--help", folder=tmp_path, code=code)
    assert done.returncode == 0
    loaded = {name.partition(".")[0] for name in json.loads(done.stderr.splitlines()[-1])}
    bare = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    at_start = {name.partition(".")[0] for name in bare.stdout.split()}
    assert loaded - at_start <= {*sys.stdlib_module_names, "rhymes"}


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(name: str, tmp_path: Path) -> None:
    done = run(name, "--help", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: rhymes {name}")


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("serve", "tensorflow", "serve"),
        ("serve", "starlette", "serve"),
        ("page", "streamlit", "page"),
        ("demo", "streamlit", "serve,page"),
        ("publish", "dvc", "versions"),
        ("fetch", "dvc", "versions"),
        ("diff", "dulwich", "versions"),
        ("why", "dulwich", "versions"),
    ],
)
def test_missing_packages_are_named_with_the_cure(
    name: str, package: str, extra: str, tmp_path: Path
) -> None:
    done = run(name, folder=tmp_path, code=without(package))
    assert done.stderr == (
        f"rhymes {name} needs {package}, which is not installed: "
        f"pip install 'rhymes-detector[{extra}]'\n"
    )
    assert (done.returncode, done.stdout) == (1, "")


NOT_DRAWN = (
    "rhymes predict: no annotated images are drawn, for supervision is not installed: "
    "pip install 'rhymes-detector[draw]' brings it\n"
)


@pytest.mark.parametrize(("flags", "said"), [([], NOT_DRAWN), (["--no-images"], "")])
def test_annotated_images_need_an_extra(flags: list[str], said: str, tmp_path: Path) -> None:
    arguments = ["predict", "in", "--out", "out", *flags]
    done = run(*arguments, folder=tmp_path, code=without("supervision"))
    assert done.stderr.startswith(said + "rhymes predict: no server answers at ")
    assert done.returncode == 1


def test_a_module_of_ours_that_is_missing_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "diff", cli.Command("rhymes.nowhere", "", "versions"))
    with pytest.raises(ModuleNotFoundError, match=r"rhymes\.nowhere"):
        cli.main(["diff"])


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--label_map", "x"], "--label_map is --label-map now"),
        (["--image_url_prefix=x"], "--image_url_prefix is --image-url-prefix now"),
        (["--no-pictures"], "--no-pictures is --no-images now"),
    ],
)
def test_former_flags_are_refused_by_their_new_names(
    flags: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["predict", "in", "--out", "out", *flags])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("train.steps: got 0"), "train.steps: got 0"),
        (
            OSError(errno.ENOSPC, "No space left on device", "out/a"),
            "out/a: No space left on device; make room there, and run it again",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "out"), "out: Permission denied; its"),
        (OSError("ports 8502 to 8551 are all taken"), "ports 8502 to 8551 are all taken"),
    ],
)
def test_what_a_command_cannot_use_is_a_sentence(
    name: str,
    error: Exception,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: list[str]) -> int:
        raise error

    monkeypatch.setattr(importlib.import_module(COMMANDS[name].module), "main", fail)
    assert cli.main([name]) == 1
    assert capsys.readouterr().err.startswith(f"rhymes {name}: {said}")


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("diff", "interrupted"),
        ("fetch", "interrupted; what is there is whole"),
        ("publish", "interrupted; the same command again finishes it"),
        ("predict", "interrupted; nothing was written"),
    ],
)
def test_an_interrupted_command_says_what_it_leaves(
    name: str, left: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module(COMMANDS[name].module), "main", interrupt)
    assert cli.main([name]) == 130
    assert capsys.readouterr().err == f"rhymes {name}: {left}\n"


ASCII = [
    pytest.param({"PYTHONIOENCODING": "ascii"}, id="ascii"),
    pytest.param({"PYTHONIOENCODING": "latin-1"}, id="Latin-1"),
    pytest.param({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, id="C"),
]


@pytest.mark.parametrize("variables", ASCII)
def test_any_text_is_printed_on_any_terminal(tmp_path: Path, variables: dict[str, str]) -> None:
    text = "cr\u00e8me \u5bff\u53f8 \U0001f363"
    code = (
        "from rhymes.data_diff import diff\nfrom rhymes.common.errors import InputError\n"
        f"def main(_):\n    print({text!a})\n    raise InputError({text!a})\n"
        "diff.main = main"
    )
    script = f"{code}\nimport sys\nfrom rhymes.cli import main\nsys.exit(main(['diff']))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, timeout=60, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
    )  # fmt: skip
    assert done.returncode == 1
    sushi = rb" \u5bff\u53f8 \U0001f363"
    assert done.stdout.strip() in (b"cr\\xe8me" + sushi, b"cr\xe8me" + sushi)
    assert done.stderr.strip() in (
        b"rhymes diff: cr\\xe8me" + sushi, b"rhymes diff: cr\xe8me" + sushi,
    )  # fmt: skip


def test_a_reader_that_has_enough_is_no_error(data_versions: Path) -> None:
    """As in `rhymes diff ... | head -1`."""
    command = [sys.executable, "-m", "rhymes", "diff", "v1", "v2", "--json"]
    with subprocess.Popen(
        command, cwd=data_versions, env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


def test_version(tmp_path: Path) -> None:
    done = run("--version", folder=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("rhymes ")
