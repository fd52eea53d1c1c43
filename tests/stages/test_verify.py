"""The whole stage with a real server, on a detector that needs no training and on a trained one."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from rhymes.common.errors import InputError
from rhymes.detector import exported
from rhymes.detector.exported import ExportedDetector
from stages import verify
from tests.support.file_contents import folder_to_bytes
from tests.support.red_detector import save_red_detector
from tests.support.red_split import BLUE, GREEN, RED, save_split

pytestmark = pytest.mark.tf

SIGNATURES = ["image_tensor", "serving_default", "tf_example"]
Outputs = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_red_detector(tmp_path_factory.mktemp("model") / "1")


@pytest.fixture
def repository(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An exported model and a test split of four images; the stage runs in it.

    The red detector has no checkpoint: a second copy of it stands for the eager one.
    """
    shutil.copytree(model.parent, tmp_path / "models/detector")
    save_params(tmp_path, images=3)
    save_split(
        tmp_path,
        ([(RED, [10, 10, 60, 40])], []),
        ([(GREEN, [20, 20, 50, 50]), (BLUE, [90, 60, 30, 30])], []),
        ([], []),
        ([(RED, [70, 30, 30, 20])], []),
    )
    monkeypatch.chdir(tmp_path)
    stand_in(monkeypatch, lambda outputs: outputs)
    return tmp_path


def stand_in(monkeypatch: pytest.MonkeyPatch, change: Callable[[Outputs], Outputs]) -> None:
    """Let the exported model stand for the eager one, with its outputs changed."""

    class Eager:
        score_threshold = 0.05

        def __init__(self, folder: Path) -> None:
            assert folder == Path("models/checkpoint")
            self._model = ExportedDetector(Path("models/detector/1"))

        def call(self, inputs: Any, signature: str) -> Outputs:
            return change(self._model.call(inputs, signature))

    monkeypatch.setattr(exported, "EagerDetector", Eager)


def save_params(root: Path, **params: Any) -> None:
    YAML().dump({"verify": params}, root / "params.yaml")


def metrics(repository: Path) -> Any:
    return json.loads((repository / "reports/verify/metrics.json").read_text())


