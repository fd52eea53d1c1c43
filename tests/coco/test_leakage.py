from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from rhymes.coco.leakage import (
    find_closest_pairs,
    leakage_to_lines,
    leakage_to_report,
    leakage_to_warnings,
    save_closest_pairs,
)
from rhymes.images.copy_distance import fingerprints_to_distance
from rhymes.images.fingerprint import image_to_fingerprint
from tests.support.scenes import cut, scene

IMAGES = [scene(1), scene(2), scene(3), cut(scene(2), 0.02, 0, 0.02, 0), scene(5)]
SPLITS = [0, 0, 0, 2, 2]
NAMES = [f"{number}.jpg" for number in range(5)]
PRINTS = np.stack([image_to_fingerprint(image) for image in IMAGES])


def test_nearest_distance_is_that_of_the_closest_pair() -> None:
    pairs = find_closest_pairs(PRINTS, SPLITS)
    assert pairs["val"] == []
    assert pairs["test"][0][:2] == (3, 1)
    report = leakage_to_report(pairs, NAMES)
    assert report["test"]["nearest_distance"] == fingerprints_to_distance(PRINTS[3], PRINTS[1])
    assert report["val"]["nearest_distance"] is None
    (warning,) = leakage_to_warnings(report)
    assert warning.startswith("1 image of test looks like a copy of one of train")
    (line,) = leakage_to_lines(report)
    assert line.startswith(f"Nearest distance between test and train: {pairs['test'][0].distance} ")


def test_without_copies_nothing_warns() -> None:
    report = leakage_to_report(find_closest_pairs(PRINTS, [0, 0, 0, 0, 2]), NAMES)
    assert report["test"]["nearest_distance"] > report["test"]["cutoff"]
    assert list(leakage_to_warnings(report)) == []


def test_nothing_to_compare() -> None:
    assert find_closest_pairs(PRINTS, [2] * 5) == {"val": [], "test": []}
    assert find_closest_pairs(np.zeros((3, 32, 32, 3), np.uint8), [0, 1, 2]) == {
        "val": [],
        "test": [],
    }


def test_sheet_shows_both_images(tmp_path: Path) -> None:
    for name, image in zip(NAMES, IMAGES, strict=True):
        image.save(tmp_path / name)
    pairs = find_closest_pairs(PRINTS, SPLITS)
    for name in ("one.png", "other.png"):
        save_closest_pairs(tmp_path / name, tmp_path, pairs, NAMES)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()
    with Image.open(tmp_path / "one.png") as sheet:
        assert sheet.size == (480, 2 * 258)
        assert len(set(sheet.crop((0, 18, 480, 258)).resize((8, 4)).getdata())) > 8
