"""The client against a server that answers as told: images, batches, threads."""

from __future__ import annotations

import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rhymes.client.client import DetectorClient
from rhymes.client.errors import (
    BadImage,
    ServingError,
)
from rhymes.common.errors import InputError
from rhymes.images.images import UprightImage, check_image
from rhymes.wire.codec import tensor_to_array
from tests.support.canned_server import (
    DETECTIONS,
    IMAGE,
    MASKS,
    STRING,
    CannedServer,
    encode,
    lengths,
    make_signature,
    sizes,
)
from tests.support.quadrants import IMAGE as QUADRANTS
from tests.support.quadrants import encode as encode_image


def test_images_become_detections(server: CannedServer, client: DetectorClient) -> None:
    answer = client.answer(IMAGE)
    found = answer.detections
    assert found.boxes.tolist() == [[0, 0, 20, 20], [20, 0, 40, 20]]
    assert found.scores.tolist() == [0.75, 0.5]
    assert [answer.model.class_names[i] for i in found.class_ids] == ["CAT", "DOG"]
    assert found.masks is not None
    assert [(crop.x, crop.area) for crop in found.masks] == [(0, 400), (20, 400)]
    assert (answer.version, answer.identity, answer.server_seconds) == (1, "one", 0.25)
    assert 0 < answer.seconds < 10


def test_requests_ask_for_what_is_needed_alone(
    server: CannedServer, client: DetectorClient
) -> None:
    client.detect(IMAGE)
    assert client.detect(IMAGE, masks=False).masks is None
    with_masks, without = server.asked_for("Predict")
    assert set(with_masks.output_filter) == {*DETECTIONS, MASKS}
    assert set(without.output_filter) == set(DETECTIONS)
    assert with_masks.model_spec.name == "detector"
    assert with_masks.model_spec.signature_name == "serving_default"
    assert not with_masks.model_spec.HasField("version")
    assert list(with_masks.inputs) == ["inputs"]
    assert tensor_to_array(with_masks.inputs["inputs"]).tolist() == [IMAGE]


def test_models_without_masks_are_not_asked_for_any(
    server: CannedServer, client: DetectorClient
) -> None:
    server.signatures["serving_default"] = make_signature({"inputs": (STRING, [-1])})
    assert client.detect(IMAGE).masks is None
    assert set(server.asked_for("Predict")[0].output_filter) == set(DETECTIONS)
    assert not client.describe().has_masks


def test_values_in_lists_are_read_as_those_in_content(
    server: CannedServer, client: DetectorClient
) -> None:
    packed = client.detect(IMAGE)
    server.as_content = False
    listed = client.detect(IMAGE)
    np.testing.assert_array_equal(packed.boxes, listed.boxes)
    assert packed.masks is not None
    assert listed.masks is not None
    for one, other in zip(packed.masks, listed.masks, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize(
    ("data", "sent_as"),
    [
        pytest.param(encode(), None, id="JPEG goes as it is"),
        pytest.param(encode("PNG"), None, id="PNG goes as it is"),
        pytest.param(encode("WEBP"), "JPEG", id="WebP is encoded anew"),
        pytest.param(encode("BMP"), "JPEG", id="BMP is encoded anew"),
        pytest.param(encode_image(QUADRANTS, "HEIF"), "JPEG", id="HEIC"),
        pytest.param(encode_image(QUADRANTS, "AVIF"), "JPEG", id="AVIF"),
        pytest.param(encode_image(QUADRANTS, "TIFF"), "JPEG", id="TIFF"),
    ],
)
def test_what_is_sent(
    data: bytes, sent_as: str | None, server: CannedServer, client: DetectorClient
) -> None:
    client.detect(data)
    (sent,) = tensor_to_array(server.asked_for("Predict")[0].inputs["inputs"])
    if sent_as is None:
        assert sent == data
    else:
        expected = check_image(data, max_bytes=10**6, max_pixels=10**6, keep={"JPEG", "PNG"})
        assert sent == expected.data
        assert Image.open(io.BytesIO(sent)).format == sent_as


def test_checked_images_are_not_checked_again(server: CannedServer, client: DetectorClient) -> None:
    image = UprightImage(b"already checked", "JPEG", 100, 50)
    assert client.detect(image).width == 100
    (sent,) = tensor_to_array(server.asked_for("Predict")[0].inputs["inputs"])
    assert sent == b"already checked"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "0 bytes", id="nothing"),
        pytest.param(b"<html>", "an HTML page", id="HTML"),
        pytest.param(IMAGE[:-300], "broken JPEG", id="truncated"),
        pytest.param(encode(size=(1001, 1000)), "more than the 1,000,000 allowed", id="pixels"),
        pytest.param(IMAGE + bytes(100_000), "more than the 100,000 allowed", id="bytes"),
    ],
)
def test_what_is_no_image_is_not_sent(data: bytes, reason: str, server: CannedServer) -> None:
    with DetectorClient(server.address, max_pixels=1_000_000, max_bytes=100_000) as client:
        with pytest.raises(BadImage, match=reason) as error:
            client.detect(data)
        assert isinstance(error.value, InputError)
        with pytest.raises(BadImage, match=f"image 2 of 3: .*{reason}"):
            client.detect_batch([IMAGE, data, IMAGE])
    assert server.asked == []


def test_batches_are_one_request(server: CannedServer, client: DetectorClient) -> None:
    wanted = [(40, 20), (20, 40), (30, 30)]
    found = client.detect_batch([encode(size=size) for size in wanted])
    assert sizes(found) == wanted
    assert lengths(server.asked_for("Predict")) == [3]
    assert client.detect_batch([]) == []


def test_batches_are_cut_to_the_limits(server: CannedServer) -> None:
    images = [encode("PNG", size=(40 + i, 20)) for i in range(7)]
    with DetectorClient(server.address, max_batch=3) as client:
        assert sizes(client.detect_batch(images)) == [(40 + i, 20) for i in range(7)]
    assert lengths(server.asked_for("Predict")) == [3, 3, 1]
    server.asked.clear()
    large = [image + bytes(40_000) for image in map(bytes, [IMAGE] * 5)]
    with DetectorClient(server.address, max_message_bytes=200_000) as client:
        client.detect_batch(large)
    assert lengths(server.asked_for("Predict")) == [2, 2, 1]


def test_threads_share_a_client(server: CannedServer, client: DetectorClient) -> None:
    widths = [20 + i % 17 for i in range(200)]
    images = {width: encode(size=(width, 20)) for width in set(widths)}
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda width: client.detect(images[width]), widths))
    assert [each.width for each in found] == widths


def test_closed_clients_say_so(server: CannedServer) -> None:
    client = DetectorClient(server.address)
    client.detect(IMAGE)
    client.close()
    with pytest.raises(ServingError, match="this client was closed"):
        client.detect(IMAGE)


def test_import_is_light(root: Path) -> None:
    code = (
        "import sys, rhymes.client.client; heavy = {'tensorflow', 'tensorflow_serving', 'pandas', "
        "'matplotlib', 'supervision', 'sklearn'} & set(sys.modules); print(sorted(heavy))"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, cwd=root, timeout=60, text=True) == "[]\n"
