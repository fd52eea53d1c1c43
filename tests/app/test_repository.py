"""What the page reads of the repository while stages replace it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app import repository
from app.repository import MissingFile, load_image, load_json, load_split, load_table
from rhymes.coco.files import CocoImage
from rhymes.common.errors import InputError
from tests.support.coco_factory import CocoFactory

IMAGE = CocoImage(id=1, file_name="0a.jpg", width=4, height=4)


@pytest.mark.parametrize(
    ("load", "path"),
    [
        pytest.param(lambda: load_json(repository.CONVERSION), "data/coco/report.json", id="json"),
        pytest.param(lambda: load_table(Path("a.csv")), "a.csv", id="table"),
        pytest.param(lambda: load_split("val"), "data/coco/val.json", id="split"),
        pytest.param(lambda: load_image(IMAGE), "data/images/", id="image"),
    ],
)
def test_what_is_missing_is_named_with_what_makes_it(load: object, path: str) -> None:
    assert callable(load)
    with pytest.raises(
        MissingFile, match=rf"^{path}.*is not there; make repro makes it"
    ) as missing:
        load()
    assert missing.value.command == "make repro"


def test_a_file_that_is_replaced_is_read_again() -> None:
    path = Path("a.json")
    path.write_text("[1]")
    first = load_json(path)
    assert first == [1]
    assert load_json(path) is first, "kept"
    path.write_text("[1, 2]")
    assert load_json(path) == [1, 2]
    path.unlink()
    with pytest.raises(MissingFile):
        load_json(path)


@pytest.mark.parametrize(
    ("load", "name"), [(load_json, "a.json"), (load_table, "a.csv")], ids=["json", "table"]
)
def test_a_broken_file_is_named(load: object, name: str) -> None:
    Path(name).write_text('{"a": ' if name.endswith("json") else "")
    assert callable(load)
    with pytest.raises(InputError, match=rf"^{name}: not .*make repro writes it anew"):
        load(Path(name))


def test_class_names_in_tables_stay_text() -> None:
    Path("a.tsv").write_text("class\tAP\nNA\t0.5\nnull\t\n001\t1\n")
    table = load_table(Path("a.tsv"))
    assert table["class"].tolist() == ["NA", "null", "001"]
    assert table["AP"].tolist() == pytest.approx([0.5, float("nan"), 1], nan_ok=True)
    Path("b.csv").write_text("actual,predicted\n1,2\n")
    assert load_table(Path("b.csv")).to_dict("records") == [{"actual": "1", "predicted": "2"}]


def test_a_split_gives_the_ground_truth_of_each_image() -> None:
    factory = CocoFactory(Path("data/images"), ["a", "b"])
    factory.add_image(20, 20)
    factory.add_image(30, 20)
    factory.add_object([1, 1, 5, 5])
    factory.add_object([2, 2, 5, 5], category=2)
    path = Path("data/coco/test.json")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(factory.coco()))
    split = load_split("test")
    assert (split.name, split.names) == ("test", {1: "a", 2: "b"})
    assert list(split.images) == [1, 2]
    assert split.ground_truth(1) == []
    assert [each["category_id"] for each in split.ground_truth(2)] == [1, 2]
    assert (
        load_image(split.images[1])
        == Path("data/images", factory.images[0]["file_name"]).read_bytes()
    )
