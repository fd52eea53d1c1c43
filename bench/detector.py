"""Training, serving latency and evaluation: `python -m bench detector`.

A RetinaNet of 256 px, batch 8, on the blood cells of ../shared where they are, else on drawn trays;
both are 640 pixels wide, as images come.
"""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from bench.training import TOTAL, compare_speeds
from bench.workspace import ROOT, prepare_workspace, run_stages
from rhymes.coco.files import Coco, load_coco
from rhymes.common.params import load_section
from rhymes.detections.detections import detections_to_coco
from rhymes.detector.experiment import build_experiment
from rhymes.detector.exported import ExportedDetector
from rhymes.detector.exporting import export_saved_model
from rhymes.detector.inputs import build_train_dataset
from rhymes.detector.settings import TrainParams, splits_to_facts
from rhymes.detector.training import Training, build_strategy
from rhymes.metrics.evaluation import Thresholds, evaluate_results

REAL_EXPORT = ROOT.parent / "shared" / "datasets" / "bccd3"
TRAINING_GOAL, LATENCY_GOAL = 0.9, 1.4
_CALLS = 150


def main() -> None:
    """Print one line each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ground_truth = prepare_data(folder)
        training = measure_training(folder)
        info = {"classes": ground_truth["categories"]}
        export_saved_model(training.inference, info, folder / "model")
        detector = ExportedDetector(folder / "model")
        images = [
            (image, (folder / "data/images" / image["file_name"]).read_bytes())
            for image in ground_truth["images"]
        ]
        measure_latency(training, detector, images[0][1])
        measure_evaluation(detector, ground_truth, images)


def prepare_data(folder: Path) -> Coco:
    """Run the stages up to the TFRecords in an empty folder; return the test split."""
    if REAL_EXPORT.is_dir():
        prepare_workspace(folder, {"raw": {"export": str(REAL_EXPORT)}})
    else:
        prepare_workspace(folder, {"sample": {"images": 120, "size": 640}})
        run_stages(folder, ["sample"])
    run_stages(folder, ["fetch", "coco", "tfrecord"])
    return load_coco(folder / "data/coco/test.json")


def measure_training(folder: Path) -> Training:
    """Compare steps/s with those of the same model stepping over one batch held in memory."""
    own = load_section("train", TrainParams, ROOT / "params.yaml")
    params = dataclasses.replace(own, image_size=256, batch_size=8, steps=TOTAL)
    splits = [load_coco(folder / f"data/coco/{split}.json") for split in ("train", "val")]
    experiment = build_experiment(params, "retinanet", splits_to_facts(*splits, masks=False))
    dataset = build_train_dataset(experiment, folder / "data/tfrecord/train")
    real, held = (
        Training(experiment, each, build_strategy("one_device"))
        for each in (dataset, dataset.take(1).cache().repeat())
    )
    speed = compare_speeds(real, held)
    print(
        f"training: {speed.steps:.2f} steps/s, {speed.ratio:.2f}x of one batch held in memory "
        f"(goal >= {TRAINING_GOAL})"
    )
    return real


def measure_latency(training: Training, detector: ExportedDetector, image: bytes) -> None:
    """Compare a call of the exported detector with its unfrozen network alone, without NMS."""
    side = training.experiment.config.task.model.input_size[0]
    network, blank = training.network, tf.zeros([1, side, side, 3])
    bare = tf.function(lambda images: network.head(network.decoder(network.backbone(images))))
    whole, alone = _medians(lambda: detector.call([image]), lambda: bare(blank))
    print(
        f"latency: {whole * 1000:.1f} ms for an image of 640 pixels' width, "
        f"{whole / alone:.2f}x of the network alone, {alone * 1000:.1f} ms "
        f"(goal <= {LATENCY_GOAL})"
    )


def measure_evaluation(
    detector: ExportedDetector, ground_truth: Coco, images: list[tuple[Any, bytes]]
) -> None:
    """Compare the evaluation of a split, scoring included, with the model's calls alone."""
    start = time.perf_counter()
    for _, encoded in images:
        detector.call([encoded])
    model = time.perf_counter() - start
    start = time.perf_counter()
    results = [
        result
        for image, encoded in images
        for result in detections_to_coco(
            detector.detect(encoded, image["width"], image["height"]), image["id"]
        )
    ]
    evaluate_results(ground_truth, results, detector.has_masks, Thresholds(0.5, 0.5, 0.5))
    whole = time.perf_counter() - start
    print(
        f"evaluation: {whole / len(images) * 1000:.1f} ms an image, "
        f"{whole / model:.2f}x of the model's calls alone"
    )


def _medians(*calls: Callable[[], object]) -> list[float]:
    """Seconds of each call, the median; the calls take turns, so that noise meets all alike."""
    taken: list[list[float]] = [[] for _ in calls]
    for number in range(_CALLS):
        for call, times in zip(calls, taken, strict=True):
            start = time.perf_counter()
            call()
            if number >= _CALLS // 10:
                times.append(time.perf_counter() - start)
    return [statistics.median(times) for times in taken]
