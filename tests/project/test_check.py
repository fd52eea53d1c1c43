"""`rhymes check` on exports as they come: what it says of each, and that it only reads."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from rhymes import cli
from rhymes.coco.splits import SPLITS
from rhymes.common.params import load_params
from rhymes.export.fetched import Source
from rhymes.project.export_check import SampleSize, choose_sample
from stages import coco, fetch
from tests.conftest import ROOT
from tests.support.export_csv import box, cell, write_csv
from tests.support.hostile_server import encode_random_image

COUNT = 30


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a checkout; its export lies beside it."""
    root = tmp_path / "checkout"
    (root / ".dvc").mkdir(parents=True)
    (root / "dvc.yaml").write_text("stages: {}\n")
    write_params(root)
    write_csv(root / "data/splits.csv", [("group", "split")])
    monkeypatch.chdir(root)
    return root


def write_params(root: Path, **changes: Any) -> None:
    params = load_params(ROOT / "params.yaml")
    params["coco"] |= changes
    # JSON is YAML.
    (root / "params.yaml").write_text(json.dumps(params), encoding="utf-8")


def write_export(
    folder: Path,
    cells: dict[int, str] | None = None,
    scale: float = 1,
    header: tuple[str, str] = ("cdn_file_url", "output_content"),
) -> Path:
    """Write 30 images of 32 x 24 pixels with two objects each; `cells` replace those of some."""
    rows = []
    for number in range(COUNT):
        sides = [side * scale for side in (number % 5 + 1, 2, 9, 8)]
        objects = [box(sides, "CAT"), box([16 * scale, 9 * scale, *sides[2:]], "DOG")]
        rows.append((f"{number}.jpg", (cells or {}).get(number, cell(*objects))))
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.jpg").write_bytes(encode_random_image(number))
    write_csv(folder / "annotations.csv", [header, *rows])
    write_csv(folder / "categories.csv", [("category_image",), ("CAT",), ("DOG",)])
    return folder


