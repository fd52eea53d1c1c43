"""Export the trained detector: `python -m stages.export`.

models/checkpoint/ -> models/detector/<export.version>/, a SavedModel as TensorFlow Serving loads
it; models/detector is its model base path.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from rhymes.common.files import folder_written_aside
from rhymes.common.params import load_section, section
from rhymes.common.tensorflow_environment import set_tensorflow_environment
from stages.command import run_stage

CHECKPOINT, DETECTOR = Path("models/checkpoint"), Path("models/detector")


@section
class ExportParams:
    """The section `export`.

    Attributes:
        version: the folder's name, TensorFlow Serving's version: a positive integer.
    """

    version: Annotated[int, Field(ge=1, lt=2**63)]


def main() -> None:
    """Read the section, load the checkpoint, export."""
    set_tensorflow_environment()
    from rhymes.detector.checkpoint import load_trained
    from rhymes.detector.experiment import network_to_inference
    from rhymes.detector.exporting import export_saved_model

    params = load_section("export", ExportParams)
    experiment, network, record = load_trained(CHECKPOINT)
    info = record | {"version": params.version, "score_threshold": experiment.score_threshold}
    with folder_written_aside(DETECTOR / str(params.version)) as folder:
        export_saved_model(network_to_inference(experiment, network), info, folder)
    print(f"export: {DETECTOR / str(params.version)}")


if __name__ == "__main__":
    run_stage("export", main)
