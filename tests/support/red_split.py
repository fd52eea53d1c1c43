"""A test split of drawn images, of which a test says what the red detector finds in them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from rhymes.common.files import save_json
from tests.support.red_detector import draw_image

RED, GREEN, BLUE = 1, 2, 3


def save_split(root: Path, *drawn_images: tuple[list[Any], list[Any]], masks: bool = True) -> None:
    """Write data/: an image with drawn objects and its ground truth, each (class, [x, y, w, h])."""
    images, annotations = [], []
    (root / "data/images").mkdir(parents=True, exist_ok=True)
    for number, (drawn, ground_truth) in enumerate(drawn_images, start=1):
        data = io.BytesIO()
        draw_image(*drawn).save(data, "JPEG", quality=95, subsampling=0)
        name = f"{str(number).ljust(64, '0')}.jpg"
        (root / "data/images" / name).write_bytes(data.getvalue())
        source = f"https://cdn/{number}.jpg?sig=x"
        images.append(
            {"id": number, "file_name": name, "width": 160, "height": 120, "source": source}
        )
        for class_id, (x, y, w, h) in ground_truth:
            annotation = {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": class_id,
                "bbox": [x, y, w, h],
                "area": w * h,
                "iscrowd": 0,
            }
            if masks:
                annotation["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
            annotations.append(annotation)
    categories = [{"id": i, "name": f"C{i}", "supercategory": ""} for i in (RED, GREEN, BLUE)]
    save_json(
        root / "data/coco/test.json",
        {"categories": categories, "images": images, "annotations": annotations},
    )
