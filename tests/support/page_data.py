"""What the page shows: splits of images and what was found in them; and what it then says."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from rhymes.common.files import save_json
from tests.support.coco_factory import CocoFactory
from tests.support.color_server import CLASSES
from tests.support.fake_client import encode_image

RED, GREEN, BLUE = (1, (10, 10, 20, 20)), (2, (50, 10, 20, 20)), (3, (90, 50, 20, 20))
Object = tuple[int, tuple[int, int, int, int]]
HOSTILE = "<img src=x onerror=alert(1)> ![](http://host.invalid/x.png)"
REPORT: dict[str, Any] = {
    "rows": {"read": 10, "kept": 8},
    "items": {"read": 30, "kept": 25, "clipped": 2, "dropped": 5},
    "dropped": {
        "empty_box": {"count": 4, "rows": [2, 5]},
        "bad_cell": {"count": 2, "rows": [3, 9]},
        "no_label": {"count": 0, "rows": []},
    },
    "classes": {
        "train": {"RED": 9, HOSTILE: 0, "NA": 1},
        "val": {"RED": 1, HOSTILE: 1, "NA": 0},
        "test": {"RED": 2, HOSTILE: 1, "NA": 1},
    },
    "images": {"train": 5, "val": 2, "test": 1},
    "empty_images": {"train": 1, "val": 0, "test": 0},
    "groups": {"train": 5, "val": 2, "test": 1},
    "unknown_labels": {HOSTILE: 3},
    "warnings": [HOSTILE],
}


def save_split(
    folder: Path, name: str, *images: list[Object], names: tuple[str, ...] = CLASSES
) -> CocoFactory:
    """A split whose ground truth is what its images show."""
    factory = CocoFactory(folder / "data/images", list(names))
    for number, objects in enumerate(images):
        image = factory.add_image(120, 80, encode_image(*objects, encoding="PNG"))
        factory.images[-1]["source"] = f"images/{name}_{number}.png"
        assert image == number + 1
        for class_id, box in objects:
            factory.add_object([float(value) for value in box], class_id)
    factory.save(folder / f"data/coco/{name}.json")
    return factory


def save_evaluation(folder: Path, *results: tuple[int, int, Any, float]) -> None:
    """What a model found: image, class, (x, y, width, height), score."""
    found = [
        {"image_id": image, "category_id": c, "bbox": list(map(float, box)), "score": score}
        for image, c, box, score in results
    ]
    save_json(folder / "reports/evaluate/detections.json", found)
    ground_truth = (folder / "data/coco/test.json").read_bytes()
    measured = {
        "version": 7,
        "identity": "0" * 64,
        "test_sha256": hashlib.sha256(ground_truth).hexdigest(),
    }
    save_json(folder / "reports/evaluate/model.json", measured)


def check(app: AppTest) -> AppTest:
    assert not app.exception
    return app


def told(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error, app.success)
    return "\n".join(element.value for kind in kinds for element in kind)


def choose(app: AppTest, key: str, value: Any) -> AppTest:
    app.segmented_control(key=key).set_value(value)
    return check(app.run())
