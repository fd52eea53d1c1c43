"""The client and the project's own server around a real SavedModel."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rhymes.client.client import DetectorClient
from rhymes.client.errors import ModelNotFound, UnsupportedModel, VersionNotLoaded
from rhymes.versions.model_folder import load_identity, save_manifest
from tests.support.orientations import upright_to_stored

pytestmark = pytest.mark.tf

OBJECTS = ((1, [10, 20, 50, 30]), (2, [100, 60, 40, 50]))
SIZE = (160, 120)


def publish(base: Path, version: int, **options: Any) -> None:
    """Save a detector aside and move it into its place."""
    from tests.support.red_detector import save_red_detector

    aside = base.parent / f"{base.name}-{version}"
    save_red_detector(aside, **options)
    save_manifest(aside)
    base.mkdir(exist_ok=True)
    aside.rename(base / str(version))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "detector"
    publish(folder, 1)
    return folder


@pytest.fixture(scope="module")
def address(base: Path) -> Iterator[str]:
    from rhymes.serving.options.flags import ServerOptions
    from rhymes.serving.server import ModelServer

    with ModelServer(ServerOptions(model_name="detector", model_base_path=base, port=0)) as server:
        yield f"127.0.0.1:{server.port}"


@pytest.fixture
def client(address: str) -> Iterator[DetectorClient]:
    with DetectorClient(address) as made:
        yield made


def draw(encoding: str = "JPEG", orientation: int = 1, *objects: Any, **options: Any) -> bytes:
    from tests.support.red_detector import draw_image

    image = draw_image(*(objects or OBJECTS), **options)
    stored = upright_to_stored(image, orientation)
    exif = Image.Exif()
    exif[274] = orientation
    file = io.BytesIO()
    stored.save(file, encoding, quality=95, exif=exif)
    return file.getvalue()


def assert_found(found: Any, objects: Any = OBJECTS, size: tuple[int, int] = SIZE) -> None:
    """Check size, classes and boxes; JPEG's blur may move an edge by a pixel."""
    assert (found.width, found.height) == size
    assert found.class_ids.tolist() == [class_id for class_id, _ in objects]
    expected = [[x, y, x + w, y + h] for _, (x, y, w, h) in objects]
    np.testing.assert_allclose(found.boxes, expected, atol=1.01)


def test_webp_is_taken_as_it_lies(client: DetectorClient) -> None:
    # Browsers do not turn one by its EXIF (docs/images-as-browsers-show-them.md).
    found = client.detect(draw("WEBP", 6))
    assert (found.width, found.height) == SIZE[::-1]


@pytest.mark.parametrize("encoding", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_are_those_of_the_upright_image(
    orientation: int, encoding: str, client: DetectorClient
) -> None:
    assert_found(client.detect(draw(encoding, orientation)))


@pytest.mark.parametrize("signature", ["serving_default", "image_tensor", "tf_example"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_all_signatures_find_the_same(signature: str, orientation: int, address: str) -> None:
    with DetectorClient(address, signature=signature) as client:
        assert_found(client.detect(draw("PNG", orientation)))
        others = [draw("PNG", size=(200, 150)), draw("JPEG", orientation), draw("PNG")]
        first, second, third = client.detect_batch(others)
    assert_found(first, size=(200, 150))
    assert_found(second)
    assert_found(third)


def test_masks_are_crops_of_the_upright_image(client: DetectorClient) -> None:
    found = client.detect(draw("PNG", 6, (1, [10, 20, 60, 40]), round_=True))
    assert found.masks is not None
    (crop,) = found.masks
    assert (crop.x, crop.y, crop.pixels.shape) == (10, 20, (40, 60))
    assert crop.area == pytest.approx(np.pi * 30 * 20, rel=0.05)
    assert not crop.pixels[0, 0]
    assert crop.pixels[20, 30]
    assert client.detect(draw(), masks=False).masks is None


def test_images_without_objects_have_none(client: DetectorClient) -> None:
    file = io.BytesIO()
    Image.new("RGB", SIZE, "grey").save(file, "JPEG")
    assert len(client.detect(file.getvalue())) == 0


def test_models_say_what_they_are(client: DetectorClient, base: Path) -> None:
    model = client.describe()
    assert model.class_names == {1: "C1", 2: "C2", 3: "C3"}
    assert model.info is not None
    assert model.info["model"] == "red"
    assert model.has_masks
    assert model.identity == load_identity(base / "1")
    answer = client.answer(draw())
    assert (answer.version, answer.identity) == (model.version, model.identity)
    assert answer.server_seconds is not None
    assert 0 < answer.server_seconds < answer.seconds
    assert [(each.version, each.state) for each in client.versions()] == [(1, "AVAILABLE")]


def test_what_is_not_there_is_named(address: str, client: DetectorClient) -> None:
    with pytest.raises(VersionNotLoaded, match="no version 7 loaded; available: 1"):
        client.detect(draw(), version=7)
    with pytest.raises(VersionNotLoaded, match="best"):
        client.detect(draw(), label="best")
    with (
        DetectorClient(address, model="other") as other,
        pytest.raises(ModelNotFound, match="no model 'other'"),
    ):
        other.detect(draw())
    with (
        DetectorClient(address, signature="other") as other,
        pytest.raises(UnsupportedModel, match="'image_tensor', 'model_info', 'serving_default'"),
    ):
        other.detect(draw())


def test_a_new_version_takes_over_without_a_failed_call(base: Path, address: str) -> None:
    seen: list[tuple[int, dict[int, str]]] = []
    failures: list[BaseException] = []
    done = threading.Event()
    image = draw()

    def call() -> None:
        while not done.is_set():
            try:
                answer = client.answer(image)
            except Exception as error:
                failures.append(error)
                return
            seen.append((answer.version, answer.model.class_names))

    with DetectorClient(address, attempts=1) as client:
        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        publish(base, 2, masks=False, classes=[{"id": i, "name": f"D{i}"} for i in (1, 2, 3)])
        end = time.monotonic() + 60
        while not (seen and seen[-1][0] == 2) and not failures and time.monotonic() < end:
            time.sleep(0.05)
        done.set()
        for thread in threads:
            thread.join(60)
    assert failures == []
    assert {(version, names[1]) for version, names in seen} == {(1, "C1"), (2, "D1")}