def test_what_is_served_is_what_was_exported(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verify.main()
    found = metrics(repository)
    assert (found["version"], found["images"], found["sampled_images"]) == (1, 4, 3)
    assert found["client"]["serving_default"]["images"] == 4
    assert found["client"]["serving_default"]["detections"] == 4
    for kind in ("saved_model", "eager"):
        assert sorted(found[kind]) == SIGNATURES
        for parity in found[kind].values():
            assert (parity["images"], parity["moved"], parity["borderline"]) == (3, 0, 0)
            assert set(parity["differences"]) >= {"detection_boxes", "detection_masks"}
            assert max(parity["differences"].values()) <= parity["tolerance"]
    assert found["lossless"]["image_tensor"]["images"] == 3
    assert "4 images through the client, 3 in all signatures" in capsys.readouterr().out


def test_same_input_same_bytes_without_times_and_paths(repository: Path) -> None:
    verify.main()
    first = folder_to_bytes(repository / "reports/verify")
    assert set(first) == {"metrics.json", "report.md"}
    assert str(repository).encode() not in b"".join(first.values())
    (repository / "reports/verify/left.txt").write_text("of before")
    verify.main()
    assert folder_to_bytes(repository / "reports/verify") == first


def test_all_images_where_the_split_is_smaller_than_the_sample(repository: Path) -> None:
    save_params(repository, images=100)
    verify.main()
    assert metrics(repository)["sampled_images"] == 4


def test_empty_split_proves_the_description_alone_and_says_so(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_split(repository)
    verify.main()
    assert "nothing is proved of detections; raise coco.test_fraction" in capsys.readouterr().err
    assert metrics(repository)["client"]["serving_default"]["images"] == 0
    assert "| n/a |" in (repository / "reports/verify/report.md").read_text()


class TestAnotherModel:
    def test_than_the_trained_one(self, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        stand_in(
            monkeypatch,
            lambda found: found | {"detection_scores": found["detection_scores"] * 0.99},
        )
        message = (
            r"^1\.jpg, signature serving_default: detection_scores over gRPC and of the trained "
            r"model in eager mode differ by 0\.009, more than the 0\.001 allowed \(1 more images "
            r"differ too much\); the export is not of this checkpoint.*dvc repro --force export"
        )
        with pytest.raises(InputError, match=message):
            verify.main()
        report = (repository / "reports/verify/report.md").read_text()
        assert "1e-02" in report, "what was found is there to be read"

    def test_by_rounding_only(self, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        stand_in(
            monkeypatch, lambda found: found | {"detection_boxes": found["detection_boxes"] + 2e-4}
        )
        verify.main()
        assert metrics(repository)["eager"]["tf_example"]["differences"]["detection_boxes"] == 1e-3

    def test_behind_the_wire(self, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        call = verify.Wire.call

        def changed(wire: verify.Wire, inputs: Any, signature: str) -> Outputs:
            outputs = dict(call(wire, inputs, signature))
            if signature == "tf_example":
                outputs["detection_masks"] = outputs["detection_masks"] * np.float32(0.999)
            return outputs

        monkeypatch.setattr(verify.Wire, "call", changed)
        message = "signature tf_example: detection_masks over gRPC and of the SavedModel in process"
        with pytest.raises(InputError, match=message):
            verify.main()

    def test_by_the_client(self, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        detect = verify.DetectorClient.detect
        monkeypatch.setattr(
            verify.DetectorClient,
            "detect",
            lambda client, data: detect(client, data).above(0.5),
        )
        message = r"^2\.jpg, signature serving_default: num_detections of the client"
        with pytest.raises(InputError, match=message):
            verify.main()

    def test_by_its_description(self, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        describe = verify.DetectorClient.describe
        monkeypatch.setattr(
            verify.DetectorClient,
            "describe",
            lambda client: dataclasses.replace(describe(client), class_names={1: "other"}),
        )
        with pytest.raises(InputError, match="model_info says other things over gRPC"):
            verify.main()


def test_an_image_that_the_server_refuses_is_named(repository: Path) -> None:
    path = repository / "data/images" / f"{'4'.ljust(64, '0')}.jpg"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match=r"^4\.jpg: "):
        verify.main()


def test_a_model_that_cannot_be_served_is_named(repository: Path) -> None:
    (repository / "models/detector/1/saved_model.pb").unlink()
    with pytest.raises(InputError, match=r"models/detector/1.*saved_model\.pb"):
        verify.main()


@pytest.mark.parametrize(
    ("count", "places"),
    [
        pytest.param(1, [0], id="one"),
        pytest.param(3, [0, 3, 6], id="some"),
        pytest.param(9, [*range(9)], id="as many"),
        pytest.param(99, [*range(9)], id="more"),
    ],
)
def test_the_sample_is_spread(count: int, places: list[int]) -> None:
    assert verify.spread(range(9), count) == places


def test_nothing_can_be_spread() -> None:
    assert verify.spread([], 3) == []


def test_params_are_checked(repository: Path) -> None:
    save_params(repository, images=0)
    with pytest.raises(InputError, match=r"verify\.images: got 0"):
        verify.main()


def test_a_network_as_it_was_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    """Random weights with masks, saved as training does: every step is the real one."""
    save_random_detector(tmp_path / "models", root)
    save_params(tmp_path, images=2)
    save_split(tmp_path, ([(RED, [10, 10, 60, 40])], []), ([(GREEN, [20, 20, 50, 50])], []))
    monkeypatch.chdir(tmp_path)
    verify.main()
    for parity in metrics(tmp_path)["eager"].values():
        assert parity["detections"] > 0, "or this test would prove nothing"


def save_random_detector(models: Path, root: Path) -> None:
    import tf_keras

    from rhymes.common.params import load_section
    from rhymes.detector.checkpoint import save_trained
    from rhymes.detector.experiment import (
        build_experiment,
        build_network,
        network_to_inference,
    )
    from rhymes.detector.exporting import export_saved_model
    from rhymes.detector.settings import DataFacts, TrainParams

    own = load_section("train", TrainParams, root / "params.yaml")
    params = dataclasses.replace(own, image_size=128)
    facts = DataFacts(["C1", "C2", "C3"], 10, 2, 20, 20, masks=True)
    experiment = build_experiment(params, "mask_rcnn", facts)
    # Random weights are sure of nothing: let the lowest scores through.
    experiment.config.task.model.detection_generator.pre_nms_score_threshold = 0.0
    tf_keras.utils.set_random_seed(1)
    network = build_network(experiment)
    classes = [{"id": i, "name": name} for i, name in enumerate(facts.class_names, start=1)]
    record = {"model": "mask_rcnn", "classes": classes}
    save_trained(models / "checkpoint", experiment, network, record)
    (models / "detector/1").mkdir(parents=True)
    export_saved_model(network_to_inference(experiment, network), record, models / "detector/1")
