"""Measure the exported detector on the test split: `python -m stages.evaluate`.

models/detector/<version>/, data/coco/test.json and data/images/ -> reports/evaluate/:
    headline.json            the few figures that `dvc exp show` lists
    metrics.json             figures by COCO's definition, fractions of 0 to 1, null is undefined
    report.md                the same to read, with the classes and pictures that went worst
    model.json               which model was measured (version, identity) and on which test.json
    detections.json          all detections as COCO results
    images/<rank>_<image>.png   truth beside detections, the worst picture first
    plots/images/<image>.png    the same pictures whatever the model, to see models side by side
    plots/precision_recall.csv, plots/mask_precision_recall.csv   means of the classes
    plots/class_precision_recall.csv
    plots/confusion.csv      one row an object, of the 30 classes with most errors
    plots/confusion_counts.csv  of all classes
The SavedModel is used as a client would use it: the files of data/images/ go in as they are.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from PIL import Image
from pydantic import Field
from tqdm import tqdm

from rhymes.coco.files import Coco, CocoAnnotation, CocoImage, image_to_name, load_coco
from rhymes.common.errors import InputError
from rhymes.common.files import (
    file_to_sha256,
    folder_written_aside,
    save_bytes,
    save_json,
    save_text,
)
from rhymes.common.params import load_section, section
from rhymes.detections.detections import Detections, detections_to_coco
from rhymes.detections.drawing import picture_to_png
from rhymes.detector.exported import ExportedDetector, find_version
from rhymes.metrics.confusion import ImageScore
from rhymes.metrics.evaluation import Thresholds, evaluate_results, save_evaluation, save_results
from rhymes.metrics.evaluation_report import (
    Drawn,
    draw_comparison,
    evaluation_to_headline,
    evaluation_to_markdown,
)
from rhymes.versions.model_folder import load_identity
from stages.command import run_stage

DETECTOR, TEST, IMAGES = Path("models/detector"), Path("data/coco/test.json"), Path("data/images")
REPORT = Path("reports/evaluate")

Score = Annotated[float, Field(ge=0, le=1)]


@section
class EvaluateParams:
    """The section `evaluate`.

    Attributes:
        pictures: how many of the worst test images are drawn, and of those for all models.
        picture_score: least score of a detection that is drawn and ranks its picture.
        confusion_score: least score of a detection in the confusion matrix.
        confusion_iou: least IoU of a detection with the object that it is taken for.
    """

    pictures: Annotated[int, Field(ge=0, le=1000)]
    picture_score: Score
    confusion_score: Score
    confusion_iou: Annotated[float, Field(gt=0, le=1)]


def main() -> None:
    """Read the section, detect, score, report."""
    params = load_section("evaluate", EvaluateParams)
    truth = load_coco(TEST)
    detector = ExportedDetector(find_version(DETECTOR))
    check_classes(detector, truth)
    if not truth["annotations"]:
        print(
            f"evaluate: {TEST} has {len(truth['images'])} images without objects, so precision is "
            "undefined (null); raise coco.test_fraction to measure the detector",
            file=sys.stderr,
        )
    results = [
        result
        for image in tqdm(truth["images"], "evaluate", unit="image", disable=None)
        for result in detections_to_coco(detect(detector, image), image["id"])
    ]
    thresholds = Thresholds(params.picture_score, params.confusion_score, params.confusion_iou)
    evaluation = evaluate_results(truth, results, detector.has_masks, thresholds)
    drawing = Drawing(detector, truth, thresholds.picture_score)
    with folder_written_aside(REPORT) as folder:
        save_json(folder / "model.json", describe_measured(detector.folder))
        save_results(folder / "detections.json", results)
        save_evaluation(folder, evaluation)
        drawn = save_worst_pictures(folder / "images", drawing, evaluation.ranking, params.pictures)
        save_same_pictures(folder / "plots/images", drawing, evaluation.ranking, params.pictures)
        save_text(folder / "report.md", evaluation_to_markdown(evaluation, drawn))
    print(f"evaluate: {evaluation_to_headline(evaluation)}; see {REPORT / 'report.md'}")


def describe_measured(folder: Path) -> dict[str, int | str]:
    """Say which version was measured, and the hashes of its bytes and of the truth."""
    return {
        "version": int(folder.name),
        "identity": load_identity(folder),
        "test_sha256": file_to_sha256(TEST),
    }


def check_classes(detector: ExportedDetector, truth: Coco) -> None:
    """Raise an `InputError` where the model and the truth do not number the same classes."""
    known = {category["id"]: category["name"] for category in truth["categories"]}
    if known != detector.class_names:
        differing = sorted(set(known.items()) ^ set(detector.class_names.items()))
        raise InputError(
            f"{detector.folder} was trained on other classes than {TEST} has (they differ in "
            f"{differing[0]}); run `dvc repro`"
        )


def detect(detector: ExportedDetector, image: CocoImage) -> Detections:
    """Run the detector on one picture of the test split."""
    encoded = (IMAGES / image["file_name"]).read_bytes()
    return detector.detect(encoded, image["width"], image["height"])


class Drawing:
    """Draws pictures of the test split, truth beside detections.

    Args:
        detector: what finds.
        truth: the test split.
        least_score: of a detection that is drawn.
    """

    def __init__(self, detector: ExportedDetector, truth: Coco, least_score: float) -> None:
        self._detector, self._least_score = detector, least_score
        self.images = {image["id"]: image for image in truth["images"]}
        self._annotations: dict[int, list[CocoAnnotation]] = defaultdict(list)
        for annotation in truth["annotations"]:
            self._annotations[annotation["image_id"]].append(annotation)

    def save(self, path: Path, score: ImageScore) -> None:
        """Write one picture as a PNG."""
        image = self.images[score.image_id]
        with Image.open(IMAGES / image["file_name"]) as picture:
            comparison = draw_comparison(
                picture,
                image_to_name(image),
                self._annotations[score.image_id],
                detect(self._detector, image),
                score,
                self._detector.class_names,
                self._least_score,
            )
        save_bytes(path, picture_to_png(comparison))


def save_worst_pictures(
    folder: Path, drawing: Drawing, ranking: Sequence[ImageScore], count: int
) -> list[Drawn]:
    """Draw the `count` worst pictures, named by rank and the beginning of their content's hash."""
    folder.mkdir()
    drawn = []
    worst = ranking[:count]
    for rank, score in enumerate(tqdm(worst, "draw", unit="image", disable=None), start=1):
        image = drawing.images[score.image_id]
        name = f"{rank:0{len(str(len(worst)))}}_{_short_name(image)}"
        drawing.save(folder / name, score)
        drawn.append(Drawn(f"{folder.name}/{name}", image_to_name(image), score))
    return drawn


def save_same_pictures(
    folder: Path, drawing: Drawing, ranking: Sequence[ImageScore], count: int
) -> None:
    """Draw `count` pictures that any model would get: the first by their content's hash.

    `dvc plots diff` lays pictures of one name side by side; the worst ones have a rank in theirs.
    """
    folder.mkdir()
    by_hash = sorted(ranking, key=lambda score: drawing.images[score.image_id]["file_name"])
    for score in tqdm(by_hash[:count], "draw", unit="image", disable=None):
        drawing.save(folder / _short_name(drawing.images[score.image_id]), score)


def _short_name(image: CocoImage) -> str:
    return f"{Path(image['file_name']).stem[:12]}.png"


if __name__ == "__main__":
    run_stage("evaluate", main)
