from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.tf

TRAIN_AND_EXPORT = """
    import dataclasses, sys
    from pathlib import Path
    import detector
    from detector.checkpoint import load_trained, save_trained
    from detector.experiment import build_experiment
    from detector.exporting import export_saved_model
    from detector.inference import model_to_inference
    from detector.inputs import build_train_dataset
    from detector.settings import DataFacts, TrainParams
    from detector.strategies import build_strategy
    from detector.training import Training
    from formats.params import load_section
    params = dataclasses.replace(
        load_section("train", TrainParams, Path(sys.argv[3])),
        image_size=64, batch_size=4, steps=4, validations=1,
    )
    config = build_experiment(params, "mask_rcnn", DataFacts(["A", "B"], 10, 2, 20, 20, True))
    dataset = build_train_dataset(config, Path(sys.argv[1]))
    training = Training(config, dataset, build_strategy("one_device"))
    training.run(lambda *_: None, lambda *_: None)
    folder = Path(sys.argv[2])
    save_trained(folder / "checkpoint", config, training.model, {"model": "mask_rcnn"})
    config, model, record = load_trained(folder / "checkpoint")
    (folder / "detector").mkdir()
    export_saved_model(model_to_inference(config, model), record, folder / "detector")
"""


def test_two_trainings_are_equal_to_the_byte(data: Any, root: Path, tmp_path: Path) -> None:
    trees = []
    for name in ("first", "second"):
        subprocess.run(
            [
                sys.executable,
                "-c",
                textwrap.dedent(TRAIN_AND_EXPORT),
                data.tfrecords,
                name,
                root / "params.yaml",
            ],
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
