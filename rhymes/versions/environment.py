"""The Python and the libraries that decide on the bytes of trained weights, by version."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import metadata

_TITLES = {
    "python": "Python",
    "numpy": "NumPy",
    "tensorflow": "TensorFlow",
    "tf-models-official": "Model Garden",
    "tf-keras": "tf_keras",
}

Environment = Mapping[str, str]
"""`python` -> its minor version, as "3.13"; a library's distribution -> its version."""


def load_environment() -> dict[str, str]:
    """Return what this process runs with; a library that is not installed is left out."""
    found = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    for name in _TITLES.keys() - found.keys():
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {name: found[name] for name in _TITLES if name in found}


def environment_to_text(environment: Environment, beside: Environment | None = None) -> str:
    """List titles and versions: "Python 3.11 and NumPy 2.4.6".

    Args:
        environment: what to list.
        beside: if given, what is equal in both is left out, and what only this one has is named as
            missing.

    Returns:
        The list; empty if nothing is left.
    """
    shown = [
        f"{title} {environment[name]}" if name in environment else f"no {title}"
        for name, title in _TITLES.items()
        if (name in environment if beside is None else environment.get(name) != beside.get(name))
    ]
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))
