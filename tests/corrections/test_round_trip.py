"""The round trip: predict, correct, merge, and the data stages of `dvc repro`."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rhymes.corrections import merge
from rhymes.export.cells import items_to_cell
from rhymes.predictions import predict
from tests.support.canned_server import running
from tests.support.color_server import ColorServer
from tests.support.export_csv import box, cell, write_csv
from tests.support.export_loop import export_to_coco
from tests.support.fake_client import encode_image

Items = list[dict[str, Any]]
RED, GREEN, BLUE = 1, 2, 3
IMAGES = 12


def draw_photos(folder: Path) -> None:
    """What the model finds: something red in each image, and something green in every second."""
    folder.mkdir()
    for number in range(IMAGES):
        objects = [(RED, (10 + number, 10, 20, 20))]
        objects += [(GREEN, (70, 30, 25, 30))] * (number % 2)
        (folder / f"photo{number}.png").write_bytes(encode_image(*objects, encoding="PNG"))


def leave(items: Items) -> Items:
    return items


def move(items: Items) -> Items:
    x, y, width, height = items[0]["data"]
    return [items[0] | {"data": [x + 3, y + 2, width, height]}, *items[1:]]


def relabel(items: Items) -> Items:
    return [items[0] | {"attributes": {"label": "BLUE"}}, *items[1:]]


def remove(items: Items) -> Items:
    return items[1:]


def add(items: Items) -> Items:
    return [*items, box([40, 50, 12, 14], "TEAL")]


CORRECTIONS: dict[int, Callable[[Items], Items]] = {
    0: leave, 1: leave, 2: move, 3: relabel, 4: remove, 5: add, 6: leave,
}  # fmt: skip


def correct(predictions: Path, corrected: Path) -> None:
    """What annotators do: seven images of twelve come back, under names of the tool's own."""
    with (predictions / "annotations.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["cdn_file_url"]: row["output_content"] for row in csv.DictReader(file)}
    (corrected / "task").mkdir(parents=True)
    written = []
    for number, change in CORRECTIONS.items():
        name = f"images/photo{number}.png"
        items = change(json.loads(rows[name])["identifications"])
        (corrected / f"task/{number}.png").write_bytes((predictions / name).read_bytes())
        written.append((f"task/{number}.png", items_to_cell(items), f"ann{number % 2}"))
    header = ("cdn_file_url", "output_content", "annotator")
    write_csv(corrected / "annotations.csv", [header, *written])
    classes = ["RED", "GREEN", "BLUE", "TEAL"]
    write_csv(corrected / "categories.csv", [("category_image",), *((name,) for name in classes)])


def test_predict_correct_merge_repro(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    draw_photos(Path("photos"))
    with running(ColorServer()) as server:
        arguments = ["photos", "--out", "predictions", "--dialect", "boxes", "--no-images"]
        assert predict.main([*arguments, "--server", server.address, "--version", "1"]) == 0
    correct(Path("predictions"), Path("corrected"))
    assert merge.main(["predictions", "corrected", "-o", "reviewed"]) == 0
    assert "7 images of 12 corrected (0 found by name, 7 by content" in capsys.readouterr().out

    report = json.loads(Path("reviewed/merge.json").read_bytes())
    found = {name: {k: n for k, n in each.items() if n} for name, each in report["classes"].items()}
    assert found == {
        "RED": {"confirmed": 4, "moved": 1, "relabelled_from": 1, "removed": 1},
        "GREEN": {"confirmed": 3},
        "BLUE": {"relabelled_to": 1},
        "TEAL": {"added": 1},
    }
    # Of 12 red and 6 green ones: one is gone, one moved, one named otherwise, one more drawn.
    assert report["last_touch"] == {"model": 5 + 3, "model_confirmed": 4 + 3, "person": 3}

    # Beside what people drew before; one of its images is among the photos.
    training = Path("training")
    (training / "old").mkdir(parents=True)
    rows = [(f"old/{number}.png", cell(box([30, 20, 20, 20], "RED"))) for number in range(5)]
    for number, (source, _) in enumerate(rows):
        data = encode_image((RED, (30, 20, 20, 20)), size=(120 + number, 80), encoding="PNG")
        (training / source).write_bytes(data if number else Path("photos/photo2.png").read_bytes())
    write_csv(training / "annotations.csv", [("cdn_file_url", "output_content"), *rows])
    write_csv(training / "categories.csv", [("category_image",), ("RED",)])
    assert merge.main(["training", "reviewed", "-o", "training-2"]) == 0

    images = export_to_coco(tmp_path / "training-2", tmp_path / "project", monkeypatch)
    assert set(images) == {
        *(f"old/{number}.png" for number in range(5)),
        *(f"images/photo{number}.png" for number in range(IMAGES) if number != 2),
    }
    assert boxes(images["old/0.png"]) == [("RED", [15, 12, 20, 20], "person")]
    assert boxes(images["images/photo1.png"]) == [
        ("RED", [11, 10, 20, 20], "model_confirmed"),
        ("GREEN", [70, 30, 25, 30], "model_confirmed"),
    ]
    assert boxes(images["images/photo3.png"])[0] == ("BLUE", [13, 10, 20, 20], "person")
    assert boxes(images["images/photo4.png"]) == []
    assert boxes(images["images/photo5.png"])[2] == ("TEAL", [40, 50, 12, 14], "person")
    assert boxes(images["images/photo8.png"]) == [("RED", [18, 10, 20, 20], "model")]
    ids = images["images/photo5.png"]["names"]
    assert ids == {1: "RED", 2: "GREEN", 3: "BLUE", 4: "TEAL"}

    converted = json.loads((tmp_path / "project/data/coco/report.json").read_bytes())
    touches = converted["last_touch"].values()
    total = {touch: sum(each[touch] for each in touches) for touch in report["last_touch"]}
    assert total == {**report["last_touch"], "person": 3 + 4}
    assert any("8 objects were found by a model" in each for each in converted["warnings"])


def boxes(image: dict[str, Any]) -> list[tuple[str, list[float], str]]:
    """Class, box and last touch of a COCO image's objects; JPEG moves no edge of a box."""
    return [
        (image["names"][each["category_id"]], each["bbox"], each.get("last_touch", "person"))
        for each in image["annotations"]
    ]
