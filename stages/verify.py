"""Prove that what is served is what was trained: `python -m stages.verify`.

models/detector/<version>/ is served by the embedded server on a free port and asked over gRPC:
    client        the client's detections are those of the SavedModel in process (all test images)
    saved_model   each signature's outputs are those of the SavedModel in process (1e-5)
    eager         and those of models/checkpoint in eager mode (1e-3)
    lossless      decoded pixels give what the same pixels give as a PNG (1e-5)
The last three look at `verify.images` images, spread over the test split. `image_tensor` gets
each image as Pillow decodes it, on all sides alike: JPEG decoders differ by a few levels.

-> reports/verify/:
    metrics.json   figures; differences as the power of ten that they do not exceed
    report.md      the same to read
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

from numpy.typing import NDArray
from pydantic import Field
from tqdm import tqdm

from rhymes.client.client import DetectorClient, ModelDescription
from rhymes.client.connection import Connection, Deadline
from rhymes.client.errors import ServingError
from rhymes.coco.files import CocoImage, image_to_name, load_coco
from rhymes.common.errors import InputError
from rhymes.common.files import folder_written_aside, save_json, save_text
from rhymes.common.params import load_section, section
from rhymes.common.tensorflow_environment import set_tensorflow_environment
from rhymes.detector.verification import (
    Outputs,
    TestImage,
    Verification,
    parities_to_markdown,
    parities_to_metrics,
)
from rhymes.images.images import PIXEL_LIMIT
from rhymes.serving.server import ModelServer, ServerOptions
from rhymes.wire.codec import array_to_tensor, tensor_to_array
from rhymes.wire.errors import WireError
from rhymes.wire.messages import PredictRequest
from stages.command import run_stage

if TYPE_CHECKING:
    from rhymes.detector.exported import ExportedDetector

CHECKPOINT, DETECTOR = Path("models/checkpoint"), Path("models/detector")
TEST, IMAGES = Path("data/coco/test.json"), Path("data/images")
REPORT = Path("reports/verify")
MODEL = "detector"
_TIMEOUT = 120.0  # seconds for a call
_GRACE = 10.0  # seconds for what still runs when the server stops
# Whatever the stage fetch let in is compared; what a server should refuse is not the question here.
_BYTE_LIMIT = 2**31 - 1

T = TypeVar("T")


@section
class VerifyParams:
    """The section `verify`.

    Attributes:
        images: how many test images are compared in all signatures and with eager mode.
    """

    images: Annotated[int, Field(ge=1)]


def main() -> None:
    """Read the section, serve, compare, report; fail where a difference is too large."""
    set_tensorflow_environment()
    from rhymes.detector.exported import EagerDetector, ExportedDetector, find_version

    params = load_section("verify", VerifyParams)
    images = load_coco(TEST)["images"]
    if not images:
        print(
            f"verify: {TEST} has no images, so nothing is proved of detections; raise "
            "coco.test_fraction",
            file=sys.stderr,
        )
    folder = find_version(DETECTOR)
    detector, trained = ExportedDetector(folder), EagerDetector(CHECKPOINT)
    sample = spread(images, params.images)
    sampled = {image["id"] for image in sample}
    with (
        served() as address,
        open_client(address) as client,
        Wire(address) as wire,
    ):
        check_description(client.describe(), detector)
        verification = Verification(wire.call, detector.call, trained.call, trained.score_threshold)
        for image in tqdm(images, "verify", unit="image", disable=None):
            test_image = load_image(image)
            with explained(test_image.name):
                verification.compare_client(test_image, client.detect(test_image.encoded))
                if image["id"] in sampled:
                    verification.compare_signatures(test_image)
    save_report(int(folder.name), len(images), len(sample), verification)
    verification.check()
    print(
        f"verify: {len(images)} images through the client, {len(sample)} in all signatures: as "
        f"exported and as trained; see {REPORT / 'report.md'}"
    )


class Wire:
    """Predict over gRPC as it is: arrays in, arrays out."""

    def __init__(self, address: str) -> None:
        self._connection = Connection(address, tls=None, max_message_bytes=_BYTE_LIMIT, attempts=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def call(self, inputs: NDArray[Any], signature: str) -> Outputs:
        """Run a signature on a batch; see `rhymes.detector.inference` for the outputs."""
        request = PredictRequest()
        request.model_spec.name = MODEL
        request.model_spec.signature_name = signature
        request.inputs["inputs"].CopyFrom(array_to_tensor(inputs))
        reply = self._connection.call("Predict", request, Deadline(_TIMEOUT))
        return {name: tensor_to_array(tensor) for name, tensor in reply.message.outputs.items()}


def open_client(address: str) -> DetectorClient:
    """The client that users have, with room for any image."""
    return DetectorClient(
        address,
        model=MODEL,
        timeout=_TIMEOUT,
        max_bytes=_BYTE_LIMIT,
        max_pixels=PIXEL_LIMIT,
        max_message_bytes=_BYTE_LIMIT,
    )


@contextmanager
def served() -> Iterator[str]:
    """Serve models/detector on a free port; give its address."""
    options = ServerOptions(
        model_name=MODEL,
        model_base_path=DETECTOR.resolve(),
        port=0,
        max_image_bytes=_BYTE_LIMIT,
        max_image_pixels=PIXEL_LIMIT,
        max_message_bytes=_BYTE_LIMIT,
    )
    server = ModelServer(options)
    with explained(str(DETECTOR)):
        server.start()
    try:
        yield f"localhost:{server.port}"
    finally:
        server.stop(_GRACE)


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn what a server refuses into an `InputError` that opens with `name`."""
    try:
        yield
    except (ServingError, WireError) as error:
        raise InputError(f"{name}: {error}") from error


def check_description(model: ModelDescription, detector: ExportedDetector) -> None:
    """Raise an `InputError` where the server says another thing of the model than the model."""
    version = int(detector.folder.name)
    if model.version != version:
        raise InputError(
            f"the server answers with version {model.version}, but {detector.folder} is there; "
            "its tests should tell why"
        )
    if model.info != detector.info or model.class_names != detector.class_names:
        raise InputError(
            f"{detector.folder}: its signature model_info says other things over gRPC than in "
            "process; the server's tests should tell why"
        )


def spread(images: Sequence[T], count: int) -> list[T]:
    """Take `count` at even distances, all where there are no more."""
    count = min(count, len(images))
    return [images[i * len(images) // count] for i in range(count)]


def load_image(image: CocoImage) -> TestImage:
    """Read an image of the test split."""
    encoded = (IMAGES / image["file_name"]).read_bytes()
    return TestImage(image_to_name(image), encoded, image["width"], image["height"])


def save_report(version: int, images: int, sampled: int, verification: Verification) -> None:
    """Write reports/verify/."""
    parities = verification.parities
    with folder_written_aside(REPORT) as folder:
        save_json(folder / "metrics.json", parities_to_metrics(version, images, sampled, parities))
        save_text(folder / "report.md", parities_to_markdown(version, images, sampled, parities))


if __name__ == "__main__":
    run_stage("verify", main)
