"""The output folder of `predict`: an export that the pipeline reads, COCO results and images.

    annotations.csv    one row an image: the export's image column and `output_content`
    categories.csv     the model's classes, one a row
    images/            the images, byte for byte (unless they lie at a URL)
    drawings/          annotated images to look at
    json/              one prediction an image, in the shape that the platform loads
    coco_results.json  COCO results, a list; masks as RLE, with all parts
    coco_images.json   COCO's images and categories, to which their ids belong
    failures.csv       files without a prediction, and why
    prediction.json    model, settings and counts of the run; marks the folder as ours

The folder is written aside and renamed. Rows wait on the disk for their order, so memory holds
some hundred bytes an image.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal

from rhymes.coco.files import CocoImage, names_to_categories, save_coco
from rhymes.common.csv import is_formula, rows_to_csv, save_rows
from rhymes.common.errors import InputError
from rhymes.common.files import folder_written_aside, save_json
from rhymes.export.categories import COLUMN as CATEGORY_COLUMN
from rhymes.export.cells import ANNOTATION_COLUMN
from rhymes.export.dialect import Dialect
from rhymes.predictions.image_list import IMAGES, Failure
from rhymes.predictions.prediction_outputs import Outputs
from rhymes.predictions.ranking import Uncertainty, most_uncertain_first

Rank = Literal["input", "uncertain"]

ANNOTATIONS, CATEGORIES = "annotations.csv", "categories.csv"
COCO_RESULTS, COCO_IMAGES = "coco_results.json", "coco_images.json"
DRAWINGS, JSON, FAILURES, RUN = "drawings", "json", "failures.csv", "prediction.json"

_FOLDERS = (IMAGES, DRAWINGS, JSON)
_OURS = {*_FOLDERS, ANNOTATIONS, CATEGORIES, COCO_RESULTS, COCO_IMAGES, FAILURES, RUN}


@dataclass
class Counts:
    """Of what was written; the words are those of `Outputs`."""

    images: int = 0
    objects: int = 0
    cut: int = 0
    empty: int = 0
    blank: int = 0
    failures: int = 0


@dataclass(frozen=True)
class _Written:
    """What is kept of an image until the end: `position` is that of its row in the file of rows."""

    image: CocoImage
    uncertainty: Uncertainty
    position: int


def check_out(out: Path, *, overwrite: bool) -> None:
    """Refuse a folder that may not be replaced.

    Args:
        out: The folder to write, resolved.
        overwrite: Whether an earlier run's may be replaced; any other never is.

    Raises:
        InputError: with what stands there.
    """
    if not os.path.lexists(out):
        return
    if not out.is_dir():
        raise InputError(f"--out {out}: there is a file of this name; name a folder")
    there = {path.name for path in out.iterdir()}
    if not there:
        return
    if RUN not in there:
        raise InputError(f"--out {out}: not empty, and not of an earlier run; name another folder")
    if foreign := sorted(there - _OURS):
        raise InputError(
            f"--out {out}: holds what no run wrote ({', '.join(foreign[:5])}); move it away or "
            "name another folder"
        )
    if not overwrite:
        raise InputError(
            f"--out {out}: holds the predictions of an earlier run; name another folder, or add "
            "--overwrite to replace them"
        )


class PredictionWriter:
    """Writes what there is to say of images, one after the other; see `prediction_folder`.

    Attributes:
        counts: Of what was written.
        failures: What will be listed; the caller adds to it.
    """

    def __init__(self, folder: Path, results: IO[str], rows: IO[bytes]) -> None:
        """Write into a folder, COCO results to `results`; rows wait in the binary file `rows`."""
        self.counts = Counts()
        self.failures: list[Failure] = []
        self._folder = folder
        self._results = results
        self._before_result = "[\n"
        self._rows = rows
        self._end = 0
        self._written: list[_Written] = []

    def add(self, outputs: Outputs) -> None:
        """Write an image's own files, and take down what stands in common ones."""
        image = outputs.image
        files = {
            f"{JSON}/{image.stem}.json": outputs.prediction.encode("utf-8"),
            f"{IMAGES}/{image.file_name}": outputs.copy,
            f"{DRAWINGS}/{image.stem}.jpg": outputs.drawn,
        }
        for name, data in files.items():
            if data is not None:
                # Nobody reads here before the whole folder is renamed.
                (self._folder / name).write_bytes(data)
        for result in outputs.coco_results:
            self._results.write(self._before_result + result)
            self._before_result = ",\n"
        self._written.append(_Written(outputs.coco_image, outputs.uncertainty, self._end))
        row = rows_to_csv([(image.image, outputs.cell)])
        self._end += self._rows.write(row.encode("utf-8"))
        self._count(outputs)

    def _count(self, outputs: Outputs) -> None:
        self.counts.images += 1
        self.counts.objects += outputs.objects
        self.counts.cut += outputs.cut
        self.counts.empty += outputs.empty
        self.counts.blank += outputs.is_blank

    def finish(
        self, names: Sequence[str], dialect: Dialect, rank: Rank, run: Mapping[str, Any]
    ) -> None:
        """Write the files that are common to all images.

        Args:
            names: Of all classes, in the order of their ids.
            dialect: Of the CSV.
            rank: The order of its rows.
            run: What the run's own file says, beside the counts.
        """
        self._results.write("\n]\n" if self.counts.objects else "[]\n")
        self._results.close()
        self._save_annotations(dialect, rank)
        save_rows(self._folder / CATEGORIES, (CATEGORY_COLUMN,), ((name,) for name in names))
        images = (written.image for written in self._written)
        categories = names_to_categories(names)
        save_coco(self._folder / COCO_IMAGES, "Predictions", categories, images, ())
        failures = [(_no_formula(each.file), each.reason) for each in self.failures]
        save_rows(self._folder / FAILURES, ("file", "reason"), failures)
        self.counts.failures = len(failures)
        save_json(self._folder / RUN, {**run, "counts": asdict(self.counts)})

    def _save_annotations(self, dialect: Dialect, rank: Rank) -> None:
        indices = list(range(len(self._written)))
        if rank == "uncertain":
            indices = most_uncertain_first([written.uncertainty for written in self._written])
        ends = [written.position for written in self._written[1:]] + [self._end]
        with (self._folder / ANNOTATIONS).open("wb") as file:
            header = (dialect.image_column, ANNOTATION_COLUMN)
            file.write(rows_to_csv([header]).encode("utf-8"))
            for index in indices:
                start = self._written[index].position
                self._rows.seek(start)
                file.write(self._rows.read(ends[index] - start))


@contextmanager
def prediction_folder(out: Path) -> Iterator[PredictionWriter]:
    """Give a writer for `out`; what it wrote replaces `out` when the block ends without error.

    An error in the block leaves `out` as it was, so whoever wants to keep what was written until
    something went wrong calls `finish` and ends the block.
    """
    with (
        folder_written_aside(out) as aside,
        # Not in /tmp, which may be memory.
        tempfile.TemporaryFile("w+b", dir=aside) as rows,
        (aside / COCO_RESULTS).open("w", encoding="utf-8", newline="\n") as results,
    ):
        for name in _FOLDERS:
            (aside / name).mkdir()
        yield PredictionWriter(aside, results, rows)
        for name in _FOLDERS:
            if not any((aside / name).iterdir()):
                (aside / name).rmdir()


def _no_formula(file: str) -> str:
    """Name the same file by a path that no spreadsheet runs."""
    return f"./{file}" if is_formula(file) else file
