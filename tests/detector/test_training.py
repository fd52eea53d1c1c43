from __future__ import annotations

import json
import math
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rhymes.common.errors import InputError
from rhymes.detector.settings import DataFacts, TrainParams
from rhymes.detector.training import TrainingReport
from rhymes.metrics import catalogue

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def training(data: Any, params: Callable[..., TrainParams], facts: Callable[..., DataFacts]) -> Any:
    """A RetinaNet of 64 px that has not seen an image yet."""
    from rhymes.detector.experiment import build_experiment
    from rhymes.detector.inputs import build_train_dataset
    from rhymes.detector.training import Training, build_strategy

    small = params(image_size=64, steps=5, validations=3)
    experiment = build_experiment(small, "retinanet", facts())
    dataset = build_train_dataset(experiment, data.tfrecords)
    return Training(experiment, dataset, build_strategy("one_device"))


def test_keeps_the_weights_of_the_best_validation(training: Any) -> None:
    from rhymes.detector.resuming import Validation

    scores = {2: 0.3, 4: 0.7, 5: 0.5}
    kept: dict[int, Any] = {}
    reported: dict[int, dict[str, float]] = {}

    def validate(inference: Any, step: int) -> Validation:
        kept[step] = [variable.numpy().copy() for variable in training.network.variables]
        return Validation(step, {"AP": scores[step], "AR": None}, "AP")

    def report(step: int, metrics: Mapping[str, float]) -> None:
        reported.setdefault(step, {}).update(metrics)

    best = training.run(validate, report)
    assert (best.step, best.score) == (4, 0.7)
    final = [variable.numpy() for variable in training.network.variables]
    assert all((a == b).all() for a, b in zip(final, kept[4], strict=True))
    assert not all((a == b).all() for a, b in zip(final, kept[5], strict=True))
    assert sorted(reported) == [2, 4, 5]
    assert reported[5]["val/AP"] == 0.5
    assert "val/AR" not in reported[5], "an undefined metric has no value to plot"
    assert math.isfinite(reported[5]["train/loss"])


def test_what_is_saved_is_what_is_loaded(training: Any, tmp_path: Path) -> None:
    from rhymes.detector.checkpoint import load_trained, save_trained
    from rhymes.detector.experiment import experiment_to_dict

    folder = tmp_path / "checkpoint"
    save_trained(folder, training.experiment, training.network, {"model": "retinanet"})
    experiment, network, record = load_trained(folder)
    assert record == {"model": "retinanet"}
    assert experiment_to_dict(experiment) == experiment_to_dict(training.experiment)
    pairs = zip(network.variables, training.network.variables, strict=True)
    assert all((a.numpy() == b.numpy()).all() for a, b in pairs)


def test_a_checkpoint_of_another_model_is_named(training: Any, tmp_path: Path) -> None:
    from rhymes.detector.checkpoint import load_trained, save_trained

    folder = tmp_path / "checkpoint"
    save_trained(folder, training.experiment, training.network, {"model": "retinanet"})
    text = (folder / "experiment.yaml").read_text()
    (folder / "experiment.yaml").write_text(text.replace("num_classes: 3", "num_classes: 9"))
    with pytest.raises(InputError, match="not a trained detector"):
        load_trained(folder)
    with pytest.raises(InputError, match="dvc repro train"):
        load_trained(tmp_path / "nothing")


def test_stops_when_the_loss_is_not_finite(training: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(training, "_step", 0)
    monkeypatch.setattr(training, "advance", lambda count: {"train/loss": math.nan})
    with pytest.raises(InputError, match=r"loss is nan at step 2; lower train\.learning_rate"):
        training.run(lambda *_: None, lambda *_: None)


def test_trains_on_two_devices(data: Any, root: Path) -> None:
    script = """
        import json, sys
        from pathlib import Path
        import tensorflow as tf
        from tensorflow import config as devices
        cpu = devices.list_physical_devices("CPU")[0]
        devices.set_logical_device_configuration(cpu, [devices.LogicalDeviceConfiguration()] * 2)
        import dataclasses
        from rhymes.detector.experiment import build_experiment
        from rhymes.detector.inputs import build_train_dataset
        from rhymes.detector.settings import DataFacts, TrainParams
        from rhymes.detector.training import build_strategy
        from rhymes.detector.training import Training
        from rhymes.common.params import load_section
        params = dataclasses.replace(
            load_section("train", TrainParams),
            image_size=64, batch_size=2, steps=2, validations=1, strategy="mirrored",
        )
        facts = DataFacts(["A", "B"], 10, 2, 20, 20, masks=True)
        experiment = build_experiment(params, "retinanet", facts)
        task = experiment.config.task
        task.freeze_backbone = True  # the heads' gradients cross the devices; half the time
        strategy = build_strategy("mirrored")
        dataset = build_train_dataset(experiment, Path(sys.argv[1]))
        training = Training(experiment, dataset, strategy)
        losses = []
        training.run(lambda *_: None, lambda step, metrics: losses.append(metrics))
        print(json.dumps([strategy.num_replicas_in_sync, losses[0]["train/loss"]]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(data.tfrecords)],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    replicas, loss = json.loads(done.stdout.splitlines()[-1])
    assert replicas == 2
    assert math.isfinite(loss)


@pytest.mark.usefixtures("coco_metrics")
def test_every_plotted_curve_is_there_and_none_is_touched(tmp_path: Path) -> None:
    with TrainingReport(tmp_path / "report", tmp_path / "events") as report:
        report(10, {"train/loss": 2.0})
        report(20, {"val/AP": 0.25, "val/AP50": 0.5})
    curves = tmp_path / "report/plots/metrics/val"
    assert (curves / "AP.tsv").read_text() == "step\tAP\n20\t0.25\n"
    assert (curves / "mask_AP.tsv").read_text() == "step\tmask_AP\n", "a model without masks"
    assert {path.stem for path in curves.iterdir()} == {"AP", "AP50", "mask_AP", "mask_AP50"}


def test_a_new_headline_metric_has_its_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = replace(catalogue.find_metric("AP50"), name="AP90")
    monkeypatch.setattr(catalogue, "METRICS", (*catalogue.METRICS, added))
    with TrainingReport(tmp_path / "report", tmp_path / "events") as report:
        report(10, {"train/loss": 2.0})
    assert (tmp_path / "report/plots/metrics/val/AP90.tsv").read_text() == "step\tAP90\n"


def test_a_training_without_validation_has_empty_curves(tmp_path: Path) -> None:
    with TrainingReport(tmp_path / "report", tmp_path / "events") as report:
        report(10, {"train/loss": 2.0})
    assert (tmp_path / "report/plots/metrics/val/AP.tsv").read_text() == "step\tAP\n"
