"""The whole stage on a real SavedModel, in a repository of its own."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from ruamel.yaml import YAML

from rhymes.common.errors import InputError
from rhymes.common.files import save_json
from rhymes.metrics.scoring import score
from rhymes.versions.model_folder import MANIFEST_FILE, save_manifest
from stages import evaluate
from tests.support.file_contents import folder_to_bytes
from tests.support.red_detector import save_red_detector
from tests.support.red_split import BLUE, GREEN, RED, save_split

pytestmark = pytest.mark.tf

PARAMS = {"images": 2, "image_score": 0.5, "confusion_score": 0.5, "confusion_iou": 0.5}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_red_detector(tmp_path_factory.mktemp("model") / "1")
    save_manifest(folder)
    return folder


@pytest.fixture
def repository(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An exported model and a test split of three images; the stage runs in it."""
    (tmp_path / "models").mkdir()
    shutil.copytree(model.parent, tmp_path / "models/detector")
    save_params(tmp_path, PARAMS)
    save_split(
        tmp_path,
        # What is drawn, and what the ground truth says: right; missed and taken for green; nothing.
        ([(RED, [10, 10, 60, 40])], [(RED, [10, 10, 60, 40])]),
        ([(GREEN, [20, 20, 50, 50])], [(RED, [20, 20, 50, 50]), (BLUE, [90, 60, 30, 30])]),
        ([], []),
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save_params(root: Path, params: dict[str, Any]) -> None:
    YAML().dump({"evaluate": params}, root / "params.yaml")


def load(repository: Path, name: str) -> Any:
    return json.loads((repository / "reports/evaluate" / name).read_text())


@pytest.mark.usefixtures("coco_metrics")
def test_measures_what_the_model_finds(repository: Path) -> None:
    evaluate.main()
    metrics, results = load(repository, "metrics.json"), load(repository, "detections.json")
    assert [(result["image_id"], result["category_id"]) for result in results] == [(1, 1), (2, 2)]
    assert metrics["images"] == 3
    assert metrics["classes"]["C1"]["AP50"] == pytest.approx(51 / 101, abs=1e-6)
    assert metrics["classes"]["C1"]["mask_AP50"] == pytest.approx(51 / 101, abs=1e-6)
    assert metrics["classes"]["C3"]["AP"] == 0
    assert metrics["classes"]["C2"] == {
        "AP": None, "AP50": None, "mask_AP": None, "mask_AP50": None, "objects": 0
    }  # fmt: skip
    ground_truth = json.loads((repository / "data/coco/test.json").read_text())
    assert metrics["AP"] == pytest.approx(
        score(ground_truth, results, "bbox").summary["AP"], abs=1e-6
    )


def test_says_which_model_was_measured(repository: Path) -> None:
    evaluate.main()
    manifest = (repository / "models/detector/1" / MANIFEST_FILE).read_bytes()
    ground_truth = (repository / "data/coco/test.json").read_bytes()
    assert load(repository, "model.json") == {
        "version": 1,
        "identity": hashlib.sha256(manifest).hexdigest(),
        "test_sha256": hashlib.sha256(ground_truth).hexdigest(),
    }


def test_a_model_without_a_manifest_is_an_error(repository: Path) -> None:
    (repository / "models/detector/1" / MANIFEST_FILE).unlink()
    with pytest.raises(InputError, match=r"manifest\.json: missing; export the model anew"):
        evaluate.main()
    assert not (repository / "reports/evaluate").exists()


def test_draws_the_worst_images_first(repository: Path) -> None:
    evaluate.main()
    folder = repository / "reports/evaluate"
    names = sorted(path.name for path in (folder / "images").iterdir())
    assert names == ["1_200000000000.png", "2_100000000000.png"]
    with Image.open(folder / "images" / names[0]) as image:
        assert image.size == (2 * 720 + 36, 540 + 90)
    report = (folder / "report.md").read_text()
    assert (
        f"1. [2.jpg](images/{names[0]}): "
        "F1 0.00, 0 true positives, 2 false negatives, 1 false positive"
    ) in report
    assert f"2. [1.jpg](images/{names[1]}): F1 1.00" in report


def test_draws_the_same_images_whatever_the_model_finds(repository: Path) -> None:
    drawn = []
    for least in (0.5, 1.0):
        save_params(repository, PARAMS | {"image_score": least})
        evaluate.main()
        drawn.append(folder_to_bytes(repository / "reports/evaluate/plots/images"))
    assert sorted(drawn[0]) == sorted(drawn[1]) == ["100000000000.png", "200000000000.png"]
    assert drawn[0] != drawn[1], "what is found does differ"


@pytest.mark.usefixtures("coco_metrics")
def test_the_headline_is_a_few_of_the_figures(repository: Path) -> None:
    evaluate.main()
    metrics, headline = load(repository, "metrics.json"), load(repository, "headline.json")
    assert list(headline) == ["test"]
    assert list(headline["test"]) == ["AP", "AP50", "mask_AP", "mask_AP50"]
    assert headline["test"].items() <= metrics.items()


def test_confusion_is_a_row_an_object(repository: Path) -> None:
    evaluate.main()
    rows = (repository / "reports/evaluate/plots/confusion.csv").read_text().splitlines()
    assert rows == ["actual,predicted", "C1,C1", "C1,C2", "C3,(background)"]


def test_same_input_same_bytes_and_nothing_is_left_of_before(repository: Path) -> None:
    evaluate.main()
    first = folder_to_bytes(repository / "reports/evaluate")
    (repository / "reports/evaluate/images/13_old.png").write_bytes(b"")
    evaluate.main()
    assert folder_to_bytes(repository / "reports/evaluate") == first
    assert sorted(path.name for path in (repository / "reports").iterdir()) == ["evaluate"]


def test_thresholds_are_used(repository: Path) -> None:
    save_params(repository, PARAMS | {"images": 0, "confusion_score": 0.85})
    evaluate.main()
    folder = repository / "reports/evaluate"
    rows = (folder / "plots/confusion.csv").read_text().splitlines()
    assert rows == ["actual,predicted", "C1,C1", "C1,(background)", "C3,(background)"]
    assert list((folder / "images").iterdir()) == []


@pytest.mark.parametrize(
    "images",
    [
        pytest.param([], id="no image"),
        pytest.param([([], [])], id="an empty image"),
        pytest.param([([(RED, [10, 10, 60, 40])], [])], id="an invention"),
    ],
)
def test_split_without_objects_gives_nulls_and_a_hint(
    repository: Path, capsys: pytest.CaptureFixture[str], images: list[Any]
) -> None:
    save_split(repository, *images)
    evaluate.main()
    assert load(repository, "metrics.json")["AP"] is None
    assert "raise coco.test_fraction" in capsys.readouterr().err


def test_nothing_found_is_zero(repository: Path) -> None:
    save_split(repository, ([], [(RED, [10, 10, 60, 40])]))
    evaluate.main()
    assert load(repository, "metrics.json")["AP"] == 0
    assert load(repository, "detections.json") == []


def test_ground_truth_without_polygons_cannot_score_masks(repository: Path) -> None:
    save_split(repository, ([], [(RED, [10, 10, 60, 40])]), masks=False)
    with pytest.raises(InputError, match="masks cannot be scored: 1 of 1 objects"):
        evaluate.main()


def test_other_classes_than_the_model_knows_are_an_error(repository: Path) -> None:
    path = repository / "data/coco/test.json"
    ground_truth = json.loads(path.read_text())
    ground_truth["categories"][1]["name"] = "other"
    save_json(path, ground_truth)
    with pytest.raises(InputError, match=r"models/detector/1 was trained on other classes.*C2"):
        evaluate.main()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"images": -1}, r"evaluate\.images: got -1", id="images"),
        pytest.param({"image_score": 1.5}, r"evaluate\.image_score: got 1\.5", id="score"),
        pytest.param({"confusion_iou": 0}, r"evaluate\.confusion_iou: got 0", id="IoU"),
        pytest.param({"pictures": 3}, r"evaluate\.pictures: is called images now", id="renamed"),
        pytest.param({"confusion_scor": 0.5}, "did you mean 'confusion_score'", id="unknown"),
    ],
)
def test_params_are_checked(repository: Path, change: dict[str, Any], message: str) -> None:
    save_params(repository, PARAMS | change)
    with pytest.raises(InputError, match=message):
        evaluate.main()
