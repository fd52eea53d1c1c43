from __future__ import annotations

import sys
from importlib import metadata

import numpy as np
import pytest

from rhymes.versions.environment import environment_to_text, load_environment

OLD = {"python": "3.11", "numpy": "2.4.6", "tensorflow": "2.20.0"}


def test_what_this_process_runs_with() -> None:
    found = load_environment()
    assert found["python"] == ".".join(map(str, sys.version_info[:2]))
    assert found["numpy"] == np.__version__
    assert list(found) == ["python", "numpy", "tensorflow", "tf-models-official", "tf-keras"]


def test_a_library_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name != "numpy":
            raise metadata.PackageNotFoundError(name)
        return "2.4.6"

    monkeypatch.setattr(metadata, "version", version)
    assert list(load_environment()) == ["python", "numpy"]


@pytest.mark.parametrize(
    ("environment", "beside", "text"),
    [
        (OLD, None, "Python 3.11, NumPy 2.4.6 and TensorFlow 2.20.0"),
        (OLD, OLD | {"python": "3.13"}, "Python 3.11"),
        (OLD, OLD | {"python": "3.13", "numpy": "2.5.5"}, "Python 3.11 and NumPy 2.4.6"),
        ({"python": "3.11"}, OLD, "no NumPy and no TensorFlow"),
        (OLD, {"python": "3.11"}, "NumPy 2.4.6 and TensorFlow 2.20.0"),
        (OLD, OLD, ""),
    ],
    ids=["all", "one differs", "two differ", "lacks some", "has more", "equal"],
)
def test_in_words(environment: dict[str, str], beside: dict[str, str] | None, text: str) -> None:
    assert environment_to_text(environment, beside) == text
