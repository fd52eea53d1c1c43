from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from PIL import Image

from rhymes.cli import main
from rhymes.coco.copies import load_groups
from tests.support.export_csv import indexed_image, write_index
from tests.support.scenes import scene


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An export with five scenes and one of them turned by 20 degrees, which fingerprints miss."""
    monkeypatch.chdir(tmp_path)
    images = {f"{seed}.jpg": scene(seed, objects=40) for seed in range(5)}
    images["turned.jpg"] = images["3.jpg"].rotate(20, Image.Resampling.BICUBIC)
    (tmp_path / "data/images").mkdir(parents=True)
    index = []
    for name, image in images.items():
        sha256 = hashlib.sha256(name.encode()).hexdigest()
        image.save(tmp_path / f"data/images/{sha256}.jpg", quality=90)
        index.append(indexed_image(name, sha256, image.size))
    write_index(tmp_path / "data/export/index.csv", [*index, "failed.jpg"])
    return tmp_path


def test_turned_copy_is_proposed_and_can_be_accepted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["copies"]) == 0
    assert "1 pairs of 6 images" in capsys.readouterr().out
    proposed = folder / "copies/proposed.csv"
    groups = load_groups(proposed)
    assert set(groups) == {"3.jpg", "turned.jpg"}
    assert groups["3.jpg"] == groups["turned.jpg"]
    sheet = (folder / "copies/sheet.html").read_text(encoding="utf-8")
    assert sheet.count("data:image/jpeg") == 2

    (folder / "data/groups.csv").write_bytes(proposed.read_bytes())
    assert main(["copies"]) == 0
    assert "0 pairs of 6 images" in capsys.readouterr().out


def test_distance_of_two_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = sorted(map(str, (folder / "data/images").iterdir()))
    assert main(["copies", "--distance", paths[0], paths[0]]) == 0
    assert capsys.readouterr().out == "0 (copies: up to 30)\n"
    assert main(["copies", "--distance", paths[0], "none.jpg"]) == 1
    assert "none.jpg: cannot be read" in capsys.readouterr().err


def test_missing_export_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["copies", "--export", str(tmp_path)]) == 1
    assert "index.csv: not found" in capsys.readouterr().err
