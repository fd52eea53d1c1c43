"""All measurements, one after the other, or one of them: `python -m bench`, `python -m bench page`.

Each runs in a process of its own, so that none inherits another's memory.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys

from rhymes.common.errors import InputError
from rhymes.common.tensorflow_environment import set_tensorflow_environment

_ALL = ("tfrecord", "conversion", "memory", "training", "detector", "serving", "page")
_ALONE = ("soak", "copies")
"""What takes minutes and is no ratio: run when it is named."""

_TIMEOUT = 3600.0  # seconds


def main() -> None:
    """Run what is named; without a name, start a process for each of the usual ones."""
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    parser.add_argument("name", nargs="?", choices=(*_ALL, *_ALONE), help="all without it")
    name = parser.parse_args().name
    if name is not None:
        set_tensorflow_environment()  # the module may import TensorFlow
        try:
            importlib.import_module(f"bench.{name}").main()
        except InputError as error:  # such as no model yet
            sys.exit(f"bench {name}: {error}")
        return
    for each in _ALL:
        subprocess.run([sys.executable, "-m", "bench", each], timeout=_TIMEOUT, check=True)


if __name__ == "__main__":
    main()
