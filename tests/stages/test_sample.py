"""The stage sample: an export in the polygons dialect, the same bytes each time."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from rhymes.common.errors import InputError
from rhymes.common.files import file_to_sha256
from rhymes.common.params import dict_to_section
from rhymes.sample.menu import DISHES
from stages import sample
from stages.sample import SampleParams, dishes_to_csv, save_sample

NAMES = sorted(dish.name for dish in DISHES)


def saved(folder: Path, *, seed: int = 1, images: int = 3, size: int = 64, processes: int = 1):
    folder.mkdir()
    save_sample(folder, SampleParams(seed=seed, images=images, size=size), processes)
    return {
        str(path.relative_to(folder)): file_to_sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def cells(folder: Path) -> dict[str, list[dict]]:
    with (folder / "annotations.csv").open(newline="", encoding="utf-8") as file:
        return {
            row["image_url"]: json.loads(row["output_content"])["identifications"]
            for row in csv.DictReader(file)
        }


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """An export of 48 small images."""
    folder = tmp_path_factory.mktemp("sample") / "export"
    saved(folder, images=48)
    return folder


def test_same_parameters_give_the_same_bytes(tmp_path):
    assert saved(tmp_path / "once") == saved(tmp_path / "again")


def test_processes_change_no_byte(tmp_path, drawn):
    several = saved(tmp_path / "several", images=48, processes=2)
    one = {name: file_to_sha256(drawn / name) for name in several}
    assert several == one


def test_another_seed_gives_other_images(tmp_path):
    first, second = saved(tmp_path / "1"), saved(tmp_path / "2", seed=2)
    assert first.keys() == second.keys()
    changed = {name for name in first if first[name] != second[name]}
    assert changed == set(first) - {"categories.csv"}


def test_an_image_does_not_depend_on_how_many_there_are(tmp_path):
    few, more = saved(tmp_path / "3", images=3), saved(tmp_path / "5", images=5)
    images = [name for name in few if name.startswith("images/")]
    assert len(images) == 3
    assert [few[name] for name in images] == [more[name] for name in images]
    assert cells(tmp_path / "3").items() <= cells(tmp_path / "5").items()


def test_headers_and_categories(drawn):
    lines = (drawn / "annotations.csv").read_text(encoding="utf-8").split("\n")
    assert lines[0] == "image_url,output_content"
    assert lines[-1] == ""
    assert len(lines) == 48 + 2
    assert (drawn / "categories.csv").read_text() == "\n".join(["category_image", *NAMES, ""])


def test_every_image_is_a_jpeg_of_the_size(drawn):
    named = [drawn / name for name in cells(drawn)]
    assert sorted(named) == sorted((drawn / "images").iterdir())
    for path in named:
        with Image.open(path) as image:
            image.load()
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (64, 64))


def test_items_have_the_shape_of_the_polygons_dialect(drawn):
    for items in cells(drawn).values():
        for item in items:
            assert list(item) == ["type", "data", "category"]
            assert item["type"] == "polygon"
            assert item["category"] in NAMES
            assert all(len(point) == 2 for point in item["data"])


def test_every_class_and_trays_without_dishes_occur(drawn):
    items = list(cells(drawn).values())
    counts = dict.fromkeys(NAMES, 0)
    for item in (item for row in items for item in row):
        counts[item["category"]] += 1
    assert min(counts.values()) >= 8, counts
    assert 1 <= sum(not row for row in items) <= 10
    assert all(not row or 2 <= len(row) <= 6 for row in items)


def test_an_empty_tray_is_a_row_with_an_empty_list():
    text = dishes_to_csv([("images/a.jpg", []), ("images/b.jpg", [("PAIN", [(1.5, 2.0)])])])
    item = """{""type"": ""polygon"", ""data"": [[1.5, 2.0]], ""category"": ""PAIN""}"""
    assert text.split("\n") == [
        "image_url,output_content",
        'images/a.jpg,"{""identifications"": []}"',
        f'images/b.jpg,"{{""identifications"": [{item}]}}"',
        "",
    ]


def test_main_replaces_an_older_sample(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("sample: {seed: 1, images: 1, size: 64}\n")
    (tmp_path / "data/sample/images").mkdir(parents=True)
    (tmp_path / "data/sample/images/old.jpg").write_bytes(b"old")
    sample.main()
    found = {str(p.relative_to(tmp_path / "data")) for p in (tmp_path / "data").rglob("*.*")}
    assert found == {
        "sample/annotations.csv",
        "sample/categories.csv",
        "sample/images/tray_0001.jpg",
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("seed", -1, id="negative seed"),
        pytest.param("seed", 1.5, id="fractional seed"),
        pytest.param("images", 0, id="no image"),
        pytest.param("images", 100_001, id="too many images"),
        pytest.param("images", "240", id="text"),
        pytest.param("size", 63, id="too small"),
        pytest.param("size", 2049, id="too large"),
        pytest.param("colour", "red", id="unknown key"),
    ],
)
def test_bad_parameters_are_named(key, value):
    given = {"seed": 1, "images": 2, "size": 64} | {key: value}
    with pytest.raises(InputError, match=rf"params.yaml: sample\.{key}: "):
        dict_to_section(given, SampleParams, "params.yaml: sample")
