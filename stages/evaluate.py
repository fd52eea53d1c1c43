"""Measure the exported detector on the test split: `python -m stages.evaluate`.

models/detector/<version>/, data/coco/test.json and data/images/ -> reports/evaluate/:
    headline.json            the few figures that `dvc exp show` lists
    metrics.json             figures by COCO's definition, fractions of 0 to 1, null is undefined
    report.md                the same to read, with the classes and images that went worst
    model.json               which model was measured (version, identity) and on which test.json
    detections.json          all detections as COCO results
    images/<rank>_<image>.png   ground truth beside detections, the worst image first
    plots/images/<image>.png    the same images whatever the model, to see models side by side
    plots/precision_recall.csv, plots/mask_precision_recall.csv   means of the classes
    plots/class_precision_recall.csv
    plots/confusion.csv      one row an object, of the 30 classes with most errors
    plots/confusion_counts.csv  of all classes
The SavedModel is used as a client would use it: the files of data/images/ go in as they are.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

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
from rhymes.common.tensorflow_environment import set_tensorflow_environment
from rhymes.detections.detections import Detections, detections_to_coco
from rhymes.detections.drawing import image_to_png
from rhymes.metrics.confusion import ImageScore
from rhymes.metrics.evaluation import Thresholds, evaluate_results, save_evaluation, save_results
from rhymes.metrics.evaluation_report import (
    DrawnImage,
    draw_comparison,
    evaluation_to_headline,
    evaluation_to_markdown,
)
from rhymes.versions.model_folder import load_identity
from stages.command import run_stage

if TYPE_CHECKING:
    from rhymes.detector.exported import ExportedDetector

DETECTOR, TEST, IMAGES = Path("models/detector"), Path("data/coco/test.json"), Path("data/images")
REPORT = Path("reports/evaluate")

Score = Annotated[float, Field(ge=0, le=1)]


@section
class EvaluateParams:
    """The section `evaluate`.

    Attributes:
        images: how many of the worst test images are drawn, and of those for all models.
        image_score: minimum score of a detection that is drawn and ranks its image.
        confusion_score: minimum score of a detection in the confusion matrix.
        confusion_iou: minimum IoU of a detection with the object that it is taken for.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"pictures": "images", "picture_score": "image_score"}

    images: Annotated[int, Field(ge=0, le=1000)]
    image_score: Score
    confusion_score: Score
    confusion_iou: Annotated[float, Field(gt=0, le=1)]


def main() -> None:
    """Read the section, detect, score, report."""
    set_tensorflow_environment()
    from rhymes.detector.exported import ExportedDetector, find_version

    params = load_section("evaluate", EvaluateParams)
    ground_truth = load_coco(TEST)
    detector = ExportedDetector(find_version(DETECTOR))
    check_classes(detector, ground_truth)
    if not ground_truth["annotations"]:
        print(
            f"evaluate: {TEST} has {len(ground_truth['images'])} images without objects, so "
            "precision is undefined (null); raise coco.test_fraction to measure the detector",
            file=sys.stderr,
        )
    results = [
        result
        for image in tqdm(ground_truth["images"], "evaluate", unit="image", disable=None)
        for result in detections_to_coco(detect(detector, image), image["id"])
    ]
    thresholds = Thresholds(params.image_score, params.confusion_score, params.confusion_iou)
    evaluation = evaluate_results(ground_truth, results, detector.has_masks, thresholds)
    drawing = Drawing(detector, ground_truth, thresholds.image_score)
    with folder_written_aside(REPORT) as folder:
        save_json(folder / "model.json", describe_measured(detector.folder))
        save_results(folder / "detections.json", results)
        save_evaluation(folder, evaluation)
        drawn = save_worst_images(folder / "images", drawing, evaluation.ranking, params.images)
        save_same_images(folder / "plots/images", drawing, evaluation.ranking, params.images)
        save_text(folder / "report.md", evaluation_to_markdown(evaluation, drawn))
    print(f"evaluate: {evaluation_to_headline(evaluation)}; see {REPORT / 'report.md'}")


def describe_measured(folder: Path) -> dict[str, int | str]:
    """Say which version was measured, and the hashes of its bytes and of the ground truth."""
    return {
        "version": int(folder.name),
        "identity": load_identity(folder),
        "test_sha256": file_to_sha256(TEST),
    }


def check_classes(detector: ExportedDetector, ground_truth: Coco) -> None:
    """Raise an `InputError` where the model and the ground truth do not number the same classes."""
    known = {category["id"]: category["name"] for category in ground_truth["categories"]}
    if known != detector.class_names:
        differing = sorted(set(known.items()) ^ set(detector.class_names.items()))
        raise InputError(
            f"{detector.folder} was trained on other classes than {TEST} has (they differ in "
            f"{differing[0]}); run `dvc repro`"
        )


def detect(detector: ExportedDetector, image: CocoImage) -> Detections:
    """Run the detector on one image of the test split."""
    encoded = (IMAGES / image["file_name"]).read_bytes()
    return detector.detect(encoded, image["width"], image["height"])


class Drawing:
    """Draws images of the test split, ground truth beside detections.

    Args:
        detector: what finds.
        ground_truth: the test split.
        min_score: of a detection that is drawn.
    """

    def __init__(self, detector: ExportedDetector, ground_truth: Coco, min_score: float) -> None:
        self._detector, self._min_score = detector, min_score
        self.images = {image["id"]: image for image in ground_truth["images"]}
        self._annotations: dict[int, list[CocoAnnotation]] = defaultdict(list)
        for annotation in ground_truth["annotations"]:
            self._annotations[annotation["image_id"]].append(annotation)

    def save(self, path: Path, score: ImageScore) -> None:
        """Write one image as a PNG."""
        image = self.images[score.image_id]
        with Image.open(IMAGES / image["file_name"]) as opened:
            comparison = draw_comparison(
                opened,
                image_to_name(image),
                self._annotations[score.image_id],
                detect(self._detector, image),
                score,
                self._detector.class_names,
                self._min_score,
            )
        save_bytes(path, image_to_png(comparison))


def save_worst_images(
    folder: Path, drawing: Drawing, ranking: Sequence[ImageScore], count: int
) -> list[DrawnImage]:
    """Draw the `count` worst images, named by rank and the beginning of their content's hash."""
    folder.mkdir()
    drawn = []
    worst = ranking[:count]
    for rank, score in enumerate(tqdm(worst, "draw", unit="image", disable=None), start=1):
        image = drawing.images[score.image_id]
        name = f"{rank:0{len(str(len(worst)))}}_{_short_name(image)}"
        drawing.save(folder / name, score)
        drawn.append(DrawnImage(f"{folder.name}/{name}", image_to_name(image), score))
    return drawn


def save_same_images(
    folder: Path, drawing: Drawing, ranking: Sequence[ImageScore], count: int
) -> None:
    """Draw `count` images that any model would get: the first by their content's hash.

    `dvc plots diff` lays images of one name side by side; the worst ones have a rank in theirs.
    """
    folder.mkdir()
    by_hash = sorted(ranking, key=lambda score: drawing.images[score.image_id]["file_name"])
    for score in tqdm(by_hash[:count], "draw", unit="image", disable=None):
        drawing.save(folder / _short_name(drawing.images[score.image_id]), score)


def _short_name(image: CocoImage) -> str:
    return f"{Path(image['file_name']).stem[:12]}.png"


if __name__ == "__main__":
    run_stage("evaluate", main)
