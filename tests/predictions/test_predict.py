from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rhymes import cli
from rhymes.client.errors import ServerUnreachable
from rhymes.images.images import UprightImage
from rhymes.predictions import predict
from tests.support.fake_client import FakeClient, encode_image, find_colors


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with images in `in`."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    Path("in/a.jpg").write_bytes(encode_image((1, (10, 20, 30, 25)), (3, (60, 10, 20, 40))))
    Path("in/b.jpg").write_bytes(encode_image())
    Path("in/notes.txt").write_bytes(b"text")
    return tmp_path


class Clients:
    """Gives a fake client for a `DetectorClient`, and keeps what that was made with."""

    def __init__(self) -> None:
        self.client = FakeClient()
        self.made: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, address: str, **options: Any) -> FakeClient:
        self.made.append((address, options))
        return self.client


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Clients:
    clients = Clients()
    monkeypatch.setattr(predict, "DetectorClient", clients)
    monkeypatch.delenv(predict.ADDRESS_VARIABLE, raising=False)
    return clients


def test_success(folder: Path, clients: Clients, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict.main(["in", "--out", "out"]) == 0
    printed = capsys.readouterr()
    assert printed.out == (
        "predict: 1 objects in 2 of 2 images -> out (model detector, version 3)\n"
        "  1 files of the folders have no image's suffix: passed over\n"
        "  1 images in which nothing at all was found\n"
    )
    assert printed.err == ""
    assert Path("out/annotations.csv").is_file()


def test_arguments_reach_client_and_run(folder: Path, clients: Clients) -> None:
    predict.main([
        "in", "--out", "out", "--server", "host:1", "--model", "m", "--label", "stable",
        "--timeout", "5", "--label-map", "map.pbtxt", "--score", "0.2", "--dialect", "boxes",
        "--rank", "uncertain", "--no-images", "--workers", "2",
        "--image-url-prefix", "https://h/",
    ])  # fmt: skip
    assert clients.made == [(
        "host:1",
        {
            "model": "m", "version": None, "label": "stable", "timeout": 5.0,
            "label_map": Path("map.pbtxt"),
        },
    )]  # fmt: skip
    recorded = json.loads(Path("out/prediction.json").read_bytes())
    assert recorded["counts"]["objects"] == 2
    assert (recorded["score"], recorded["dialect"], recorded["rank"]) == (0.2, "boxes", "uncertain")
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "annotations.csv", "categories.csv", "coco_images.json", "coco_results.json",
        "failures.csv", "json", "prediction.json",
    ]  # fmt: skip
    assert "https://h/a.jpg" in Path("out/annotations.csv").read_text(encoding="utf-8")


