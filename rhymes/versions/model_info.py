"""What an exported detector says about itself: the JSON of its signature `model_info`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from rhymes.common.errors import InputError

SIGNATURE = "model_info"
"""Name of the signature (without inputs) and of its one output, a string scalar."""


@dataclass(frozen=True)
class ModelInfo:
    """What was exported.

    Attributes:
        values: All that was recorded: classes, parameters, hashes of data and code, validation.
        class_names: By class id, from 1.
    """

    values: dict[str, Any]
    class_names: dict[int, str]


def text_to_model_info(text: str | bytes) -> ModelInfo:
    """Read the JSON and check that it numbers the classes from 1.

    Raises:
        InputError: it is no JSON, or does not list the classes as id and name.
    """
    try:
        values: dict[str, Any] = json.loads(text)
        ids = [entry["id"] for entry in values["classes"]]
        names = [entry["name"] for entry in values["classes"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"model_info does not list the classes as id and name ({error!r})"
        ) from None
    if ids != list(range(1, len(ids) + 1)) or not all(isinstance(name, str) for name in names):
        raise InputError(f"model_info's classes: expected ids from 1 up, got {ids}")
    return ModelInfo(values, dict(zip(ids, names, strict=True)))
