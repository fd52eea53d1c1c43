"""A prediction run: images -> a model server -> a folder of predictions, several at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.pool import AsyncResult, ThreadPool
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from rhymes.client.client import Answer
from rhymes.client.description import ModelDescription
from rhymes.client.errors import (
    BadImage,
    ModelNotFound,
    ServerUnreachable,
    ServingError,
    UnsupportedModel,
    VersionNotLoaded,
)
from rhymes.common.errors import InputError
from rhymes.export.dialect import Dialect
from rhymes.images.images import MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS, UprightImage, check_image
from rhymes.predictions.export_cells import check_names, fitting_dialect
from rhymes.predictions.image_list import Failure, ImageList, ListedImage, load_image
from rhymes.predictions.interrupts import undisturbed
from rhymes.predictions.prediction_files import Counts, PredictionWriter, Rank, prediction_folder
from rhymes.predictions.prediction_outputs import (
    LoadedImage,
    Outputs,
    OutputSettings,
    detections_to_outputs,
)

# Images in a row that the server failed on, after which the rest is not tried: a server that
# hangs would cost each of 10,000 the whole time that it may take.
_GIVE_UP_AFTER = 8


class Client(Protocol):
    """What is needed of a `DetectorClient`."""

    def describe(self, version: int | None = None) -> ModelDescription: ...  # noqa: D102

    def answer(  # noqa: D102
        self, data: UprightImage, *, masks: bool = True, version: int | None = None
    ) -> Answer: ...


@dataclass(frozen=True)
class RunOptions:
    """What a run is asked for.

    Attributes:
        out: The folder to write, resolved; `check_out` has passed it.
        score: Objects of at least this score are written.
        dialect: Of the CSV; None for that which fits the model: polygons where it gives masks.
        rank: The order of the CSV's rows.
        is_drawn: Whether to draw annotated images.
        workers: Images at a time.
    """

    out: Path
    score: float = 0.5
    dialect: Dialect | None = None
    rank: Rank = "input"
    is_drawn: bool = True
    workers: int = 4


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        model: That answered.
        dialect: Of the CSV.
        counts: Of what was written.
        failures: Files without a prediction.
        stop: What ended it before the last image, if anything did.
        untried: How many images it did not come to.
    """

    model: ModelDescription
    dialect: Dialect
    counts: Counts
    failures: Sequence[Failure]
    stop: Exception | KeyboardInterrupt | None = None
    untried: int = 0


class _ModelChangedError(ServingError):
    """Another model answers than the one that was described."""


class _GivenUpError(ServingError):
    """Too many images failed in a row."""


# What will not be otherwise for the next image.
_FATAL = (
    ServerUnreachable,
    ModelNotFound,
    VersionNotLoaded,
    UnsupportedModel,
    _ModelChangedError,
    _GivenUpError,
)


def predict_images(client: Client, listed: ImageList, options: RunOptions) -> RunResult:
    """Predict on all images and write the folder.

    Every image is asked of the version that is described first, so that one model speaks in all
    of the folder. An image that fails is listed. Where no further one can succeed, and on Ctrl-C,
    what is complete is written, and the result says why it is not all.

    Raises:
        ServingError: it ended before the first image was written; `out` is as it was.
        KeyboardInterrupt: likewise.
        InputError: the model's class names cannot be written.
    """
    model = client.describe()
    if not model.class_names:
        raise InputError(
            f"model '{model.name}' does not state the names of its classes; give its --label-map"
        )
    check_names(model.class_names)
    dialect = options.dialect or fitting_dialect(has_masks=model.has_masks)
    about = {"model": model.name, "version": model.version, "identity": model.identity}
    settings = OutputSettings(model.class_names, dialect, options.score, options.is_drawn, about)
    with ExitStack() as last, prediction_folder(options.out) as writer:
        writer.failures += listed.failures
        run = _Run(client, model, settings, writer)
        stop = run.predict(listed.images, options.workers)
        if stop is not None and not writer.counts.images:
            raise stop
        # From here on until the folder has its name, a second Ctrl-C would cost all of it.
        last.enter_context(undisturbed())
        names = [model.class_names[class_id] for class_id in sorted(model.class_names)]
        asked = {"score": options.score, "dialect": dialect.name, "rank": options.rank}
        writer.finish(names, dialect, options.rank, about | asked | {"complete": stop is None})
    untried = len(listed.images) - run.tried
    return RunResult(model, dialect, writer.counts, writer.failures, stop, untried)


