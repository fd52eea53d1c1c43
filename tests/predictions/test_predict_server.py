"""The command line against servers that are reached by gRPC."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from PIL import Image

from rhymes.client.client import DetectorClient
from rhymes.predictions import predict
from rhymes.versions.model_folder import save_manifest
from tests.support.canned_server import CannedServer, abort, make_outputs, running
from tests.support.export_loop import assert_same_objects, export_to_coco
from tests.support.fake_client import NAMES, encode_image

SIZE = (160, 120)


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """Images of all orientations: an ellipse of class 1, a rectangle of class 2."""
    folder = tmp_path / "in"
    folder.mkdir()
    for orientation in range(1, 9):
        for encoding in ("JPEG", "PNG"):
            x = 10 + 2 * orientation
            data = encode_image(
                (1, (x, 20, 50, 33)),
                (2, (90, 60 - x, 40, 50)),
                (3, (100, 100, 10, 15)),
                size=SIZE,
                round_=orientation % 2 == 0,
                encoding=encoding,
                orientation=orientation,
            )
            (folder / f"é, {orientation}.{encoding.lower()}").write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The project's own server with a detector of coloured shapes."""
    from rhymes.serving.options.flags import ServerOptions
    from rhymes.serving.server import ModelServer
    from tests.support.red_detector import save_red_detector

    base = tmp_path_factory.mktemp("models") / "detector"
    classes = [{"id": class_id, "name": name} for class_id, name in NAMES.items()]
    save_red_detector(base / "new", classes=classes)
    save_manifest(base / "new")
    (base / "new").rename(base / "1")
    with ModelServer(ServerOptions(model_name="detector", model_base_path=base, port=0)) as server:
        yield f"127.0.0.1:{server.port}"


@pytest.mark.tf
@pytest.mark.parametrize("dialect", ["polygons", "boxes"])
def test_predictions_of_a_server_are_training_data(
    image_folder: Path,
    tmp_path: Path,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    dialect: str,
) -> None:
    out = tmp_path / "out"
    arguments = [str(image_folder), "--out", str(out), "--server", address, "--dialect", dialect]
    assert predict.main([*arguments, "--rank", "uncertain"]) == 0
    images = export_to_coco(out, tmp_path / "project", monkeypatch)
    assert len(images) == 16
    sources = {
        Path(prediction["file"]): images[prediction["image"]]
        for path in (out / "json").iterdir()
        for prediction in [json.loads(path.read_bytes())["info"]]
    }
    with DetectorClient(address) as client:
        for path in sorted(image_folder.iterdir()):
            found = client.detect(path.read_bytes())
            assert found.class_ids.tolist() == [1, 2, 3], "the third below the score that counts"
            x = 10 + 2 * int(path.name[3])
            # The detector's masks are coarse and JPEG blurs, but which way is up is certain.
            assert found.boxes[0].tolist() == pytest.approx([x, 20, x + 50, 53], abs=2)
            assert found.boxes[1].tolist() == pytest.approx([90, 60 - x, 130, 110 - x], abs=2)
            image = sources[path]
            assert (image["width"], image["height"]) == SIZE
            assert_same_objects(image, found.above(0.5), NAMES, polygons=dialect == "polygons")


@pytest.mark.tf
def test_annotated_image_of_a_server(image_folder: Path, tmp_path: Path, address: str) -> None:
    out = tmp_path / "out"
    assert predict.main([str(image_folder), "--out", str(out), "--server", address]) == 0
    with Image.open(out / "drawings/e_6.jpg") as drawn:
        assert drawn.size == (720, 540)


def save_images(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:02}.jpg").write_bytes(encode_image(size=(100 + number, 50)))
    return folder


def width(request: Any) -> int:
    data = request.inputs["inputs"].string_val[0]
    return Image.open(io.BytesIO(data)).width


def test_server_that_dies_in_the_middle_ends_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = save_images(tmp_path / "in", 30), tmp_path / "out"
    canned = CannedServer()

    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        if width(request) >= 110:
            context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        return canned.respond(make_outputs(masks=True))

    canned.always = answer
    with running(canned):
        code = predict.main([str(folder), "--out", str(out), "--server", canned.address])
    assert code == 1
    printed = capsys.readouterr().err
    assert "Socket closed" in printed
    assert "20 images were not tried; what was complete is written" in printed
    assert len(list((out / "json").iterdir())) == 10
    assert json.loads((out / "prediction.json").read_bytes())["complete"] is False


def test_image_that_the_server_refuses_is_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = save_images(tmp_path / "in", 5), tmp_path / "out"
    canned = CannedServer()
    refuse = abort(grpc.StatusCode.INVALID_ARGUMENT, "corrupt image")
    canned.always = lambda request, context: (
        refuse(request, context)
        if width(request) == 102
        else canned.respond(make_outputs(masks=True))
    )
    with running(canned):
        code = predict.main([str(folder), "--out", str(out), "--server", canned.address])
    assert code == 1
    printed = capsys.readouterr()
    assert "4 of 5 images" in printed.out
    assert "in/02.jpg: " in printed.err
    assert "INVALID_ARGUMENT: corrupt image" in printed.err
