from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.tf

TRAIN = """
    import dataclasses, hashlib, json, sys
    from pathlib import Path
    import detector
    from detector.checkpoint import save_trained
    from detector.experiment import build_experiment
    from detector.inputs import build_train_dataset
    from detector.progress import Validation, load_progress, save_progress
    from detector.settings import DataFacts, TrainParams
    from detector.strategies import build_strategy
    from detector.training import Training
    from formats.params import load_section
    records, folder, params, stopped = (Path(argument) for argument in sys.argv[1:])
    params = dataclasses.replace(
        load_section("train", TrainParams, params),
        image_size=64, batch_size=4, steps=4, validations=2,
    )
    config = build_experiment(params, "mask_rcnn", DataFacts(["A", "B"], 10, 2, 20, 20, True))
    progress = load_progress(stopped)
    dataset = build_train_dataset(config, records, first=progress.step * 4 if progress else 0)
    training = Training(config, dataset, build_strategy("one_device"))
    start = hashlib.sha256(b"".join(w.numpy().tobytes() for w in training.model.variables))
    if progress:
        training.restore(progress)

    class Checkpoints:
        due = False

        def save(self, progress):
            if progress.step == 2:
                save_progress(stopped, progress)

    figures = []
    training.run(
        lambda _, step: Validation(step, {"AP": {2: 0.7, 4: 0.5}[step]}, "AP"),
        lambda step, values: figures.append([step, values]),
        Checkpoints(),
    )
    save_trained(folder / "checkpoint", config, training.model, {"model": "mask_rcnn"})
    last = b"".join(w.tobytes() for w in training.progress().optimizer)
    seen = [start.hexdigest(), hashlib.sha256(last).hexdigest(), figures]
    (folder / "seen.json").write_text(json.dumps(seen))
"""

# In a process of its own, as the stage is: names in a graph count what was traced before.
EXPORT = """
    import sys
    from pathlib import Path
    import detector
    from detector.checkpoint import load_trained
    from detector.exporting import export_saved_model
    from detector.inference import model_to_inference
    folder = Path(sys.argv[1])
    config, model, record = load_trained(folder / "checkpoint")
    (folder / "detector").mkdir()
    export_saved_model(model_to_inference(config, model), record, folder / "detector")
"""


def test_a_training_that_goes_on_is_equal_to_the_byte(
    data: Any, root: Path, tmp_path: Path
) -> None:
    """The second process begins with the same weights, and goes on where the first one was."""
    trees: list[dict[str, str]] = []
    for name in ("whole", "resumed"):
        for script, arguments in (
            (TRAIN, [data.tfrecords, name, root / "params.yaml", "stopped.npz"]),
            (EXPORT, [name]),
        ):
            subprocess.run(
                [sys.executable, "-c", textwrap.dedent(script), *arguments],
                cwd=tmp_path,
                # Sets of strings come in another order in each process unless this is fixed.
                env=os.environ | {"PYTHONPATH": str(root), "PYTHONHASHSEED": str(len(trees))},
                timeout=600,
                check=True,
            )
        trees.append(
            {
                str(path.relative_to(tmp_path / name)): hashlib.sha256(
                    path.read_bytes()
                ).hexdigest()
                for path in (tmp_path / name).rglob("*")
                if path.is_file()
            }
        )
    assert len(trees[0]) > 8
    assert trees[0] == trees[1]
    _, _, figures = json.loads((tmp_path / "whole/seen.json").read_text())
    assert [step for step, _ in figures] == [2, 2, 4, 4]