class _Run:
    """One walk through the images.

    Attributes:
        tried: How many images were written or failed.
    """

    def __init__(
        self,
        client: Client,
        model: ModelDescription,
        settings: OutputSettings,
        writer: PredictionWriter,
    ) -> None:
        self.tried = 0
        self._client = client
        self._model = model
        self._settings = settings
        self._writer = writer
        self._failed_in_a_row = 0

    def predict(
        self, images: Sequence[ListedImage], workers: int
    ) -> Exception | KeyboardInterrupt | None:
        """Write the images in their order; return what ended it before the last."""
        # Threads of this pool are daemons: on Ctrl-C nobody waits for what is under way.
        with (
            ThreadPool(workers) as pool,
            tqdm(total=len(images), desc="predict", unit="image", disable=None) as bar,
        ):
            try:
                for image, pending in self._in_order(images, pool, 2 * workers):
                    self._take(image, pending)
                    bar.update()
            # Also what nobody expected: hours of work are to be written first.
            except (Exception, KeyboardInterrupt) as stop:
                return stop
        return None

    def _in_order(
        self, images: Sequence[ListedImage], pool: ThreadPool, ahead: int
    ) -> Iterator[tuple[ListedImage, AsyncResult[Outputs]]]:
        """Yield all images; not more than `ahead` of them are begun, or wait to be written."""
        waiting: deque[tuple[ListedImage, AsyncResult[Outputs]]] = deque()
        for number, image in enumerate(images, start=1):
            waiting.append((image, pool.apply_async(self._predict, (number, image))))
            if len(waiting) == ahead:
                yield waiting.popleft()
        yield from waiting

    def _predict(self, number: int, image: ListedImage) -> Outputs:
        data = load_image(image.path, MAX_IMAGE_BYTES)
        upright = check_image(
            data,
            max_bytes=MAX_IMAGE_BYTES,
            max_pixels=MAX_IMAGE_PIXELS,
            keep=frozenset({"JPEG", "PNG"}),
        )
        answer = self._client.answer(upright, version=self._model.version)
        if None not in (answer.identity, self._model.identity) and (
            answer.identity != self._model.identity
        ):
            raise _ModelChangedError(
                f"version {self._model.version} of model '{self._model.name}' is no longer the "
                "one that this run began with: its files were replaced; predict again"
            )
        loaded = LoadedImage(image, number, data, upright)
        return detections_to_outputs(loaded, answer.detections, self._settings)

    def _take(self, image: ListedImage, pending: AsyncResult[Outputs]) -> None:
        try:
            outputs = pending.get()
        except _FATAL:
            raise
        except (ServingError, InputError) as error:
            self.tried += 1
            self._fail(image, error)
            return
        with undisturbed() as interrupted:
            self._writer.add(outputs)
            self.tried += 1
            self._failed_in_a_row = 0
        if interrupted:
            raise KeyboardInterrupt

    def _fail(self, image: ListedImage, error: ServingError | InputError) -> None:
        self._writer.failures.append(Failure(image.shown, " ".join(str(error).split())))
        if isinstance(error, ServingError) and not isinstance(error, BadImage):
            self._failed_in_a_row += 1
            if self._failed_in_a_row == _GIVE_UP_AFTER:
                raise _GivenUpError(f"{_GIVE_UP_AFTER} images in a row failed, the last: {error}")