def test_address_comes_from_the_environment(
    folder: Path, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict.main(["in", "--out", "first"])
    monkeypatch.setenv(predict.ADDRESS_VARIABLE, "elsewhere:9000")
    predict.main(["in", "--out", "second"])
    assert [address for address, _ in clients.made] == ["localhost:8500", "elsewhere:9000"]


def test_failed_images_are_listed_and_give_code_1(
    folder: Path, clients: Clients, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in/c.jpg").write_bytes(b"")
    for number in range(25):
        Path(f"in/d{number:02}.jpg").write_bytes(b"GIF")
    assert predict.main(["in", "missing.jpg", "--out", "out"]) == 1
    printed = capsys.readouterr()
    assert "2 of 29 images" in printed.out
    lines = printed.err.splitlines()
    assert lines[0] == "  failed: in/c.jpg: 0 bytes"
    assert lines[-1] == "  ... and 7 more in failures.csv"
    assert len(lines) == 21
    listed = Path("out/failures.csv").read_text(encoding="utf-8")
    assert "missing.jpg,cannot be read: No such file or directory" in listed


def test_server_that_is_not_there_is_a_sentence(
    folder: Path, clients: Clients, capsys: pytest.CaptureFixture[str]
) -> None:
    clients.client.describe_error = ServerUnreachable("no server answers at localhost:8500")
    assert predict.main(["in", "--out", "out"]) == 1
    assert capsys.readouterr().err == "rhymes predict: no server answers at localhost:8500\n"
    assert not Path("out").exists()


def test_server_that_goes_away_is_a_sentence_and_what_is_done_stays(
    folder: Path, clients: Clients, capsys: pytest.CaptureFixture[str]
) -> None:
    def find(image: UprightImage) -> Any:
        if image.width == 99:
            raise ServerUnreachable("no server answers at localhost:8500")
        return find_colors(image)

    clients.client = FakeClient(find)
    Path("in/c.jpg").write_bytes(encode_image(size=(99, 50)))
    assert predict.main(["in", "--out", "out"]) == 1
    assert capsys.readouterr().err == (
        "rhymes predict: no server answers at localhost:8500\n"
        "1 images were not tried; what was complete is written\n"
    )
    assert len(list(Path("out/json").iterdir())) == 2


def test_unexpected_error_is_raised_after_what_is_done_was_written(
    folder: Path, clients: Clients
) -> None:
    def find(image: UprightImage) -> Any:
        if image.width == 99:
            raise ZeroDivisionError
        return find_colors(image)

    clients.client = FakeClient(find)
    Path("in/c.jpg").write_bytes(encode_image(size=(99, 50)))
    with pytest.raises(ZeroDivisionError):
        predict.main(["in", "--out", "out"])
    assert len(list(Path("out/json").iterdir())) == 2


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param(["in", "--out", "in"], "not of an earlier run", id="out is full"),
        pytest.param(["in", "--out", "in/a.jpg"], "file of this name", id="out is a file"),
        pytest.param(["in", "--out", "in/a.jpg/x"], "in/a.jpg: File exists; move", id="in file"),
        pytest.param(
            ["in", "--out", "out", "--image-url-prefix", "x"], "http(s) URL", id="no URL"
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_a_sentence(
    folder: Path,
    clients: Clients,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    problem: str,
) -> None:
    assert cli.main(["predict", *arguments]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("rhymes predict: ")
    assert problem in printed
    assert sorted(path.name for path in Path("in").iterdir()) == ["a.jpg", "b.jpg", "notes.txt"]


def test_second_run_needs_overwrite(
    folder: Path, clients: Clients, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict.main(["in", "--out", "out"]) == 0
    assert cli.main(["predict", "in", "--out", "out"]) == 1
    assert "add --overwrite" in capsys.readouterr().err
    assert predict.main(["in", "--out", "out", "--overwrite", "--score", "0"]) == 0
    assert json.loads(Path("out/prediction.json").read_bytes())["counts"]["objects"] == 2


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param(["in"], "--out", id="no out"),
        pytest.param(["--out", "out"], "FILES", id="no files"),
        pytest.param(["in", "--out", "o", "--score", "50"], "from 0 to 1", id="percent"),
        pytest.param(["in", "--out", "o", "--score", "nan"], "from 0 to 1", id="NaN"),
        pytest.param(["in", "--out", "o", "--timeout", "0"], "from 0.001", id="no time"),
        pytest.param(["in", "--out", "o", "--workers", "0"], "whole number", id="no worker"),
        pytest.param(["in", "--out", "o", "--version", "v1"], "whole number", id="no number"),
        pytest.param(
            ["in", "--out", "o", "--version", "1", "--label", "x"], "not allowed", id="both"
        ),
        pytest.param(["in", "--out", "o", "--rank", "x"], "invalid choice", id="other rank"),
        pytest.param(["in", "--out", "o", "--over"], "unrecognized", id="abbreviated"),
    ],
)  # fmt: skip
def test_wrong_arguments_give_code_2(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        predict.main(arguments)
    assert error.value.code == 2
    assert problem in capsys.readouterr().err


def test_help_says_first_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        predict.main(["--help"])
    printed = capsys.readouterr().out
    assert "\n\nFind objects in images with a model server" in printed
    assert "Exit code: 0 all images written" in printed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_is_stopped_by_a_signal_while_it_waits(
    folder: Path, root: Path, number: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        command = [sys.executable, "-m", "rhymes", "predict", "in", "--out", "out"]
        process = subprocess.Popen(
            [*command, "--server", f"127.0.0.1:{port}", "--timeout", "60"],
            env={**os.environ, "PYTHONPATH": str(root)},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            silent.settimeout(60)
            connection, _ = silent.accept()  # from now on it waits for an answer
            with connection:
                time.sleep(0.2)
                process.send_signal(number)
                _, printed = process.communicate(timeout=60)
        finally:
            process.kill()
    assert printed == "rhymes predict: interrupted; nothing was written\n"
    assert process.returncode == 130
    assert not (folder / "out").exists()
