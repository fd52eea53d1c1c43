"""With which Python and libraries models/checkpoint was trained: then, now, and here.

DVC starts no training because of them, but the bytes of the weights depend on them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from rhymes.common.errors import InputError
from rhymes.project.why.content import Contents
from rhymes.versions.dvc import LockedStage
from rhymes.versions.environment import Environment, environment_to_text, load_environment

CHECKPOINT, RECORD = "models/checkpoint", "training.json"


def compare_trainings(old: LockedStage, new: LockedStage, contents: Contents) -> Iterator[str]:
    """Say in what the environments of two runs of a stage differ, if it trains.

    Args:
        old: the run then.
        new: the run now.
        contents: for the records of both.

    Yields:
        A sentence, or nothing: where they are equal, or where nothing knows a record any more.

    Raises:
        InputError: a record is broken.
    """
    before, after = _load(old, contents), _load(new, contents)
    if before and after and before != after:
        yield (
            f"trained with {environment_to_text(before, beside=after)} then, "
            f"with {environment_to_text(after, beside=before)} now"
        )


def compare_with_here(stage: LockedStage, contents: Contents) -> Iterator[str]:
    """Say in what this environment differs from that of the checkpoint, if the stage trains.

    Args:
        stage: as its files lie.
        contents: for the record.

    Yields:
        A sentence, or nothing: where they are equal, or where no record lies there.

    Raises:
        InputError: the record is broken.
    """
    trained, here = _load(stage, contents), load_environment()
    if trained and trained != here:
        yield (
            f"{CHECKPOINT} was trained with {environment_to_text(trained, beside=here)}; this "
            f"environment has {environment_to_text(here, beside=trained)}. DVC does not train "
            "again for that; a training that runs here may give other bytes."
        )


def _load(stage: LockedStage, contents: Contents) -> Environment | None:
    """Read the environment out of a stage's record; None where there is none to read."""
    if not (folder := stage.outs.get(CHECKPOINT)):
        return None
    files = contents.folder(CHECKPOINT, folder, stage.outs) or {}
    path = f"{CHECKPOINT}/{RECORD}"
    text = contents.text(path, files[RECORD]) if RECORD in files else None
    if text is None:
        return None
    try:
        environment = json.loads(text).get("environment")
        return None if environment is None else {str(k): str(v) for k, v in environment.items()}
    except (ValueError, AttributeError) as error:
        raise InputError(f"{path}: no record of a training ({error})") from None
