"""A folder of predictions as raw input of the pipeline: what fetch and coco make of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from rhymes.common.params import load_params
from rhymes.detections.detections import Detections
from rhymes.predictions.export_cells import detections_to_outlines
from stages import coco, fetch
from tests.conftest import ROOT

TOLERANCE = 0.005 + 1e-4
"""Pixels by which a corner that was read back may be off: half of 1/100, and float32's rounding."""


def export_to_coco(
    export: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, dict[str, Any]]:
    """Run the stages fetch and coco on an export in a new repository.

    Returns:
        The image column's value -> the COCO record of its image with `annotations` and `names`;
        whatever the split.
    """
    (project / ".dvc").mkdir(parents=True)
    (project / "data").mkdir()
    (project / "data/splits.csv").write_text("group,split\n", encoding="utf-8")
    params = load_params(ROOT / "params.yaml")
    params["raw"]["export"] = str(export)
    params["fetch"]["max_failed_fraction"] = params["coco"]["max_dropped_fraction"] = 0.0
    # JSON is YAML.
    (project / "params.yaml").write_text(json.dumps(params), encoding="utf-8")
    monkeypatch.chdir(project)
    fetch.main()
    coco.main()
    images: dict[str, dict[str, Any]] = {}
    for split in ("train", "val", "test"):
        read = json.loads((coco.COCO / f"{split}.json").read_bytes())
        names = {category["id"]: category["name"] for category in read["categories"]}
        by_id = {each["id"]: {**each, "annotations": [], "names": names} for each in read["images"]}
        for annotation in read["annotations"]:
            by_id[annotation["image_id"]]["annotations"].append(annotation)
        images |= {each["source"]: each for each in by_id.values()}
    return images


def fetched_bytes(image: dict[str, Any]) -> bytes:
    """The image of a COCO image, as fetch has it."""
    data = (fetch.IMAGES / str(image["file_name"])).read_bytes()
    assert f"{hashlib.sha256(data).hexdigest()}.jpg" == image["file_name"]
    return data


def assert_same_objects(
    image: dict[str, Any], expected: Detections, names: dict[int, str], *, polygons: bool
) -> None:
    """A COCO image has the objects of detections, of all scores that these have."""
    assert (image["width"], image["height"]) == (expected.width, expected.height)
    assert len(image["annotations"]) == len(expected)
    outlines = detections_to_outlines(expected)
    for i, annotation in enumerate(image["annotations"]):
        assert image["names"][annotation["category_id"]] == names[int(expected.class_ids[i])]
        x, y, width, height = annotation["bbox"]
        corners = pytest.approx(expected.boxes[i].tolist(), abs=TOLERANCE)
        if not polygons:
            assert [x, y, x + width, y + height] == corners
            assert "segmentation" not in annotation
            continue
        ring = outlines.rings[i]
        assert ring is not None
        (flat,) = annotation["segmentation"]
        assert flat == [number for point in ring for number in point]
        xs, ys = zip(*ring, strict=True)
        assert [x, y, x + width, y + height] == [min(xs), min(ys), max(xs), max(ys)]
