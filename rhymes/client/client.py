"""A client of TensorFlow Serving's wire: images -> detections.

It knows nothing of the model beforehand: how it is called, whether it gives masks and what its
classes are named is read from the server, and read again when that has changed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from rhymes.client.answers import response_to_detections
from rhymes.client.connection import Connection, Deadline, Tls
from rhymes.client.current_model import CurrentModel
from rhymes.client.description import Choice, ModelDescription
from rhymes.client.errors import BadImage, VersionStatus
from rhymes.client.model_calls import ModelCalls
from rhymes.client.signature import images_to_chunks
from rhymes.coco.label_map import load_label_map
from rhymes.common.errors import InputError
from rhymes.detections.detections import Detections
from rhymes.images.images import MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS, UprightImage, check_image
from rhymes.wire.messages import IDENTITY_KEY, SECONDS_KEY

__all__ = ["Answer", "DetectorClient", "ModelDescription", "Tls", "VersionStatus"]

MAX_MESSAGE_BYTES = 1 << 28
MAX_BATCH = 16

# What a message holds beside its images.
_FRAME_BYTES = 100_000


@dataclass(frozen=True)
class Answer:
    """What a server answered for one image.

    Attributes:
        detections: In pixels of the upright image.
        version: Of the model that answered.
        identity: Of its bytes; None from servers that do not tell it.
        seconds: From the call to its detections; of a batch, those of the image's request.
        server_seconds: What of it passed inside the server; None from servers that do not tell it.
        model: The version that answered, with its class names.
    """

    detections: Detections
    version: int
    identity: str | None
    seconds: float
    server_seconds: float | None
    model: ModelDescription


class DetectorClient:
    """A detector behind an address. Any number of threads may share one client.

    Args:
        address: host:port of the server's gRPC.
        model: By which the server knows the model.
        version: Its version; the newest where neither this nor a label is given.
        label: A label that the server's configuration gives to a version.
        signature: To call; its input may be encoded images (string) or pixels (uint8).
        timeout: Seconds for a call with all its repeats (of a batch: for each request).
        attempts: How often a call is tried where a repeat is safe: no connection, a full queue, a
            version that was just replaced.
        tls: For an encrypted connection.
        label_map: Class names (label_map.pbtxt) for a model that does not state its own.
        max_bytes: The most that an image's file may hold.
        max_pixels: The most that an image may have.
        max_message_bytes: The largest request to send and answer to receive.
        max_batch: The most images in one request.

    Raises:
        InputError: an address, a label map or a TLS file that cannot be used. The server is not
            called before the first image or question.
    """

    def __init__(
        self,
        address: str = "localhost:8500",
        *,
        model: str = "detector",
        version: int | None = None,
        label: str | None = None,
        signature: str = "serving_default",
        timeout: float = 30.0,
        attempts: int = 4,
        tls: Tls | None = None,
        label_map: Path | None = None,
        max_bytes: int = MAX_IMAGE_BYTES,
        max_pixels: int = MAX_IMAGE_PIXELS,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        max_batch: int = MAX_BATCH,
    ) -> None:
        self._choice = Choice(version, label)
        class_names = None if label_map is None else load_label_map(label_map)
        self._connection = Connection(
            address, tls=tls, max_message_bytes=max_message_bytes, attempts=attempts
        )
        self._calls = ModelCalls(self._connection, model, class_names)
        self._current = CurrentModel(self._calls, model, signature)
        self._timeout = timeout
        self._max_bytes, self._max_pixels = max_bytes, max_pixels
        self._max_message_bytes, self._max_batch = max_message_bytes, max_batch

    def detect(
        self,
        data: bytes | UprightImage,
        *,
        masks: bool = True,
        version: int | None = None,
        label: str | None = None,
    ) -> Detections:
        """Find the objects in an image. See `answer`."""
        return self.answer(data, masks=masks, version=version, label=label).detections

    def detect_batch(
        self,
        datas: Sequence[bytes | UprightImage],
        *,
        masks: bool = True,
        version: int | None = None,
        label: str | None = None,
    ) -> list[Detections]:
        """Find the objects in several images, in their order. See `answer_batch`."""
        answers = self.answer_batch(datas, masks=masks, version=version, label=label)
        return [answer.detections for answer in answers]

    def answer(
        self,
        data: bytes | UprightImage,
        *,
        masks: bool = True,
        version: int | None = None,
        label: str | None = None,
    ) -> Answer:
        """Find the objects in an image, and say who found them.

        The image is brought upright as those of the training were: an upright 8-bit RGB JPEG or
        PNG goes as it is, anything else as the JPEG that the training would have made of it.

        Args:
            data: An image of `IMAGE_FORMATS`; or one that was checked already.
            masks: Whether to ask for masks, where the model has them.
            version: Another version than the client's.
            label: Another label than the client's.

        Raises:
            BadImage: the bytes are no image, or too large a one; nothing was sent.
            ServingError: of the kind that says what went wrong, and what to do.
        """
        start = time.perf_counter()
        image = self._check(data)
        return self._ask([image], masks, self._choose(version, label), start)[0]

    def answer_batch(
        self,
        datas: Sequence[bytes | UprightImage],
        *,
        masks: bool = True,
        version: int | None = None,
        label: str | None = None,
    ) -> list[Answer]:
        """Find the objects in several images, in as few requests as the model and limits allow.

        Requests follow each other, so that different versions may answer where one replaces
        another meanwhile.

        Raises:
            BadImage: naming the first that is no image; nothing was sent.
            ServingError: as `answer`; what other requests found is lost.
        """
        images = [
            self._check(data, f"image {i} of {len(datas)}: ")
            for i, data in enumerate(datas, start=1)
        ]
        if not images:
            return []
        choice = self._choose(version, label)
        taken = self._current.describe(choice, Deadline(self._timeout)).signature.input
        chunks = images_to_chunks(
            images, taken, self._max_batch, self._max_message_bytes - _FRAME_BYTES
        )
        answers: dict[int, Answer] = {}
        for chunk in chunks:
            sent = [images[i] for i in chunk]
            answers.update(
                zip(chunk, self._ask(sent, masks, choice, time.perf_counter()), strict=True)
            )
        return [answers[i] for i in range(len(images))]

    def describe(self, version: int | None = None, label: str | None = None) -> ModelDescription:
        """Say how a version is called, and what its classes are named.

        Asked of the server once a minute, or when an answer shows that it has changed.

        Raises:
            ServingError: as `answer`.
        """
        return self._current.describe(self._choose(version, label), Deadline(self._timeout))

    def versions(self) -> list[VersionStatus]:
        """List the model's versions as the server knows them, the newest first.

        Raises:
            ServingError: as `answer`.
        """
        return self._calls.statuses(Deadline(self._timeout))

    def close(self) -> None:
        """Close the connection; calls that run end with an error."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _choose(self, version: int | None, label: str | None) -> Choice:
        return self._choice if version is None and label is None else Choice(version, label)

    def _check(self, data: bytes | UprightImage, where: str = "") -> UprightImage:
        if isinstance(data, UprightImage):
            return data
        try:
            return check_image(
                data,
                max_bytes=self._max_bytes,
                max_pixels=self._max_pixels,
                keep=frozenset({"JPEG", "PNG"}),
            )
        except InputError as error:
            raise BadImage(f"{where}{error}") from None

    def _ask(
        self, images: Sequence[UprightImage], masks: bool, choice: Choice, start: float
    ) -> list[Answer]:
        deadline = Deadline(self._timeout)
        model, reply = self._current.predict(images, choice, deadline, masks=masks)
        spec = reply.message.model_spec
        found = response_to_detections(reply.message, images, masks=masks and model.has_masks)
        version = spec.version.value if spec.HasField("version") else model.version
        identity = reply.metadata.get(IDENTITY_KEY)
        server_seconds = _text_to_seconds(reply.metadata.get(SECONDS_KEY))
        seconds = time.perf_counter() - start
        return [
            Answer(detections, version, identity, seconds, server_seconds, model)
            for detections in found
        ]


def _text_to_seconds(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
