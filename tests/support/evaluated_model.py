"""What the stages before the gate leave of a trained and evaluated model, without TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image
from ruamel.yaml import YAML

from rhymes.common.files import file_to_sha256, save_json
from rhymes.export.annotations import Reason
from rhymes.metrics.evaluation import Thresholds, evaluate_results, save_evaluation, save_results
from rhymes.versions.published import PUBLISHED_FILE, results_to_published, save_published
from stages import gate
from tests.support.detection_factory import detect, make_split

HOSTILE = '<script>alert("x")</script>{{ 7*7 }}&\'`'
PARAMS = {
    "seed": 1, "resamples": 100, "confidence": 0.95, "min_ap50": 0.0, "max_ap_loss": 0.02,
    "max_class_ap_loss": 0.05,
}  # fmt: skip


def save_evaluated_model() -> None:
    """Write into the working folder what the stages before the gate leave.

    Its test split has 30 images with masks; a class has a hostile name.
    """
    split = make_split(1, images=30)
    split["categories"][1]["name"] = HOSTILE
    split["images"][0]["source"] = HOSTILE
    save_json(gate.TEST, split)
    save_training()
    save_conversion(split)
    save_measured(split, detect(split, 2, masks=True))
    save_params()


def save_params(**changes: Any) -> None:
    YAML().dump({"gate": PARAMS | changes}, Path("params.yaml"))


def save_training(**changes: Any) -> None:
    record = {
        "model": "mask_rcnn",
        "classes": [{"id": i, "name": name} for i, name in enumerate(("C1", HOSTILE, "C3"), 1)],
        "params": {"steps": 400, "backbone": "mobilenet_v2", "augmentation": {"flip": True}},
        "pretrained": {"file": HOSTILE, "sha256": "c" * 64},
        "data": {"sha256": "d" * 64},
        "code": {"sha256": "e" * 64},
        "environment": {"python": "3.12", "numpy": "2.5.5"},
        "validation": {"step": 300, "metrics": {"mask_AP": 0.5}, "ranked_by": "mask_AP"},
    }
    save_json(gate.TRAINING, record | changes)


def save_conversion(split: Any) -> None:
    names = [category["name"] for category in split["categories"]]
    counts = {"train": 100, "val": 20, "test": 30}
    dropped = {str(reason): {"count": 0, "rows": []} for reason in Reason}
    dropped["bad_cell"] = {"count": 3, "rows": [4, 5, 6]}
    save_json(
        gate.CONVERSION,
        {
            "rows": {"read": 153, "kept": 150},
            "items": {"read": 400, "kept": 390, "clipped": 2, "dropped": 10},
            "dropped": dropped,
            "classes": {part: dict.fromkeys(names, 7) for part in counts},
            "images": counts,
            "empty_images": dict.fromkeys(counts, 1),
            "groups": counts,
            "unknown_labels": {f"{HOSTILE}{i}": i for i in range(12)},
            "nearest_to_train": {
                "test": {
                    "nearest_distance": 47,
                    "cutoff": 30,
                    "closest": [{"test": f"{HOSTILE}1", "train": f"{HOSTILE}2", "distance": 47}],
                }
            },
            "warnings": [f"class '{HOSTILE}' is in train alone"],
        },
    )


def save_measured(split: Any, results: list[Any]) -> None:
    """Write what `evaluate` writes, by its own functions."""
    folder = gate.EVALUATION
    model = {"version": 2, "identity": "a" * 64, "test_sha256": file_to_sha256(gate.TEST)}
    save_json(folder / "model.json", model)
    save_results(folder / "detections.json", results)
    masks = any("segmentation" in result for result in results)
    save_evaluation(folder, evaluate_results(split, results, masks, Thresholds(0.5, 0.5, 0.5)))
    (folder / "images").mkdir(exist_ok=True)
    for rank in range(1, 9):
        Image.new("RGB", (1000, 60), (30 * rank, 90, 90)).save(folder / f"images/{rank}_a.png")


def publish(*, without: int | None = None) -> None:
    """Publish what was measured, or keep in the measured one no detection of a class."""
    split, model = load(gate.TEST), load(gate.EVALUATION / "model.json")
    results = load(gate.EVALUATION / "detections.json")
    baseline = model | {"version": 1, "identity": "b" * 64}
    save_published(
        PUBLISHED_FILE, results_to_published(split, results, baseline, "detector@v1.0.0")
    )
    if without:
        save_measured(split, [r for r in results if r["category_id"] != without])


def load(path: Path) -> Any:
    return json.loads(path.read_text())
