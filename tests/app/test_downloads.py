"""Files to take away are those of the command line."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from app.backend import ImageAnswer
from app.checked_image import bytes_to_image
from app.display import Display
from app.downloads import Results, image_to_json, results_to_csv, results_to_zip
from rhymes.common.errors import InputError
from rhymes.export.cells import ANNOTATION_COLUMN
from rhymes.predictions.image_list import Failure
from tests.support.fake_client import FakeClient, encode_image

NAMES = ("a.png", "<b>.png", "=1+1.png")


def make_results(
    score: float = 0.5,
    class_ids: frozenset[int] | None = None,
    names: dict[int, str] | None = None,
) -> Results:
    client = FakeClient(names=names)
    found = []
    for i, name in enumerate(NAMES):
        data = encode_image((1, (10, 10, 20, 20)), (2, (50 + i, 10, 20, 20)), encoding="PNG")
        image = bytes_to_image(name, data)
        answer = client.answer(image.upright)
        found.append(
            (image, ImageAnswer(answer.detections, answer.version, answer.identity, 0.1, None))
        )
    failures = [Failure("bad.png", "no image")]
    return Results(client.describe(), found, failures, Display(score, class_ids))


def test_json_is_that_of_one_image() -> None:
    results = make_results(score=0.85)
    prediction = json.loads(image_to_json(results.answers[1][0], results))
    assert [item["proba"] for item in prediction["identifications"]] == [0.9]
    assert prediction["info"]["file"] == "<b>.png"
    assert prediction["info"]["version"] == results.model.version


def test_classes_that_are_hidden_are_left_out() -> None:
    results = make_results(class_ids=frozenset({2}))
    prediction = json.loads(image_to_json(results.answers[0][0], results))
    (item,) = prediction["identifications"]
    assert item["attributes"]["label"] == results.model.class_names[2]


def test_csv_has_a_row_for_each_image() -> None:
    rows = list(csv.DictReader(io.StringIO(results_to_csv(make_results(), "input").decode())))
    assert [row["image_url"] for row in rows] == [
        "images/a.png", "images/b.png", "images/1_1.png"
    ]  # fmt: skip
    for row in rows:
        assert len(json.loads(row[ANNOTATION_COLUMN])["identifications"]) == 2


def test_zip_holds_the_whole_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(results_to_zip(make_results(), "uncertain"))) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    folder = tmp_path / "predictions"
    assert {path.name for path in folder.iterdir()} == {
        "annotations.csv", "categories.csv", "coco_images.json", "coco_results.json",
        "failures.csv", "images", "drawings", "json", "prediction.json",
    }  # fmt: skip
    assert (folder / "images/a.png").read_bytes() == make_results().answers[0][0].data
    with Image.open(folder / "drawings/a.jpg") as drawn:
        assert max(drawn.size) == 720
    assert "bad.png,no image" in (folder / "failures.csv").read_text()
    assert json.loads((folder / "prediction.json").read_text())["counts"]["images"] == 3


def test_classes_without_a_name_are_an_error() -> None:
    results = make_results(names={})
    with pytest.raises(InputError, match="no name"):
        image_to_json(results.answers[0][0], results)
