"""A real SavedModel loaded and run, and those that are none."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rhymes.common.errors import InputError
from rhymes.detections.detections import Detections
from rhymes.detector.exported import ExportedDetector, find_version
from tests.support.red_detector import draw_image, save_red_detector

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_red_detector(tmp_path_factory.mktemp("detector") / "1")


@pytest.fixture(scope="module")
def detector(folder: Path) -> ExportedDetector:
    return ExportedDetector(folder)


def detect(detector: ExportedDetector, image: Image.Image) -> Detections:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95, subsampling=0)
    return detector.detect(buffer.getvalue(), *image.size)


def test_finds_what_is_there(detector: ExportedDetector) -> None:
    found = detect(detector, draw_image((2, [10, 20, 40, 30]), (1, [80, 50, 60, 40])))
    assert found.class_ids.tolist() == [1, 2]
    assert found.scores.tolist() == pytest.approx([0.9, 0.8])
    np.testing.assert_allclose(found.boxes, [[80, 50, 140, 90], [10, 20, 50, 50]], atol=1)
    assert (found.width, found.height) == (160, 120)


def test_masks_lie_on_their_objects(detector: ExportedDetector) -> None:
    found = detect(detector, draw_image((1, [30, 20, 80, 60]), round_=True))
    x, y = np.meshgrid(np.arange(160) + 0.5, np.arange(120) + 0.5)
    ellipse = ((x - 70) / 40) ** 2 + ((y - 50) / 30) ** 2 < 1
    mask = found.dense_mask(0)
    assert (mask & ellipse).sum() / (mask | ellipse).sum() > 0.95


def test_finds_nothing_where_nothing_is(detector: ExportedDetector) -> None:
    assert len(detect(detector, draw_image())) == 0


def test_knows_what_it_is(detector: ExportedDetector, tmp_path: Path) -> None:
    assert detector.class_names == {1: "C1", 2: "C2", 3: "C3"}
    assert detector.has_masks
    assert detector.info["model"] == "red"
    without = ExportedDetector(save_red_detector(tmp_path / "1", masks=False))
    assert not without.has_masks
    assert detect(without, draw_image((1, [30, 20, 80, 60]))).masks is None


@pytest.mark.parametrize(
    ("signatures", "classes", "message"),
    [
        pytest.param(
            ("image_tensor",), None, "no signature model_info.*it has image_tensor", id="foreign"
        ),
        pytest.param(("model_info",), None, "no signature serving_default", id="no detector"),
        pytest.param(
            ("model_info",), ["C1", "C2"], "does not list the classes as id and name", id="names"
        ),
        pytest.param(
            ("model_info",), [{"id": 0, "name": "a"}], r"ids from 1 up, got \[0\]", id="id 0"
        ),
    ],
)
def test_foreign_models_are_named(
    tmp_path: Path, signatures: tuple[str, ...], classes: object, message: str
) -> None:
    save_red_detector(tmp_path / "1", signatures=signatures, classes=classes)
    with pytest.raises(InputError, match=message):
        ExportedDetector(tmp_path / "1")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(lambda folder: shutil.rmtree(folder), "no saved_model.pb", id="no folder"),
        pytest.param(
            lambda folder: (folder / "saved_model.pb").unlink(),
            "run `dvc repro export`",
            id="no graph",
        ),
        pytest.param(
            lambda folder: (folder / "saved_model.pb").write_bytes(b"<html>"),
            "cannot be loaded",
            id="no graph in the file",
        ),
        pytest.param(
            lambda folder: shutil.rmtree(folder / "variables"),
            "cannot be loaded",
            id="no variables",
        ),
    ],
)
def test_incomplete_models_are_named(
    folder: Path,
    tmp_path: Path,
    damage: object,
    message: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "1"))
    assert callable(damage)
    damage(copy)
    with pytest.raises(InputError, match=message) as error:
        ExportedDetector(copy)
    assert str(copy) in str(error.value)
    capfd.readouterr()


class TestFindVersion:
    def test_takes_the_one_number(self, tmp_path: Path) -> None:
        for name in ("12", ".13.77.part", "notes", "-1"):
            (tmp_path / name).mkdir()
        (tmp_path / "14").write_text("a file")
        assert find_version(tmp_path) == tmp_path / "12"

    @pytest.mark.parametrize(
        ("names", "message"),
        [
            pytest.param([], "no exported model", id="none"),
            pytest.param(["10", "9"], "several versions, 9, 10", id="two"),
        ],
    )
    def test_needs_exactly_one(self, tmp_path: Path, names: list[str], message: str) -> None:
        for name in names:
            (tmp_path / name).mkdir()
        with pytest.raises(InputError, match=message):
            find_version(tmp_path)

    def test_folder_need_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no exported model"):
            find_version(tmp_path / "missing")
