"""Detections -> files to take away: those that `rhymes predict` writes.

One code writes both, so that a page's zip is an export that the pipeline reads, too.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.backend import ImageAnswer
from app.checked_image import CheckedImage
from app.display import Display
from rhymes.client.description import ModelDescription
from rhymes.export.dialect import Dialect
from rhymes.predictions.export_cells import check_names, fitting_dialect
from rhymes.predictions.image_list import Failure, names_to_images
from rhymes.predictions.prediction_files import ANNOTATIONS, Rank, prediction_folder
from rhymes.predictions.prediction_outputs import (
    LoadedImage,
    Outputs,
    OutputSettings,
    detections_to_outputs,
)

FOLDER = "predictions"


@dataclass(frozen=True)
class Results:
    """Detections of one version in some images.

    Attributes:
        model: The version.
        answers: Each image and the server's answer for it, by the user's order.
        failures: Images without an answer, and why.
        display: What of it is wanted: score and classes.
    """

    model: ModelDescription
    answers: Sequence[tuple[CheckedImage, ImageAnswer]]
    failures: Sequence[Failure]
    display: Display

    @property
    def dialect(self) -> Dialect:
        """Of the CSV: polygons where the model gives masks."""
        return fitting_dialect(has_masks=self.model.has_masks)


def image_to_json(image: CheckedImage, results: Results) -> str:
    """Make the prediction JSON of one image, as the platform loads it.

    Raises:
        InputError: a class has no name.
    """
    chosen = replace(results, answers=[pair for pair in results.answers if pair[0] is image])
    (outputs,) = _outputs(chosen, is_drawn=False, is_copied=False)
    return outputs.prediction


def results_to_csv(results: Results, rank: Rank) -> bytes:
    """Make the pre-annotation CSV of all images.

    Raises:
        InputError: a class has no name, or one that no export can name.
    """
    with tempfile.TemporaryDirectory() as folder:
        return (_save(Path(folder), results, rank, with_images=False) / ANNOTATIONS).read_bytes()


def results_to_zip(results: Results, rank: Rank) -> bytes:
    """Pack the whole folder of predictions: images, drawings, JSON, COCO, CSV.

    Raises:
        InputError: as `results_to_csv`.
    """
    with tempfile.TemporaryDirectory() as folder:
        saved = _save(Path(folder), results, rank, with_images=True)
        archive = Path(folder, "archive.zip")
        # Images do not shrink.
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
            for path in sorted(saved.rglob("*")):
                file.write(path, path.relative_to(saved.parent))
        return archive.read_bytes()


def _save(parent: Path, results: Results, rank: Rank, *, with_images: bool) -> Path:
    out = parent / FOLDER
    names = results.model.class_names
    check_names(names)
    with prediction_folder(out) as writer:
        writer.failures += results.failures
        for outputs in _outputs(results, is_drawn=with_images, is_copied=with_images):
            writer.add(outputs)
        run = _about(results) | {
            "score": results.display.score,
            "dialect": results.dialect.name,
            "rank": rank,
            "complete": not results.failures,
        }
        writer.finish([names[i] for i in sorted(names)], results.dialect, rank, run)
    return out


def _about(results: Results) -> dict[str, object]:
    model = results.model
    return {"model": model.name, "version": model.version, "identity": model.identity}


def _outputs(results: Results, *, is_drawn: bool, is_copied: bool) -> Iterator[Outputs]:
    settings = OutputSettings(
        results.model.class_names, results.dialect, results.display.score, is_drawn, _about(results)
    )
    listed = names_to_images(image.name for image, _ in results.answers)
    pairs = zip(listed, results.answers, strict=True)
    for number, (named, (image, answer)) in enumerate(pairs, start=1):
        yield detections_to_outputs(
            LoadedImage(replace(named, is_copied=is_copied), number, image.data, image.upright),
            results.display.of_classes(answer.detections),
            settings,
        )
