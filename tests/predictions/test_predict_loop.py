"""The loop from predictions to training data is closed: what was found is what is read back."""

from __future__ import annotations

import csv
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rhymes.export.dialects import DIALECTS
from rhymes.predictions.image_list import paths_to_images
from rhymes.predictions.prediction_run import RunOptions, predict_images
from tests.support.export_loop import assert_same_objects, export_to_coco, fetched_bytes
from tests.support.fake_client import NAMES, FakeClient, encode_image, file_to_detections


def draw_images(folder: Path) -> None:
    """Images of all orientations and encodings, under names of all kinds, none like another."""
    random_ = random.Random(1)
    encodings = ["JPEG", "PNG", "WEBP"]
    names = [
        "tray 1.jpg",
        'comma, "quote".png',
        "ligne\nbrisée é.webp",
        "=1+1.jpg",
        "x" * 200 + ".jpg",
    ]
    for number in range(24):
        name = names[number] if number < len(names) else f"{number % 3}/tray.jpg"
        path = folder / f"{number // 3}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        objects = [
            (class_id, (40 * k + random_.randint(0, 9), random_.randint(0, 40), 28, 35))
            for k, class_id in enumerate(random_.sample([1, 2, 3], 3))
        ]
        path.write_bytes(
            encode_image(
                *objects[: number % 4],
                size=(130 + number, 80),
                round_=number % 2 == 0,
                encoding=encodings[number // 8],
                orientation=number % 8 + 1,
            )
        )


@pytest.mark.parametrize("rank", ["input", "uncertain"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_predictions_are_read_back_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dialect: str, rank: Any
) -> None:
    draw_images(tmp_path / "in")
    out = tmp_path / "out"
    listed = paths_to_images([tmp_path / "in"], out)
    predict_images(FakeClient(), listed, RunOptions(out, dialect=DIALECTS[dialect], rank=rank))
    with (out / "annotations.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.reader(file))) == 25

    images = export_to_coco(out, tmp_path / "project", monkeypatch)
    assert set(images) == {image.image for image in listed.images}
    objects = 0
    for image in listed.images:
        expected = file_to_detections(image.path.read_bytes())
        objects += len(expected)
        # Boxes and the image that is trained on are turned alike; JPEG blurs edges by a pixel.
        trained_on = file_to_detections(fetched_bytes(images[image.image]))
        assert trained_on.class_ids.tolist() == expected.class_ids.tolist()
        assert np.allclose(trained_on.boxes, expected.boxes, atol=1)
        assert_same_objects(images[image.image], expected, NAMES, polygons=dialect == "polygons")
    assert objects > 20
