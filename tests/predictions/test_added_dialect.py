"""A dialect that is added to the others is all that conversion and prediction need to know it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from rhymes.common.errors import InputError
from rhymes.export.annotations import Reason
from rhymes.export.dialect import Dialect, ExportObject, Item, is_coordinate, value_to_label
from rhymes.export.dialects import DIALECTS
from rhymes.export.geometry import Box, Shape, clip_box
from rhymes.predictions import predict
from tests.support.export_csv import box, cell, polygon, write_csv
from tests.support.export_loop import assert_same_objects, export_to_coco
from tests.support.fake_client import NAMES, FakeClient, encode_image, file_to_detections

RED, GREEN = (1, (10, 20, 30, 25)), (2, (50, 30, 40, 40))


def corners_to_shape(data: object, width: int, height: int) -> Shape | Reason:
    """Read {"left": ..., "top": ..., "right": ..., "bottom": ...}."""
    if not isinstance(data, dict):
        return Reason.EMPTY_BOX
    left, top, right, bottom = (data.get(side) for side in ("left", "top", "right", "bottom"))
    if not all(map(is_coordinate, (left, top, right, bottom))):
        return Reason.NOT_FINITE
    if left >= right or top >= bottom:
        return Reason.EMPTY_BOX
    return clip_box((left, top, right - left, bottom - top), width, height) or Reason.OUTSIDE_IMAGE


def corners_to_box(data: object) -> Box | None:
    if not isinstance(data, dict):
        return None
    left, top, right, bottom = (data.get(side) for side in ("left", "top", "right", "bottom"))
    if not all(map(is_coordinate, (left, top, right, bottom))):
        return None
    return left, top, right - left, bottom - top


def item_to_class(item: Item) -> str | None:
    return value_to_label(item.get("class"))


def object_to_corners(written: ExportObject) -> dict[str, Any]:
    x, y, width, height = written.box
    data = {"left": x, "top": y, "right": x + width, "bottom": y + height}
    return {"type": "corners", "class": written.label, "data": data, "proba": written.score}


CORNERS = Dialect(
    name="corners",
    image_column="photo",
    item_type="corners",
    item_to_label=item_to_class,
    data_to_shape=corners_to_shape,
    data_to_box=corners_to_box,
    data_form="left, top, right, bottom",
    object_to_item=object_to_corners,
)


@pytest.fixture(autouse=True)
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DIALECTS, CORNERS.name, CORNERS)


def corners(left: Any, top: float, right: float, bottom: float, label: str = "RED") -> Any:
    data = {"left": left, "top": top, "right": right, "bottom": bottom}
    return {"type": "corners", "class": label, "data": data}


def write_export(folder: Path, rows: list[tuple[str, str]], column: str = "photo") -> Path:
    """Write an export of one class, RED; each row names the image of its own."""
    folder.mkdir()
    for name, _ in rows:
        (folder / name).write_bytes(encode_image(RED))
    for file, lines in (
        ("annotations.csv", [(column, "output_content"), *rows]),
        ("categories.csv", [("category_image",), ("RED",)]),
    ):
        write_csv(folder / file, lines)
    return folder


def test_an_export_is_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = corners(100, 20, 400, 45), box(label="RED"), polygon(label="RED")
    rows = [("a.jpg", cell(*items))]
    export = write_export(tmp_path / "export", rows)
    images = export_to_coco(export, tmp_path / "project", monkeypatch)
    boxes = [annotation["bbox"] for annotation in images["a.jpg"]["annotations"]]
    # The first is cut at the image's edge, 120 pixels from the left.
    assert boxes == [[100, 20, 20, 25], [10, 20, 30, 40], [10, 10, 20, 10]]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        pytest.param(corners("10", 20, 40, 45), "not_finite", id="text"),
        pytest.param(corners(40, 20, 10, 45), "empty_box", id="sides swapped"),
        pytest.param(corners(10, 20, 40, 45, label=""), "no_label", id="no class"),
    ],
)
def test_what_it_refuses_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, item: Any, reason: str
) -> None:
    rows = [("a.jpg", cell(item)), ("b.jpg", cell(corners(10, 20, 40, 45)))]
    export = write_export(tmp_path / "export", rows)
    with pytest.raises(InputError, match=rf"{reason}: 1, rows 2"):
        export_to_coco(export, tmp_path / "project", monkeypatch)


def test_a_header_without_it_is_told_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export = write_export(tmp_path / "export", [("a.jpg", cell())], column="picture")
    with pytest.raises(InputError, match=r"\(boxes\) or .* \(polygons\) or photo \(corners\)"):
        export_to_coco(export, tmp_path / "project", monkeypatch)


def test_predictions_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    files = {"a.jpg": encode_image(RED, GREEN), "b.jpg": encode_image(RED), "c.jpg": encode_image()}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    monkeypatch.setattr(predict, "_open_client", lambda options: FakeClient())
    assert predict.main([str(folder), "--out", str(out), "--dialect", "corners"]) == 0

    assert json.loads((out / "prediction.json").read_bytes())["dialect"] == "corners"
    with (out / "annotations.csv").open(encoding="utf-8", newline="") as file:
        first = next(csv.DictReader(file))
    items = json.loads(first["output_content"])["identifications"]
    assert [item["type"] for item in items] == ["corners", "corners"]

    images = export_to_coco(out, tmp_path / "project", monkeypatch)
    assert set(images) == {"images/a.jpg", "images/b.jpg", "images/c.jpg"}
    for name, data in files.items():
        expected = file_to_detections(data)
        assert_same_objects(images[f"images/{name}"], expected, NAMES, polygons=False)
