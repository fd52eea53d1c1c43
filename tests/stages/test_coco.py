"""The stage on a small export in a folder of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rhymes.common.errors import InputError
from rhymes.common.params import dict_to_section, load_section
from stages import coco
from stages.coco import CocoParams
from tests.support.export_csv import box, indexed_image, write_csv, write_index

PARAMS: dict[str, Any] = {
    "seed": 1, "val_fraction": 0.15, "test_fraction": 0.15, "group_pattern": None, "groups": "auto",
    "label_separator": None, "consensus_iou": 0.5, "consensus_quorum": 1, "annotator_column": None,
    "max_dropped_fraction": 0.05,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository's root with an export of 20 images with two objects each."""
    monkeypatch.chdir(tmp_path)
    write_export([[box([n, 1, 9, 9]), box([1, n + 20, 9, 9])] for n in range(20)])
    write_csv(coco.PINS, [("group", "split")])
    write_params()
    return tmp_path


def write_export(images: list[list[Any]], failed: int = 0) -> None:
    rows = [(f"{n}.jpg", json.dumps({"identifications": i})) for n, i in enumerate(images)]
    index = [
        f"{n}.jpg" if n < failed else indexed_image(f"{n}.jpg", f"{n:064x}")
        for n in range(len(images))
    ]
    write_csv(coco.EXPORT / "annotations.csv", [("cdn_file_url", "output_content"), *rows])
    write_csv(coco.EXPORT / "categories.csv", [("category_image",), ("RBC",)])
    write_index(coco.EXPORT / "index.csv", index)


def write_params(**changes: Any) -> None:
    # JSON is YAML.
    Path("params.yaml").write_text(json.dumps({"coco": PARAMS | changes}), encoding="utf-8")


def test_writes_all_outputs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco.main()
    assert sorted(path.name for path in coco.COCO.iterdir()) == [
        "label_map.pbtxt", "labels.txt", "report.json", "report.md", "splits.csv", "test.json",
        "train.json", "val.json",
    ]  # fmt: skip
    assert capsys.readouterr().out.startswith(
        "coco: Rows: 20 read, 20 kept.\nObjects: 40 read, 40 kept, 0 dropped;"
    )


def test_seed_changes_the_split(folder: Path) -> None:
    splits = set()
    for seed in (1, 2):
        write_params(seed=seed)
        coco.main()
        splits.add((coco.COCO / "splits.csv").read_text(encoding="utf-8"))
    assert len(splits) == 2


@pytest.mark.parametrize(
    ("broken", "failed", "extra", "limit", "message"),
    [
        pytest.param(4, 0, [], 0.05, "4 of 40 objects cannot be used", id="objects"),
        pytest.param(0, 2, [], 0.05, "2 of 20 rows cannot be used", id="images"),
        pytest.param(2, 0, [], 0.05, None, id="at the limit"),
        pytest.param(4, 0, [], 0.1, None, id="limit raised"),
        pytest.param(0, 0, [box([1, 1, 2, 3], label="CAT")] * 40, 0, None, id="unknown labels"),
        pytest.param(0, 0, [box([1, 1, 2, 3])] * 41, 0, None, id="duplicates"),
        pytest.param(
            4, 0, [box([1, 1, 2, 3], label="CAT")] * 40, 0.08, "4 of 40", id="unknown do not dilute"
        ),
    ],
)
def test_limit_of_losses(
    folder: Path, broken: int, failed: int, extra: list[Any], limit: float, message: str | None
) -> None:
    images = [[box([n, 1, 9, 9]), box([1, n + 20, 9, 9])] for n in range(20)]
    for image in images[:broken]:
        image[0] = box([1, 1, 0, 5])
    write_export([*images[:-1], images[-1] + extra], failed)
    write_params(max_dropped_fraction=limit)
    if message is None:
        coco.main()
        return
    with pytest.raises(InputError, match=message) as caught:
        coco.main()
    assert "raise coco.max_dropped_fraction to 0.1;" in str(caught.value)
    assert ("rows 2, 3, 4, 5" if broken else "rows 2, 3") in str(caught.value)
    assert (coco.COCO / "report.md").is_file()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"val_fraction": 0.5, "test_fraction": 0.5}, "sum must be below 1", id="sum"),
        pytest.param({"val_fraction": -0.1}, "coco.val_fraction: got -0.1", id="negative"),
        pytest.param({"test_fraction": 1.0}, "coco.test_fraction: got 1.0", id="all for test"),
        pytest.param({"group_pattern": "("}, "coco.group_pattern: not a regular", id="pattern"),
        pytest.param({"group_pattern": ""}, "coco.group_pattern: got ''", id="empty pattern"),
        pytest.param({"label_separator": ""}, "coco.label_separator: got ''", id="no separator"),
        pytest.param({"max_dropped_fraction": 2}, "coco.max_dropped_fraction: got 2", id="limit"),
        pytest.param({"seed": -1}, "coco.seed: got -1", id="seed"),
        pytest.param({"fraction": 0.1}, "coco.fraction: unknown key", id="unknown key"),
    ],
)
def test_wrong_parameter(folder: Path, changes: dict[str, Any], message: str) -> None:
    write_params(**changes)
    with pytest.raises(InputError, match=message):
        coco.main()


@pytest.mark.usefixtures("folder")
def test_pattern_that_matches_nothing_fails_with_a_report() -> None:
    write_params(group_pattern=r"film\d+")
    with pytest.raises(InputError, match=r"coco.group_pattern 'film.* matches none of"):
        coco.main()
    assert "matches none of" in (coco.COCO / "report.md").read_text(encoding="utf-8")


def test_fractions_of_zero() -> None:
    changes = PARAMS | {"val_fraction": 0, "test_fraction": 0}
    options = coco.params_to_options(dict_to_section(changes, CocoParams, "coco"))
    assert options.fractions == (1, 0, 0)


def test_projects_own_parameters(root: Path) -> None:
    coco.params_to_options(load_section("coco", CocoParams, root / "params.yaml"))


def test_command_line_prints_a_sentence(folder: Path, root: Path) -> None:
    write_params(val_fraction=0.9, test_fraction=0.9)
    run = subprocess.run(
        [sys.executable, "-m", "stages.coco"], env={"PYTHONPATH": str(root)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert run.stderr.startswith("coco: params.yaml: coco: val_fraction 0.9 and test_fraction 0.9")
    assert "Traceback" not in run.stderr