def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main(["check", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in folder.rglob("*")
    }


def test_a_good_export_is_described_and_nothing_is_changed(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = write_export(tmp_path / "export")
    before = contents(tmp_path)
    code, said, _ = check(capsys, str(export))
    assert contents(tmp_path) == before
    assert code == 0
    assert "30 images in the dialect boxes." in said
    assert "All were looked at" in said
    assert "30 can be read" in said
    assert "train: 2" in said
    assert "(asked 70.0%)" in said
    assert "Nothing found that would make fetch or coco fail." in said


def test_it_says_what_the_stages_do(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = write_export(tmp_path / "export", {3: cell(box([1, 1, 2, 2], "EMU"))})
    _, said, _ = check(capsys, str(export))
    params = load_params(checkout / "params.yaml")
    params["raw"]["export"] = str(export)
    (checkout / "params.yaml").write_text(json.dumps(params), encoding="utf-8")
    fetch.main()
    coco.main()
    report = json.loads((checkout / "data/coco/report.json").read_bytes())
    for split in ("train", "val", "test"):
        assert f"  {split}: {report['images'][split]} images, " in said
    for name in ("CAT", "DOG"):
        counts = " / ".join(str(report["classes"][split][name]) for split in SPLITS)
        assert f"  {name}: {counts}\n" in said
    assert "unknown_label: 1, rows 5" in said
    assert "'EMU' (1)" in said


HUGE = '{"identifications": [' + "[" * 5000


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        pytest.param(dict.fromkeys(range(9), "{"), "bad_cell: 9, rows 2, 3", id="no JSON"),
        pytest.param(dict.fromkeys(range(9), HUGE), "bad_cell: 9, rows 2", id="nested"),
        pytest.param(
            dict.fromkeys(range(9), cell(box([1, 2, float("nan"), 4], "CAT"))),
            "not_finite: 9, rows 2",
            id="NaN",
        ),
        pytest.param(
            dict.fromkeys(range(9), cell(box([90, 2, 3, 4], "CAT"))),
            "outside_image: 9, rows 2",
            id="outside",
        ),
        pytest.param(dict.fromkeys(range(30), ""), "no object is left", id="never annotated"),
        pytest.param(
            dict.fromkeys(range(30), cell(box([1, 2, 3, 4], "EMU"))),
            "no object is left",
            id="labels of other classes",
        ),
    ],
)
def test_what_would_fail_is_said_with_rows(
    checkout: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    cells: dict[int, str],
    said: str,
) -> None:
    export = write_export(tmp_path / "export", cells)
    code, out, _ = check(capsys, str(export))
    assert code == 1
    assert "This would fail:" in out
    assert said in out


def test_coordinates_in_another_unit_are_named(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = write_export(tmp_path / "export", scale=1 / 32)
    code, said, _ = check(capsys, str(export), "--images", "12")
    assert code == 1
    assert "look like fractions of the image" in said


def test_images_that_cannot_be_read_are_named_by_row(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = write_export(tmp_path / "export")
    (export / "4.jpg").write_bytes(b"<html>")
    (export / "7.jpg").unlink()
    (export / "9.jpg").unlink()
    os.mkfifo(export / "9.jpg")
    code, said, _ = check(capsys, str(export))
    assert code == 1
    assert "27 can be read" in said
    for row in (6, 9, 11):
        assert f"  row {row}: {row - 2}.jpg: " in said


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(lambda e: (e / "annotations.csv").unlink(), "no such file", id="no CSV"),
        pytest.param(
            lambda e: (e / "categories.csv").write_text("name\nCAT\n"),
            "'category_image' is missing",
            id="header of the classes",
        ),
        pytest.param(
            lambda e: (e / "annotations.csv").write_text("picture,output_content\na.jpg,\n"),
            "the header needs a column",
            id="header of the annotations",
        ),
        pytest.param(
            lambda e: (e / "annotations.csv").write_bytes(b"cdn_file_url,output_content\n\xff,\n"),
            "not UTF-8",
            id="encoding",
        ),
    ],
)
def test_what_cannot_be_read_is_a_sentence(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Any, said: str
) -> None:
    export = write_export(tmp_path / "export")
    spoil(export)
    code, out, error = check(capsys, str(export))
    assert code == 1
    assert out == ""
    assert error.startswith("rhymes check: ")
    assert said in error


def test_a_missing_folder_is_a_sentence(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = check(capsys, "nowhere")
    assert code == 1
    assert "nowhere: no such folder" in error


def test_rows_keep_their_numbers_in_the_sample(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt = cell(box([90, 2, 3, 4], "CAT"))
    export = write_export(tmp_path / "export", dict.fromkeys(range(COUNT), spoilt))
    code, said, _ = check(capsys, str(export), "--images", "1")
    (chosen,) = choose_sample([Source(f"{n}.jpg", ()) for n in range(COUNT)], SampleSize(1, 1))
    row = int(chosen.image.removesuffix(".jpg")) + 2
    assert code == 1
    assert f"outside_image: 1, rows {row}\n" in said


def test_sizes_and_classes_are_compared_with_a_data_version(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = load_params(checkout / "params.yaml")
    params["raw"]["export"] = str(write_export(tmp_path / "old"))
    (checkout / "params.yaml").write_text(json.dumps(params), encoding="utf-8")
    fetch.main()
    coco.main()
    capsys.readouterr()
    same = write_export(tmp_path / "same")
    code, said, _ = check(capsys, str(same), "--data", "data/coco")
    assert code == 0
    assert "objects are 1.00 times as large" in said
    assert "neither sizes nor the mix of classes is far" in said
    other = {n: cell(box([1, 2, 4, 4], "CAT")) for n in range(COUNT)}
    _, said, _ = check(capsys, str(write_export(tmp_path / "other", other)), "--data", "data/coco")
    assert "Objects are 0.4" in said
    assert "'CAT' +50%" in said


def test_the_sample_is_chosen_by_hash() -> None:
    sources = [Source(f"{n}.jpg", (n,)) for n in range(100)]
    sources += [Source(f"https://a.example/{n}.jpg", (n,)) for n in range(100)]
    chosen = choose_sample(sources, SampleSize(files=7, urls=3))
    assert len(chosen) == 10
    assert sum("://" in each.image for each in chosen) == 3
    assert choose_sample(sources[::-1], SampleSize(7, 3)) == chosen[::-1]
    assert {each.image for each in choose_sample(sources[5:], SampleSize(7, 3))} >= {
        each.image for each in chosen if each in sources[5:]
    }


def test_outside_a_checkout_it_says_where_to_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, error = check(capsys, "export")
    assert code == 1
    assert "no checkout" in error
