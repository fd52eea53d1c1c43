"""Train a detector: `python -m stages.train`.

data/tfrecord/train, data/coco/{train,val}.json and data/images (to validate on)
-> models/checkpoint/ (weights, experiment.yaml, training.json) and reports/train/ (DVCLive, and
headline.json: the kept weights on val).
TensorBoard's event files tell time, so they go to logs/train/, which is no output.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rhymes.coco.files import Coco, load_coco
from rhymes.common.files import save_json
from rhymes.common.params import load_section
from rhymes.common.tensorflow_environment import set_tensorflow_environment
from rhymes.detector.resuming import open_checkpoints
from rhymes.detector.settings import DataFacts, TrainParams, splits_to_facts
from rhymes.metrics.scoring import metrics_to_headline
from stages.command import run_stage

TRAIN_COCO, VAL_COCO = Path("data/coco/train.json"), Path("data/coco/val.json")
IMAGES, TFRECORDS = Path("data/images"), Path("data/tfrecord/train")
CHECKPOINT, REPORT, EVENTS = Path("models/checkpoint"), Path("reports/train"), Path("logs/train")


def main() -> None:
    """Read the section and the data, train, save."""
    set_tensorflow_environment()
    from rhymes.detector.architecture import resolve_model

    params = load_section("train", TrainParams)
    train, val = load_coco(TRAIN_COCO), load_coco(VAL_COCO)
    masks = json.loads((TFRECORDS / "count.json").read_text(encoding="utf-8"))["masks"]
    facts = splits_to_facts(train, val, masks=masks)
    model = resolve_model(params.model, facts)
    print(
        f"train: {params.model} -> {model} ({facts.polygons} of {facts.objects} objects have a "
        f"polygon), {facts.train_images} images, {len(facts.class_names)} classes",
        flush=True,
    )
    train_detector(params, model, facts, val)


def train_detector(params: TrainParams, model: str, facts: DataFacts, val: Coco) -> None:
    """Train, validate on `val`, and save the weights that did best, with what they reached."""
    from rhymes.detector.checkpoint import build_record, save_trained
    from rhymes.detector.experiment import build_experiment
    from rhymes.detector.inputs import build_train_dataset
    from rhymes.detector.pretrained import find_weights, restore_pretrained
    from rhymes.detector.training import Training, TrainingReport, build_strategy, build_validation

    weights = find_weights(params.pretrained)
    data = [TRAIN_COCO, VAL_COCO, *TFRECORDS.glob("*.tfrecord")]
    record = build_record(params, model, facts, data, weights)
    experiment = build_experiment(params, model, facts)
    validate = build_validation(val, IMAGES, masks=experiment.architecture.has_masks)
    with open_checkpoints(record) as checkpoints:
        progress = checkpoints.load()
        seen = progress.step * params.batch_size if progress else 0
        training = Training(
            experiment,
            build_train_dataset(experiment, TFRECORDS, first=seen),
            build_strategy(params.strategy),
            lambda network: restore_pretrained(network, weights, params.backbone),
        )
        if progress:
            print(f"train: goes on from step {progress.step}, where it was stopped", flush=True)
            training.restore(progress)
        with TrainingReport(REPORT, EVENTS) as report:
            best = training.run(validate, report, checkpoints)
        save_trained(
            CHECKPOINT, experiment, training.network, record | {"validation": asdict(best)}
        )
    headline = metrics_to_headline(best.metrics) | {"step": best.step}
    save_json(REPORT / "headline.json", {"val": headline})
    print(f"train: kept step {best.step}, {best.ranked_by} on val {best.score:.3f}")


if __name__ == "__main__":
    run_stage("train", main)
